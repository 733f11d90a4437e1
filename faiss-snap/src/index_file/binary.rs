//! Indexes of bits, which have a header of their own.

use std::io::{Read, Seek};

use super::cursor::Stop;
use super::graph::Graph;
use super::ids::Ids;
use super::walk::{Part, Walk};

impl<R: Read + Seek> Walk<R> {
    /// An index of bits.
    pub fn binary(&mut self) -> Result<Part, Stop> {
        let fourcc = self.cursor.fourcc()?;
        match &fourcc {
            b"IBxF" => {
                let (header, bytes) = self.binary_header()?;
                self.cursor.counted_as(header.ntotal.checked_mul(bytes), 1, "bytes of vectors")?;
                Ok(Part::numbered("BFlat".to_owned(), header))
            }
            b"IBMp" => self.binary_id_map("IDMap"),
            b"IBM2" => self.binary_id_map("IDMap2"),
            b"IBHf" => {
                let (header, _) = self.binary_header()?;
                let name = self.graph(Graph::Hnsw, header.ntotal)?;
                let storage = self.inside(Self::binary)?;
                self.demand_same(header, storage.header)?;
                Ok(Part { kind: format!("B{name},{}", storage.kind), header, ..storage })
            }
            b"IBwF" => {
                let (header, bytes) = self.binary_header()?;
                let cells = self.cells(header, Self::binary)?;
                let ids = self.inverted_lists(cells, header.ntotal, bytes)?;
                Ok(Part { ids, ..Part::numbered(format!("BIVF{cells}"), header) })
            }
            b"IBFf" => {
                let (header, _) = self.binary_header()?;
                let inner = self.inside(Self::float)?;
                self.demand_same(header, inner.header)?;
                Ok(Part { kind: format!("BinaryFromFloat,{}", inner.kind), header, rows: None, ids: inner.ids })
            }
            _ => Err(self.unknown(fourcc)),
        }
    }

    fn binary_id_map(&mut self, name: &str) -> Result<Part, Stop> {
        let (header, _) = self.binary_header()?;
        let inner = self.inside(Self::binary)?;
        self.agree(header, inner.header);
        let ids = self.cursor.counted_as(Some(inner.header.ntotal), 8, "ids")?;
        Ok(Part { kind: format!("{name},{}", inner.kind), ids: Ids::Stored(ids), ..inner })
    }
}
