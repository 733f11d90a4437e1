//! Graphs of neighbours.

use std::io::{Read, Seek};

use super::Effort;
use super::cursor::{Section, Stop};
use super::walk::Walk;

/// Levels beyond which a file is not believed: there are as many as the logarithm of the vectors.
const MAX_LEVELS: u64 = 1024;

/// Vectors that are looked at together.
const WINDOW: u64 = 8192;

/// The kinds of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graph {
    /// Levels of graphs, each sparser than the one below.
    Hnsw,
    /// One graph with an entry in its middle.
    Nsg,
}

impl<R: Read + Seek> Walk<R> {
    /// A graph of `ntotal` vectors; gives its name.
    pub fn graph(&mut self, graph: Graph, ntotal: u64) -> Result<String, Stop> {
        // Neighbours are 32-bit numbers.
        let count = i32::try_from(ntotal).map_err(|_| self.cursor.damaged(format!("a graph of {ntotal} vectors")))?;
        match graph {
            Graph::Hnsw => self.hnsw(count, ntotal),
            Graph::Nsg => self.nsg(count),
        }
    }

    fn hnsw(&mut self, count: i32, ntotal: u64) -> Result<String, Stop> {
        let probabilities = self.cursor.counted(8)?.count;
        let table = self.cursor.u64()?;
        self.cursor.demand((1..=MAX_LEVELS).contains(&table) && probabilities + 1 == table, || {
            format!("{table} places of levels with {probabilities} probabilities")
        })?;
        let mut places = Vec::new();
        for _ in 0..table {
            places.push(self.cursor.i32()?);
        }
        self.cursor.demand(places.first() == Some(&0) && places.is_sorted(), || {
            "the places of the levels are out of order".to_owned()
        })?;
        let levels = self.cursor.counted_as(Some(ntotal), 4, "levels")?;
        let offsets = self.cursor.counted_as(Some(ntotal + 1), 8, "offsets")?;
        let neighbours = self.cursor.counted(4)?;
        let end = self.cursor.at();
        let top = self.check_levels(&places, levels, offsets, neighbours.count)?;
        self.check_neighbours(neighbours, -1..count)?;
        self.cursor.go_to(end)?;
        let (entry, highest) = (self.cursor.i32()?, self.cursor.i32()?);
        // How it was built comes before, how widely it is searched after.
        self.cursor.i32()?;
        let ef_search = self.cursor.i32()?;
        self.note_effort(Effort::EfSearch, u32::try_from(ef_search).ok());
        self.cursor.i32()?;
        let is_entry = if count == 0 { entry == -1 } else { (0..count).contains(&entry) };
        self.cursor.demand(is_entry, || format!("it begins at vector {entry} of {count}"))?;
        self.cursor.demand(highest == top - 1, || format!("it begins on level {highest} of {top}"))?;
        let m = places.get(1).map_or(0, |first| first / 2);
        Ok(format!("HNSW{m}"))
    }

    /// Holds the offsets against the levels, from which they follow; gives the number of levels in use.
    fn check_levels(
        &mut self,
        places: &[i32],
        levels: Section,
        offsets: Section,
        neighbours: u64,
    ) -> Result<i32, Stop> {
        let (mut top, mut offset) = (0, 0_u64);
        let mut window_levels = Vec::new();
        for first in (0..levels.count).step_by(WINDOW as usize) {
            let window = levels.window(first, WINDOW, 4);
            window_levels.clear();
            self.cursor.go_to(window.at)?;
            for _ in 0..window.count {
                window_levels.push(self.cursor.i32()?);
            }
            self.cursor.go_to(offsets.window(first, WINDOW, 8).at)?;
            for &level in &window_levels {
                let found = self.cursor.u64()?;
                self.cursor.demand(found == offset, || format!("an offset of {found} where {offset} must be"))?;
                let place = usize::try_from(level).ok().filter(|level| *level > 0).and_then(|level| places.get(level));
                let Some(place) = place else {
                    return Err(self.cursor.damaged(format!("a vector on {level} of {} levels", places.len() - 1)));
                };
                // Not negative: the places begin at 0 and ascend.
                offset += u64::from(place.cast_unsigned());
                top = top.max(level);
            }
        }
        self.cursor.go_to(offsets.window(levels.count, 1, 8).at)?;
        let last = self.cursor.u64()?;
        self.cursor.demand(last == offset && last == neighbours, || {
            format!("{neighbours} neighbours where {offset} must be")
        })?;
        Ok(top)
    }

    fn check_neighbours(&mut self, neighbours: Section, valid: std::ops::Range<i32>) -> Result<(), Stop> {
        self.cursor.go_to(neighbours.at)?;
        for _ in 0..neighbours.count {
            let neighbour = self.cursor.i32()?;
            self.cursor.demand(valid.contains(&neighbour), || {
                format!("a neighbour {neighbour} among {} vectors", valid.end)
            })?;
        }
        Ok(())
    }

    fn nsg(&mut self, count: i32) -> Result<String, Stop> {
        // How it was built: two settings, a byte between them, and three more.
        self.cursor.skip(4 + 1 + 4 * 4)?;
        let vectors = self.cursor.i32()?;
        let degree = self.cursor.i32()?;
        self.cursor.skip(12)?;
        let entry = self.cursor.i32()?;
        let is_built = self.cursor.bool()?;
        self.cursor.demand(degree > 0, || format!("a graph of {degree} neighbours a vector"))?;
        if is_built {
            self.cursor.demand(vectors == count && (0..count.max(1)).contains(&entry), || {
                format!("a graph of {vectors} vectors that begins at {entry}, of {count}")
            })?;
            for _ in 0..count {
                self.nsg_neighbours(degree, count)?;
            }
        }
        Ok(format!("NSG{degree}"))
    }

    /// The neighbours of a vector, ended by -1.
    fn nsg_neighbours(&mut self, degree: i32, count: i32) -> Result<(), Stop> {
        for _ in 0..=degree {
            match self.cursor.i32()? {
                -1 => return Ok(()),
                neighbour if (0..count).contains(&neighbour) => {}
                other => return Err(self.cursor.damaged(format!("a neighbour {other} among {count} vectors"))),
            }
        }
        Err(self.cursor.damaged(format!("a vector of more than {degree} neighbours")))
    }
}
