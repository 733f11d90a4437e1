//! Values as PostgreSQL spells them.

use golden::store::literal;
use golden_version::{Cell, CellKind};

/// The value that a column of this kind spells so.
pub fn read(kind: CellKind, spelled: &str) -> Cell {
    let value = match kind {
        CellKind::Boolean => match spelled {
            "t" => Some(Cell::Boolean(true)),
            "f" => Some(Cell::Boolean(false)),
            _ => None,
        },
        CellKind::Integer => spelled.parse().ok().map(Cell::Integer),
        CellKind::Real => spelled.parse().ok().map(Cell::Real),
        CellKind::Blob => bytes(spelled).map(Cell::Blob),
        CellKind::Text | CellKind::Any => None,
    };
    value.unwrap_or_else(|| Cell::Text(spelled.to_owned()))
}

/// How PostgreSQL reads a value; none for NULL.
fn spell(cell: &Cell) -> Option<String> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Boolean(truth) => if *truth { "t" } else { "f" }.to_owned(),
        Cell::Integer(integer) => integer.to_string(),
        Cell::Real(double) if double.is_infinite() => if *double > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        Cell::Real(double) => format!("{double:e}"),
        Cell::Text(text) => text.clone(),
        Cell::Blob(bytes) => format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    })
}

/// A value as an expression, of no type yet.
pub fn expression(cell: &Cell) -> String {
    spell(cell).map_or_else(|| "NULL".to_owned(), |text| literal(&text))
}

/// Replaces `line` by a row as COPY reads it.
pub fn copied(row: &[Cell], line: &mut String) {
    line.clear();
    for (index, cell) in row.iter().enumerate() {
        if index > 0 {
            line.push('\t');
        }
        let Some(text) = spell(cell) else {
            line.push_str("\\N");
            continue;
        };
        for character in text.chars() {
            match character {
                '\\' => line.push_str("\\\\"),
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                other => line.push(other),
            }
        }
    }
    line.push('\n');
}

fn bytes(spelled: &str) -> Option<Vec<u8>> {
    let digits = spelled.strip_prefix("\\x")?.as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are_spelled() {
        for (kind, cell) in [
            (CellKind::Boolean, Cell::Boolean(true)),
            (CellKind::Integer, Cell::Integer(i64::MIN)),
            (CellKind::Real, Cell::Real(-0.0)),
            (CellKind::Real, Cell::Real(f64::NAN)),
            (CellKind::Real, Cell::Real(f64::NEG_INFINITY)),
            (CellKind::Real, Cell::Real(0.1)),
            (CellKind::Blob, Cell::Blob(vec![0, 255, 16])),
            (CellKind::Text, Cell::Text("1.50".into())),
        ] {
            assert_eq!(read(kind, &spell(&cell).expect("a value")), cell);
        }
    }

    #[test]
    fn lines_of_copy() {
        let mut line = "before".to_owned();
        copied(&[Cell::Null, Cell::Text("a\\\t\r\nb".into()), Cell::Text("\\N".into())], &mut line);
        assert_eq!(line, "\\N\ta\\\\\\t\\r\\nb\t\\\\N\n");
    }
}
