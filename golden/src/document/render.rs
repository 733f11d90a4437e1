//! Values as the document shows them: compact, or indented by two spaces. Numbers, strings and the
//! order of keys are the canonical ones in both, so the two layouts differ in white space alone.

use serde_json::Value;

use super::canonical::{sorted_members, write_string, write_value};

/// How a document is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Layout {
    /// Two spaces a level, one member a line: what git diffs well.
    #[default]
    Pretty,
    /// No white space but the final newline.
    Compact,
}

impl Layout {
    /// Starts a new line at `depth`, where lines are wanted.
    pub(super) fn line(self, depth: usize, out: &mut Vec<u8>) {
        if self == Self::Pretty {
            out.push(b'\n');
            out.resize(out.len() + 2 * depth, b' ');
        }
    }

    /// Appends `"key": `.
    pub(super) fn key(self, key: &str, out: &mut Vec<u8>) {
        write_string(key, out);
        out.extend_from_slice(match self {
            Self::Pretty => b": ",
            Self::Compact => b":",
        });
    }

    /// Appends a value whose first line stands at `depth`.
    pub(super) fn value(self, value: &Value, depth: usize, out: &mut Vec<u8>) {
        match value {
            Value::Array(items) if self == Self::Pretty && !items.is_empty() => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.line(depth + 1, out);
                    self.value(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push(b']');
            }
            Value::Object(members) if self == Self::Pretty && !members.is_empty() => {
                self.members(sorted_members(members).into_iter().map(|(key, value)| (key.as_str(), value)), depth, out);
            }
            _ => write_value(value, out),
        }
    }

    /// Appends an object of the given members, in the given order.
    pub(super) fn members<'a>(
        self,
        members: impl Iterator<Item = (&'a str, &'a Value)>,
        depth: usize,
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        for (index, (key, value)) in members.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.line(depth + 1, out);
            self.key(key, out);
            self.value(value, depth + 1, out);
        }
        self.line(depth, out);
        out.push(b'}');
    }
}
