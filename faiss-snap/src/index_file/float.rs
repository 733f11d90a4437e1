//! Indexes of floats.

use std::io::{Read, Seek};

use super::cursor::Stop;
use super::graph::Graph;
use super::ids::Ids;
use super::walk::{Part, Walk};
use super::{Header, Metric, Rows};

/// Transformations before an index beyond which a file is not believed.
const MAX_TRANSFORMS: i32 = 64;

impl<R: Read + Seek> Walk<R> {
    /// An index of floats.
    pub fn float(&mut self) -> Result<Part, Stop> {
        let fourcc = self.cursor.fourcc()?;
        match &fourcc {
            b"IxF2" => self.flat(Some(Metric::L2)),
            b"IxFI" => self.flat(Some(Metric::Ip)),
            b"IxFl" => self.flat(None),
            b"IxMp" => self.id_map("IDMap"),
            b"IxM2" => self.id_map("IDMap2"),
            b"IxSQ" => self.scalar(),
            b"IxPq" | b"IxPQ" | b"IxPo" => self.product(&fourcc),
            b"IPfs" => self.product_fast_scan(),
            b"IxHe" => self.lsh(),
            b"Ixrq" => self.rabitq(),
            b"IHNf" | b"IHNp" | b"IHNs" => self.graph_over_vectors(Graph::Hnsw),
            b"INSf" | b"INSp" | b"INSs" => self.graph_over_vectors(Graph::Nsg),
            b"IxPT" => self.pre_transform(),
            b"IxRF" => self.refine(),
            b"Imiq" => self.multi_index(),
            b"IwFl" | b"IwFd" | b"IwSq" | b"IwSQ" | b"IwPQ" | b"IwPf" | b"Iwrq" => self.inverted(&fourcc),
            b"null" => Err(self.cursor.damaged("there is no index where one must be")),
            _ => Err(self.unknown(fourcc)),
        }
    }

    /// Four letters that are no type of ours: another type, or nothing of FAISS at all.
    pub fn unknown(&self, fourcc: [u8; 4]) -> Stop {
        match std::str::from_utf8(&fourcc) {
            Ok(name) if name.starts_with('I') && name.bytes().all(|letter| letter.is_ascii_alphanumeric()) => {
                Stop::Unknown(name.to_owned())
            }
            _ => self.cursor.damaged("it does not begin as an index of FAISS does"),
        }
    }

    fn flat(&mut self, metric: Option<Metric>) -> Result<Part, Stop> {
        let header = self.float_header()?;
        if metric.is_some_and(|metric| metric != header.metric) {
            self.problem(format!("a type of another metric than its own, {}", header.metric));
        }
        let floats = self.cursor.counted_as(header.ntotal.checked_mul(header.d.into()), 4, "numbers")?;
        let rows = Some(Rows { floats, d: header.d });
        Ok(Part { rows, ..Part::numbered("Flat".to_owned(), header) })
    }

    fn id_map(&mut self, name: &str) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let inner = self.inside(Self::float)?;
        self.agree(header, inner.header);
        let ids = self.cursor.counted_as(Some(inner.header.ntotal), 8, "ids")?;
        let kind = format!("{name},{}", inner.kind);
        // What the index inside says is what FAISS goes by.
        Ok(Part { kind, header: Header { metric: header.metric, ..inner.header }, ids: Ids::Stored(ids), ..inner })
    }

    fn scalar(&mut self) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let quantizer = self.scalar_quantizer(header)?;
        self.codes(header.ntotal, quantizer.code_size)?;
        Ok(Part::numbered(quantizer.name, header))
    }

    fn product(&mut self, fourcc: &[u8; 4]) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let quantizer = self.product_quantizer(header.d)?;
        self.codes(header.ntotal, quantizer.code_size)?;
        if fourcc != b"IxPQ" {
            self.cursor.i32()?;
            self.cursor.bool()?;
            self.cursor.i32()?;
        }
        Ok(Part::numbered(quantizer.name, header))
    }

    fn product_fast_scan(&mut self) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let quantizer = self.product_quantizer(header.d)?;
        self.cursor.i32()?;
        let block = self.cursor.i32()?;
        self.cursor.i32()?;
        let padded = self.cursor.u64()?;
        let m = self.cursor.u64()?;
        let block = u64::try_from(block).unwrap_or(0);
        let is_padded = block > 0 && header.ntotal.checked_next_multiple_of(block) == Some(padded);
        self.cursor
            .demand(is_padded, || format!("{} vectors padded to {padded} in blocks of {block}", header.ntotal))?;
        self.cursor.demand(Some(m) == quantizer.m.checked_next_multiple_of(2), || {
            format!("{m} parts of a code where {} must be", quantizer.m)
        })?;
        self.cursor.counted_as(padded.checked_mul(m / 2), 1, "bytes of codes")?;
        Ok(Part::numbered(format!("{}fs", quantizer.name), header))
    }

    fn lsh(&mut self) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let nbits = self.cursor.i32()?;
        let bits = u64::try_from(nbits).unwrap_or(0);
        self.cursor.demand(bits > 0, || format!("codes of {nbits} bits"))?;
        let rotates = self.cursor.bool()?;
        let has_thresholds = self.cursor.bool()?;
        let thresholds = self.cursor.counted(4)?;
        let expected = if has_thresholds && header.is_trained { bits } else { thresholds.count.min(bits) };
        self.cursor.demand(thresholds.count == expected, || format!("{} thresholds", thresholds.count))?;
        let code_size = self.cursor.i32()?;
        self.cursor.demand(i64::from(code_size) == (i64::from(nbits) + 7) / 8, || {
            format!("{nbits} bits in {code_size} bytes")
        })?;
        let rotation = self.transform()?;
        self.cursor.demand(rotation.d_in == header.d && u64::from(rotation.d_out) == bits, || {
            format!("a rotation from {} to {} numbers", rotation.d_in, rotation.d_out)
        })?;
        self.codes(header.ntotal, bits.div_ceil(8))?;
        Ok(Part::numbered(format!("LSH{}", if rotates { "r" } else { "" }), header))
    }

    fn rabitq(&mut self) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let code_size = self.rabit_quantizer(header.d)?;
        self.codes(header.ntotal, code_size)?;
        let center = self.cursor.counted(4)?;
        self.cursor.demand(center.count == u64::from(header.d) || !header.is_trained && center.count == 0, || {
            format!("a centre of {} numbers", center.count)
        })?;
        self.cursor.u8()?;
        Ok(Part::numbered("RaBitQ".to_owned(), header))
    }

    fn graph_over_vectors(&mut self, graph: Graph) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let name = self.graph(graph, header.ntotal)?;
        let storage = self.inside(Self::float)?;
        self.demand_same(header, storage.header)?;
        Ok(Part { kind: format!("{name},{}", storage.kind), header, ..storage })
    }

    fn pre_transform(&mut self) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let count = self.cursor.i32()?;
        self.cursor.demand((0..=MAX_TRANSFORMS).contains(&count), || format!("{count} transformations"))?;
        let (mut kind, mut d) = (String::new(), header.d);
        for _ in 0..count {
            let transform = self.transform()?;
            self.cursor.demand(transform.d_in == d, || {
                format!("a transformation of {} numbers where there are {d}", transform.d_in)
            })?;
            d = transform.d_out;
            kind.push_str(&transform.name);
            kind.push(',');
        }
        let inner = self.inside(Self::float)?;
        self.demand_same(Header { d, ..header }, inner.header)?;
        // The vectors inside are not those that were given.
        Ok(Part { kind: kind + &inner.kind, header, rows: None, ids: inner.ids })
    }

    fn refine(&mut self) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let base = self.inside(Self::float)?;
        self.demand_same(header, base.header)?;
        let refined = self.inside(Self::float)?;
        self.demand_same(header, refined.header)?;
        self.cursor.f32()?;
        let kind = format!("{},Refine({})", base.kind, refined.kind);
        Ok(Part { kind, header, rows: refined.rows, ids: base.ids })
    }

    /// A coarse quantizer whose cells are the products of two codes.
    fn multi_index(&mut self) -> Result<Part, Stop> {
        let header = self.float_header()?;
        let quantizer = self.product_quantizer(header.d)?;
        Ok(Part::numbered(format!("IMI{}x{}", quantizer.m, quantizer.nbits), header))
    }

    /// The codes of all vectors.
    fn codes(&mut self, ntotal: u64, code_size: u64) -> Result<(), Stop> {
        self.cursor.counted_as(ntotal.checked_mul(code_size), 1, "bytes of codes").map(drop)
    }

    /// Where FAISS relies on two headers saying the same.
    pub fn demand_same(&self, outer: Header, inner: Header) -> Result<(), Stop> {
        self.cursor.demand(outer.d == inner.d && outer.ntotal == inner.ntotal, || {
            format!(
                "{} vectors of {} numbers inside an index of {} of {}",
                inner.ntotal, inner.d, outer.ntotal, outer.d
            )
        })
    }
}
