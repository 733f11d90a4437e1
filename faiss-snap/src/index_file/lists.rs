//! Inverted files: vectors in lists, one for each cell of a coarse quantizer.

use std::io::{Read, Seek};

use super::cursor::{Section, Stop};
use super::ids::{Ids, ListSizes};
use super::walk::{Part, Walk};
use super::{Effort, Header};

/// What lists in blocks give as the size of a code.
const IN_BLOCKS: u64 = u64::MAX;

impl<R: Read + Seek> Walk<R> {
    /// An inverted file of floats.
    pub fn inverted(&mut self, fourcc: &[u8; 4]) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let cells = self.cells(header, Self::float)?;
        let (name, code_size) = match fourcc {
            b"IwFl" => ("Flat".to_owned(), u64::from(header.d) * 4),
            b"IwFd" => {
                // Pairs of a vector and one that equals it.
                let instances = self.cursor.counted(8)?;
                self.cursor.demand(instances.count.is_multiple_of(2), || "half a pair of equal vectors".to_owned())?;
                ("FlatDedup".to_owned(), u64::from(header.d) * 4)
            }
            b"IwSq" | b"IwSQ" => {
                let quantizer = self.scalar_quantizer(header)?;
                self.demand_code_size(quantizer.code_size)?;
                if fourcc == b"IwSq" {
                    self.cursor.bool()?;
                }
                (quantizer.name, quantizer.code_size)
            }
            b"IwPQ" => {
                self.cursor.bool()?;
                let code_size = self.cursor.u64()?;
                let quantizer = self.product_quantizer(header.d)?;
                self.cursor.demand(code_size == quantizer.code_size, || {
                    format!("codes of {code_size} bytes of {}", quantizer.name)
                })?;
                (quantizer.name, code_size)
            }
            b"IwPf" => return self.inverted_fast_scan(header, cells),
            _ => {
                let code_size = self.rabit_quantizer(header.d)?;
                self.demand_code_size(code_size)?;
                self.cursor.bool()?;
                self.cursor.u8()?;
                ("RaBitQ".to_owned(), code_size)
            }
        };
        let ids = match fourcc {
            // Equal vectors stand in a list once.
            b"IwFd" => self.lists(cells, code_size)?.0,
            _ => self.inverted_lists(cells, header.ntotal, code_size)?,
        };
        Ok(Part { ids, ..Part::numbered(format!("IVF{cells},{name}"), header) })
    }

    fn inverted_fast_scan(&mut self, header: Header, cells: u64) -> Result<Part, Stop> {
        self.cursor.bool()?;
        let code_size = self.cursor.u64()?;
        self.cursor.skip(4 + 8 + 4 + 8)?;
        let quantizer = self.product_quantizer(header.d)?;
        self.cursor.demand(code_size == quantizer.code_size, || format!("codes of {code_size} bytes"))?;
        let ids = self.inverted_lists(cells, header.ntotal, code_size)?;
        Ok(Part { ids, ..Part::numbered(format!("IVF{cells},{}fs", quantizer.name), header) })
    }

    fn demand_code_size(&mut self, expected: u64) -> Result<(), Stop> {
        let code_size = self.cursor.u64()?;
        self.cursor.demand(code_size == expected, || format!("codes of {code_size} bytes where {expected} must be"))
    }

    /// The cells of an inverted file: their number, their quantizer, and where each vector is.
    pub fn cells(&mut self, header: Header, quantizer: fn(&mut Self) -> Result<Part, Stop>) -> Result<u64, Stop> {
        let cells = self.cursor.u64()?;
        let nprobe = self.cursor.u64()?;
        self.note_effort(Effort::Nprobe, u32::try_from(nprobe).ok());
        let quantizer = self.inside(quantizer)?.header;
        let known = if header.is_trained { cells } else { quantizer.ntotal.min(cells) };
        self.cursor.demand(quantizer.d == header.d && quantizer.ntotal == known, || {
            format!("a coarse quantizer of {} cells of {} numbers for {cells} lists", quantizer.ntotal, quantizer.d)
        })?;
        let direct_map = self.cursor.u8()?;
        let places = self.cursor.counted(8)?;
        match direct_map {
            0 => {}
            1 => self
                .cursor
                .demand(places.count == header.ntotal, || format!("the places of {} vectors", places.count))?,
            2 => drop(self.cursor.counted(16)?),
            other => return Err(self.cursor.damaged(format!("no direct map has the number {other}"))),
        }
        Ok(cells)
    }

    /// Lists that hold every vector once.
    pub fn inverted_lists(&mut self, cells: u64, ntotal: u64, code_size: u64) -> Result<Ids, Stop> {
        let (ids, total) = self.lists(cells, code_size)?;
        self.cursor.demand(total == ntotal, || format!("{total} vectors in the lists of an index of {ntotal}"))?;
        Ok(ids)
    }

    /// Lists, and the sum of their sizes.
    fn lists(&mut self, cells: u64, code_size: u64) -> Result<(Ids, u64), Stop> {
        let fourcc = self.cursor.fourcc()?;
        match &fourcc {
            b"ilar" => {}
            b"ilbl" => return self.blocks(cells),
            // Lists in a file of their own, or nowhere.
            b"ilod" | b"il00" => return Err(Stop::Unknown(String::from_utf8_lossy(&fourcc).into_owned())),
            _ => return Err(self.cursor.damaged("no inverted lists begin like this")),
        }
        self.list_head(cells, code_size)?;
        let sizes = match &self.cursor.fourcc()? {
            b"full" => ListSizes::Full(self.cursor.counted_as(Some(cells), 8, "sizes of lists")?),
            b"sprs" => {
                let numbers = self.cursor.counted(8)?;
                self.cursor.demand(numbers.count.is_multiple_of(2), || "half a size of a list".to_owned())?;
                ListSizes::Sparse(Section { count: numbers.count / 2, ..numbers })
            }
            _ => return Err(self.cursor.damaged("no sizes of lists begin like this")),
        };
        let data = self.cursor.at();
        let total = self.total(sizes, cells)?;
        self.cursor.go_to(data)?;
        self.cursor.section(total, code_size + 8)?;
        Ok((Ids::Lists { sizes, data, code_size }, total))
    }

    fn list_head(&mut self, cells: u64, code_size: u64) -> Result<(), Stop> {
        let (lists, size) = (self.cursor.u64()?, self.cursor.u64()?);
        self.cursor.demand(lists == cells && size == code_size, || {
            format!("{lists} lists with codes of {size} bytes where there must be {cells} of {code_size}")
        })
    }

    /// The sum of the sizes; each list that is named must be one of the cells.
    fn total(&mut self, sizes: ListSizes, cells: u64) -> Result<u64, Stop> {
        let (Section { at, count }, named) = match sizes {
            ListSizes::Full(section) => (section, false),
            ListSizes::Sparse(section) => (section, true),
        };
        self.cursor.go_to(at)?;
        let (mut total, mut next) = (0_u64, 0);
        for _ in 0..count {
            if named {
                let cell = self.cursor.u64()?;
                self.cursor.demand((next..cells).contains(&cell), || format!("list {cell} of {cells}"))?;
                next = cell + 1;
            }
            let size = self.cursor.u64()?;
            let sum = total.checked_add(size);
            total = sum.ok_or_else(|| self.cursor.damaged("lists beyond any size"))?;
        }
        Ok(total)
    }

    /// Lists in blocks, as fast scans have them.
    fn blocks(&mut self, cells: u64) -> Result<(Ids, u64), Stop> {
        self.list_head(cells, IN_BLOCKS)?;
        let (per_block, block_size) = (self.cursor.u64()?, self.cursor.u64()?);
        self.cursor.demand(per_block > 0, || "blocks of no vectors".to_owned())?;
        let at = self.cursor.at();
        let mut total = 0_u64;
        for _ in 0..cells {
            let ids = self.cursor.counted(8)?;
            let bytes = ids.count.div_ceil(per_block).checked_mul(block_size);
            self.cursor.counted_as(bytes, 1, "bytes of blocks")?;
            total += ids.count;
        }
        Ok((Ids::Blocks { at, lists: cells }, total))
    }
}
