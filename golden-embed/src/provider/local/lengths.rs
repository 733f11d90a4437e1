//! Whether every part of an ONNX file lies inside the part that holds it. The runtime's own reader takes that for
//! granted, and goes round for ever where a damaged length points behind the end.

/// The messages of an ONNX file that hold others.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Sequence,
    Shape,
    /// One that holds no messages.
    Leaf,
}

impl Message {
    /// What stands in a field, if that is a message.
    fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Some(Self::Tensor),
            (Self::Graph, 11..=13) => Some(Self::ValueInfo),
            (Self::ValueInfo, 2) | (Self::Sequence, 1) | (Self::Attribute, 14 | 15) => Some(Self::Type),
            (Self::Type, 1) => Some(Self::TensorType),
            (Self::Type, 4) => Some(Self::Sequence),
            (Self::TensorType, 2) => Some(Self::Shape),
            (Self::Model, 8 | 14) | (Self::Shape, 1) | (Self::Tensor, 13) => Some(Self::Leaf),
            _ => None,
        }
    }
}

/// Deeper than networks go, and not so deep that reading could run out of stack.
const DEEPEST: usize = 64;

/// Whether the parts of a file fit into each other.
pub fn fit(onnx: &[u8]) -> bool {
    walk(onnx, Message::Model, 0).is_some()
}

fn walk(mut bytes: &[u8], message: Message, depth: usize) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let length = match key & 7 {
            0 => {
                varint(&mut bytes)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (part, rest) = bytes.split_at_checked(length)?;
        if let Some(child) = message.child(key >> 3).filter(|_| key & 7 == 2) {
            walk(part, child, depth + 1)?;
        }
        bytes = rest;
    }
    Some(())
}

/// A number of up to ten groups of seven bits, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for group in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (group * 7);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
