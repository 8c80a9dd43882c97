//! Writing: beside the place where the file is to be, synced, and moved there when it is whole.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use log_schema::{Chain, Offset};
use lz4_flex::frame::{FrameEncoder, FrameInfo};
use serde::Serialize;

use super::{END, Error, FileReader, MAGIC, Part, Summary, io};
use crate::{Log, Stored, whole_file};

/// The payload bytes that are read at once.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A file that is being written. Nothing is at its place until [`FileWriter::finish`].
pub struct FileWriter {
    path: PathBuf,
    beside: PathBuf,
    to: FrameEncoder<BufWriter<File>>,
    summary: Summary,
}

impl FileWriter {
    /// Begins a file of records from `first` on, before which the chain was `before`. Refuses a path that is taken.
    pub fn create(path: &Path, first: Offset, before: Chain) -> Result<Self, Error> {
        if path.exists() {
            return Err(Error::Taken { path: path.to_owned() });
        }
        let beside = whole_file::beside(path);
        let file = File::create(&beside).map_err(io("make", &beside))?;
        let mut plain = BufWriter::new(file);
        plain.write_all(MAGIC).map_err(io("write", &beside))?;
        let info = FrameInfo::new().content_checksum(true).block_checksums(true);
        let summary = Summary { first, next: first, before, chain: before };
        let to = FrameEncoder::with_frame_info(info, plain);
        let mut writer = Self { path: path.to_owned(), beside, to, summary };
        writer.put(&Part::Begin { first, chain: before })?;
        Ok(writer)
    }

    /// Adds the next record.
    ///
    /// # Panics
    /// If it is not the next one: a file leaves out no offset.
    pub fn add(&mut self, stored: Stored) -> Result<(), Error> {
        assert_eq!(stored.offset, self.summary.next, "records are added in order");
        self.summary.chain = self.summary.chain.link(stored.offset, &stored.record);
        self.summary.next = stored.offset.next();
        self.put(&Part::Record(stored.into()))
    }

    /// Ends the file, reads it back, and only then moves it to its place.
    pub fn finish(mut self) -> Result<Summary, Error> {
        let Summary { next, chain, .. } = self.summary;
        self.put(&Part::End { next, chain })?;
        let failed = |error: lz4_flex::frame::Error| io("write", &self.beside)(error.into());
        let mut plain = self.to.finish().map_err(failed)?;
        plain.write_all(END).map_err(io("write", &self.beside))?;
        let file = plain.into_inner().map_err(|error| io("write", &self.beside)(error.into_error()))?;
        file.sync_all().map_err(io("sync", &self.beside))?;
        let found = FileReader::verify(&self.beside)?;
        if found != self.summary {
            return Err(Error::Altered { path: self.beside, written: chain, found: found.chain });
        }
        whole_file::put_in_place(&self.path).map_err(io("rename", &self.beside))?;
        Ok(self.summary)
    }

    fn put(&mut self, part: &Part) -> Result<(), Error> {
        let written = part.serialize(&mut rmp_serde::Serializer::new(&mut self.to).with_struct_map());
        written.map_err(|error| io("write", &self.beside)(std::io::Error::other(error)))
    }
}

/// Writes the records `first..end` of a log to a file; `progress` hears of the next offset after every batch.
pub async fn write(
    log: &dyn Log,
    (first, before): (Offset, Chain),
    end: Offset,
    path: &Path,
    progress: &mut (dyn FnMut(Offset) + Send),
) -> Result<Summary, Error> {
    let mut file = FileWriter::create(path, first, before)?;
    let mut next = first;
    while next < end {
        for stored in log.read(next, READ_BYTES_MAX).await?.into_iter().take_while(|stored| stored.offset < end) {
            next = stored.offset.next();
            file.add(stored)?;
        }
        progress(next);
    }
    file.finish()
}
