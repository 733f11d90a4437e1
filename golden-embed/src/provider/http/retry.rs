//! When a request is repeated.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ureq::http::HeaderMap;

/// The pause before the first repetition; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause that nobody asked for.
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait before another attempt, after so many that failed: half of it by chance, so that those
/// who failed together do not come again together.
pub fn pause(failed: u32) -> Duration {
    let full = FIRST.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1))).min(LONGEST);
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// How long the service asks to wait.
pub fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok();
    let duration = |seconds| Duration::try_from_secs_f64(seconds).ok();
    if let Some(milliseconds) = text("retry-after-ms").and_then(number) {
        return duration(milliseconds / 1000.0);
    }
    let after = text("retry-after")?;
    match number(after) {
        Some(seconds) => duration(seconds),
        None => {
            let then = DateTime::parse_from_rfc2822(after).ok()?;
            // A moment that has passed asks for no pause.
            Some(then.signed_duration_since(Utc::now()).to_std().unwrap_or_default())
        }
    }
}

/// Holds all requests back while the service wants to be left alone.
pub struct Pace {
    not_before: Mutex<Instant>,
}

impl Pace {
    pub fn new() -> Self {
        Self { not_before: Mutex::new(Instant::now()) }
    }

    /// Nothing is sent before this has passed.
    pub fn hold(&self, pause: Duration) {
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(then) = Instant::now().checked_add(pause) {
            *not_before = then.max(*not_before);
        }
    }

    /// Waits until something may be sent.
    pub fn wait(&self) {
        loop {
            let then = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
            match then.checked_duration_since(Instant::now()) {
                Some(rest) if !rest.is_zero() => std::thread::sleep(rest),
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn the_service_says_how_long_in_four_ways() {
        let asked = |pairs: &[(&'static str, &str)]| asked(&headers(pairs));
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("retry-after", "3")]), Some(Duration::from_secs(3)));
        assert_eq!(asked(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(asked(&[("retry-after", "3"), ("retry-after-ms", "20")]), Some(Duration::from_millis(20)));
        assert_eq!(asked(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]), Some(Duration::ZERO));
        let soon = (Utc::now() + chrono::Duration::seconds(60)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let wait = asked(&[("retry-after", &soon)]).expect("a pause");
        assert!(wait > Duration::from_secs(55) && wait <= Duration::from_secs(60), "{wait:?}");
        for nonsense in ["", "-1", "NaN", "inf", "1e99", "soon"] {
            assert_eq!(asked(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }

    #[test]
    fn pauses_grow_and_vary() {
        for (failed, full) in [(1, 0.5), (2, 1.0), (5, 8.0), (7, 30.0), (u32::MAX, 30.0)] {
            let pauses: Vec<f64> = (0..50).map(|_| pause(failed).as_secs_f64()).collect();
            assert!(pauses.iter().all(|pause| (full / 2.0..=full).contains(pause)), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
    }
}
