//! Rows as text: lines of JSON, or of CSV.

use std::io::Write;

use golden::Result;
use golden_version::{Cell, Row, RowForm};

/// Writes a row as its canonical JSON, on a line.
pub fn write_json_line(form: &RowForm, row: &Row, line: &mut Vec<u8>, out: &mut impl Write) -> Result<()> {
    form.write_json(row, line);
    line.push(b'\n');
    Ok(out.write_all(line)?)
}

/// Writes the names of the columns as a line of CSV.
pub fn write_csv_head(form: &RowForm, out: &mut impl Write) -> Result<()> {
    let names: Row = form.schema.columns.iter().map(|column| Cell::Text(column.name.clone())).collect();
    write_csv_line(&names, &mut Vec::new(), out)
}

/// Writes a row as a line of CSV (RFC 4180). NULL is nothing at all, a text without characters is `""`; bytes are
/// hexadecimal after `\x`, as PostgreSQL has them.
pub fn write_csv_line(row: &Row, line: &mut Vec<u8>, out: &mut impl Write) -> Result<()> {
    line.clear();
    for (place, cell) in row.iter().enumerate() {
        if place > 0 {
            line.push(b',');
        }
        match cell {
            Cell::Null => {}
            Cell::Text(text) => write_text(text, line),
            Cell::Blob(bytes) => {
                line.extend_from_slice(b"\\x");
                for byte in bytes {
                    write!(line, "{byte:02x}")?;
                }
            }
            Cell::Real(double) if !double.is_finite() => write!(line, "{}", spelled(*double))?,
            Cell::Boolean(_) | Cell::Integer(_) | Cell::Real(_) => cell.write_json(line),
        }
    }
    line.push(b'\n');
    Ok(out.write_all(line)?)
}

fn write_text(text: &str, line: &mut Vec<u8>) {
    let is_plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']) && text.trim() == text;
    if is_plain {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    line.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            line.push(b'"');
        }
        line.push(byte);
    }
    line.push(b'"');
}

fn spelled(double: f64) -> &'static str {
    match double {
        double if double.is_nan() => "NaN",
        double if double > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}
