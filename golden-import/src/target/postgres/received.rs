//! Rows as the server sends them back.

use std::io::{BufRead, Read};

use golden::store::postgres::{CopyFormat, server_error};
use golden::{Error, Result};
use postgres::{Client, CopyOutReader};

/// The rows of a query.
pub(super) struct Received<'c> {
    reader: CopyOutReader<'c>,
    format: CopyFormat,
    row: Vec<u8>,
}

impl<'c> Received<'c> {
    /// Runs a query.
    pub(super) fn query(client: &'c mut Client, sql: &str, format: CopyFormat) -> Result<Self> {
        let reader = client.copy_out(&format!("COPY ({sql}) TO STDOUT (FORMAT {})", format.name()))?;
        let mut received = Self { reader, format, row: Vec::new() };
        received.append(format.head().len())?;
        if received.row == format.head() {
            return Ok(received);
        }
        Err(Error::environment("the server sent something else than rows"))
    }

    /// The next row; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        self.row.clear();
        let has_row = match self.format {
            CopyFormat::Text => self.reader.read_until(b'\n', &mut self.row).map_err(server_error)? > 0,
            CopyFormat::Binary => self.read_values()?,
        };
        Ok(has_row.then_some(&self.row))
    }

    /// Reads the values of a row, each behind its length; false at the end.
    fn read_values(&mut self) -> Result<bool> {
        let Ok(columns) = usize::try_from(i16::from_be_bytes(self.read()?)) else {
            // Behind the last row the server says whether it has come to the end.
            self.reader.read_to_end(&mut Vec::new()).map_err(server_error)?;
            return Ok(false);
        };
        for _ in 0..columns {
            let length = i32::from_be_bytes(self.read()?);
            // NULL's is negative.
            self.append(usize::try_from(length).unwrap_or(0))?;
        }
        Ok(true)
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.append(N)?;
        Ok(self.row.last_chunk().copied().unwrap_or([0; N]))
    }

    /// Appends so many bytes to the row.
    fn append(&mut self, length: usize) -> Result<()> {
        // Room is made for what has come, not for what the server says will.
        match self.reader.by_ref().take(length as u64).read_to_end(&mut self.row).map_err(server_error)? {
            read if read == length => Ok(()),
            _ => Err(Error::environment("the server's rows ended in the middle of one")),
        }
    }
}
