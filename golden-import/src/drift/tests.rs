//! What is measured, on vectors whose drift is known.

use golden::store::VectorEncoding;
use rusqlite::types::Value as Stored;

use super::comparison::{AMONG, Comparison};
use super::refuse;

/// Vectors on a circle, each a little further than the one before.
fn circle(chunks: usize, new: impl Fn(usize) -> f32) -> Comparison {
    let mut comparison = Comparison::default();
    let at = |angle: f32| Stored::Text(format!("[{}, {}]", angle.cos() * 3.0, angle.sin() * 3.0));
    for chunk in 0..chunks {
        let old = at(chunk as f32 / 500.0);
        let new = at(new(chunk));
        let model = |name: &str| Stored::Text(name.to_owned());
        let row = vec![model("old"), Stored::Integer(2), old, model("new"), new];
        comparison.add_row(VectorEncoding::JsonText, &format!("chunk {chunk}"), row);
    }
    comparison
}

#[test]
fn the_same_vectors_do_not_drift() {
    let drift = circle(300, |chunk| chunk as f32 / 500.0).finish().expect("a drift");
    let neighbours = drift.neighbours.expect("neighbours");
    assert_eq!((neighbours.recall_at_10, neighbours.queries, neighbours.among), (1.0, 200, 300));
    let cosine = drift.cosine.expect("cosines");
    assert!(cosine.min > 0.9999 && cosine.p1 > 0.9999 && cosine.median > 0.9999, "{cosine:?}");
}

#[test]
fn a_turn_of_all_changes_cosines_but_no_neighbours() {
    let drift = circle(300, |chunk| chunk as f32 / 500.0 + 1.0).finish().expect("a drift");
    assert!(drift.neighbours.expect("neighbours").recall_at_10 > 0.98);
    let cosine = drift.cosine.expect("cosines");
    assert!((cosine.median - 1.0_f64.cos()).abs() < 1e-3 && (cosine.mean - 1.0_f64.cos()).abs() < 1e-3, "{cosine:?}");
}

#[test]
fn other_neighbours_are_noticed() {
    // Every third chunk is far away now: a third of the queries lose all, the rest a third.
    let new = |chunk: usize| chunk as f32 / 500.0 + if chunk.is_multiple_of(3) { 2.0 } else { 0.0 };
    let drift = circle(300, new).finish().expect("a drift");
    let neighbours = drift.neighbours.expect("neighbours");
    assert!((0.3..0.7).contains(&neighbours.recall_at_10), "{neighbours:?}");
    let cosine = drift.cosine.expect("cosines");
    assert!(cosine.p5 < -0.4 && cosine.median > 0.999, "{cosine:?}");
    assert!(refuse(Some(&drift), Some(neighbours.drift + 0.01)).is_ok());
    assert!(refuse(Some(&drift), Some(neighbours.drift - 0.01)).is_err());
    assert!(refuse(Some(&drift), None).is_ok());
}

#[test]
fn the_sample_is_bounded_and_always_the_same() {
    let rows = 3 * AMONG;
    let some = circle(rows, |chunk| chunk as f32 / 400.0);
    assert_eq!(some.sample.len(), AMONG);
    let mut backwards = Comparison::default();
    let mut pairs = circle(rows, |chunk| chunk as f32 / 400.0).sample.into_sorted_vec();
    pairs.reverse();
    pairs.into_iter().for_each(|pair| backwards.add(pair));
    let keys = |comparison: Comparison| -> Vec<_> {
        comparison.sample.into_sorted_vec().into_iter().map(|pair| pair.key).collect()
    };
    assert_eq!(keys(backwards), keys(some));
}

#[test]
fn what_is_no_vector_counts_but_is_not_compared() {
    let mut comparison = circle(5, |chunk| chunk as f32);
    for old in [Stored::Null, Stored::Text("[0, 0]".into()), Stored::Text("pickled".into())] {
        let new = Stored::Text("[1, 0]".into());
        let row = vec![Stored::Null, Stored::Null, old, Stored::Text("new".into()), new];
        comparison.add_row(VectorEncoding::JsonText, "another", row);
    }
    let drift = comparison.finish().expect("a drift");
    assert_eq!((drift.chunks, drift.before.len(), drift.neighbours), (8, 2, None));
    assert!(Comparison::default().finish().is_none());
}
