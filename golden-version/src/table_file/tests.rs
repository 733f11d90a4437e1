//! Whatever stands in a table comes back from a file.

use std::sync::Arc;

use golden_version::{Cell, CellKind, Column, Row, RowForm, TableSchema};
use proptest::prelude::*;

use super::{Adding, Contents, Format, Writer, read, read_columns};

const DECLARED: [(&str, CellKind); 15] = [
    ("INTEGER", CellKind::Integer),
    ("REAL", CellKind::Real),
    ("TEXT", CellKind::Text),
    ("BLOB", CellKind::Blob),
    ("BOOLEAN", CellKind::Any),
    ("DATETIME", CellKind::Any),
    ("DATE", CellKind::Any),
    ("DECIMAL(10, 2)", CellKind::Any),
    ("", CellKind::Any),
    ("boolean", CellKind::Boolean),
    ("timestamp without time zone", CellKind::Text),
    ("timestamp(3) with time zone", CellKind::Text),
    ("date", CellKind::Text),
    ("numeric(12,2)", CellKind::Text),
    ("numeric(38,10)", CellKind::Text),
];

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        3 => Just(Cell::Null),
        1 => any::<bool>().prop_map(Cell::Boolean),
        2 => prop_oneof![any::<i64>(), -2..3_i64].prop_map(Cell::Integer),
        2 => prop_oneof![any::<f64>(), Just(-0.0), Just(f64::NAN), (-3..4_i8).prop_map(f64::from)].prop_map(Cell::Real),
        2 => any::<String>().prop_map(Cell::Text),
        2 => "[0-9]{4}-0[1-9]-[0-2][0-9]( 1[0-9]:00:00(\\.[0-9]{1,6})?(\\+00)?)?".prop_map(Cell::Text),
        2 => "-?[0-9]{1,9}\\.[0-9]{2}|-?[1-9][0-9]{20}\\.[0-9]{10}".prop_map(Cell::Text),
        1 => any::<Vec<u8>>().prop_map(Cell::Blob),
    ]
}

/// Values of one kind, as most columns have them, or of any.
fn any_column() -> impl Strategy<Value = (usize, Vec<Cell>)> {
    let cells = prop::collection::vec(any_cell(), 30).prop_flat_map(|cells| {
        let first = cells.first().cloned().unwrap_or_default();
        let same = cells.iter().map(|cell| {
            if std::mem::discriminant(cell) == std::mem::discriminant(&first) { cell.clone() } else { Cell::Null }
        });
        let same: Vec<_> = same.collect();
        prop_oneof![Just(cells), Just(same)]
    });
    (0..DECLARED.len(), cells)
}

fn form(columns: &[usize]) -> Arc<RowForm> {
    let id = Column { name: "id".into(), declared: "INTEGER".into(), kind: CellKind::Integer };
    let column = |(place, kind): (usize, &usize)| Column {
        name: format!("c{place}.ü"),
        declared: DECLARED[*kind].0.into(),
        kind: DECLARED[*kind].1,
    };
    let columns = [id].into_iter().chain(columns.iter().enumerate().map(column)).collect();
    let schema = TableSchema { table: "t".into(), columns, key: vec!["id".into()], key_named: false };
    Arc::new(RowForm::new(schema).expect("a form"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn rows_come_back(columns in prop::collection::vec(any_column(), 1..5), count in 0..30_usize) {
        let form = form(&columns.iter().map(|(kind, _)| *kind).collect::<Vec<_>>());
        let row = |number: usize| -> Row {
            let id = Cell::Integer(number as i64);
            [id].into_iter().chain(columns.iter().map(|(_, cells)| cells[number].clone())).collect()
        };
        let rows: Vec<_> = (0..count).map(row).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.parquet");
        let mut writer = Writer::create(&path, Format::Parquet, &form, Adding::Rows).expect("a writer");
        let mut contents = Contents::default();
        for row in &rows {
            contents.digest.add(form.json(row).as_bytes());
            contents.rows += 1;
            writer.write(row.clone()).expect("a row");
        }
        let closed = writer.close(Contents::default()).expect("a file");
        prop_assert_eq!(closed.contents, contents);
        let written = closed.keep().expect("a file");
        prop_assert_eq!(super::measure(&path).expect("a file"), written);
        let back: Vec<_> = read(&path, &form).expect("rows").collect::<golden::Result<_>>().expect("rows");
        prop_assert_eq!(back, rows);
    }

    #[test]
    fn damaged_files_are_errors(place in any::<prop::sample::Index>(), flip in 1..255_u8, cut in any::<bool>()) {
        let form = form(&[2, 3, 5]);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.parquet");
        let mut writer = Writer::create(&path, Format::Parquet, &form, Adding::Rows).expect("a writer");
        for number in 0..50 {
            let text = Cell::Text(format!("text {number}"));
            writer.write(vec![Cell::Integer(number), text.clone(), Cell::Blob(vec![1]), text]).expect("a row");
        }
        writer.close(Contents::default()).and_then(super::writer::Closed::keep).expect("a file");
        let mut bytes = std::fs::read(&path).expect("a file");
        let place = place.index(bytes.len());
        if cut { bytes.truncate(place) } else { bytes[place] ^= flip }
        std::fs::write(&path, bytes).expect("a file");
        // Rows or an error, and an end to them; whose digest is another is found by whoever reads.
        if let Ok(rows) = read(&path, &form) {
            prop_assert!(rows.take(100).count() < 100);
        }
    }
}

/// Large values, so that row groups end by their size, in the middle of what is read at once.
#[test]
fn columns_of_one_file_make_the_same_file() {
    let form = form(&[2, 7, 8]);
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["first.parquet", "second.parquet"].map(|name| folder.path().join(name));
    let mut contents = Contents::default();
    let mut writer = Writer::create(&first, Format::Parquet, &form, Adding::Rows).expect("a writer");
    let mut json = Vec::new();
    for number in 0..9_000_i64 {
        let long = Cell::Text(format!("{number:05}").repeat(if number % 3 == 0 { 4_000 } else { 1 }));
        let price = if number % 2 == 0 { Cell::Integer(number) } else { Cell::Real(number as f64 / 2.0) };
        let any = if number < 40 { Cell::Null } else { Cell::Integer(number) };
        let row = vec![Cell::Integer(number), long, price, any];
        contents.add(&form, &row, &mut json);
        writer.write(row).expect("a row");
    }
    writer.close(Contents::default()).and_then(super::writer::Closed::keep).expect("a file");
    let mut writer = Writer::create(&second, Format::Parquet, &form, Adding::Changes).expect("a writer");
    for (turn, columns) in read_columns(&first, &form).expect("rows").enumerate() {
        let mut columns = columns.expect("rows");
        writer.write_columns(columns.take(turn * 100)).expect("rows");
        writer.write_columns(columns).expect("rows");
    }
    writer.close(contents).and_then(super::writer::Closed::keep).expect("a file");
    let [first, second] = [first, second].map(|path| std::fs::read(path).expect("a file"));
    assert!(first == second, "{} and {} bytes", first.len(), second.len());
}
