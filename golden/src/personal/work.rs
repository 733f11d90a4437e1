//! How much is looked at, counted in tests: it must stay in proportion to the text.

#[cfg(test)]
thread_local! {
    static SPENT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts that so many bytes were looked at.
#[inline]
pub fn spend(bytes: usize) {
    #[cfg(test)]
    SPENT.with(|spent| spent.set(spent.get() + bytes));
    #[cfg(not(test))]
    let _ = bytes;
}

/// What was spent on this thread since the last call.
#[cfg(test)]
pub fn take() -> usize {
    SPENT.with(|spent| spent.replace(0))
}
