//! Reading: record by record, each checked against the one before, all against the chain at the end.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use lz4_flex::frame::FrameDecoder;
use serde::Deserialize;

use super::{END, Error, MAGIC, Part, Summary, io};
use crate::Stored;

/// The records of a file, in order. An error ends them.
pub struct FileReader {
    path: PathBuf,
    from: rmp_serde::Deserializer<rmp_serde::decode::ReadReader<FrameDecoder<BufReader<File>>>>,
    summary: Summary,
    ended: bool,
}

impl FileReader {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(io("open", path))?;
        if file.metadata().map_err(io("open", path))?.is_dir() {
            return Err(io("read", path)(std::io::ErrorKind::IsADirectory.into()));
        }
        let mut plain = BufReader::new(file);
        let malformed = |why: &str| Error::Malformed { path: path.to_owned(), why: why.to_owned() };
        let mut magic = [0; MAGIC.len()];
        if plain.read_exact(&mut magic).is_err() || magic != *MAGIC {
            return Err(malformed("it is cut short, or does not begin as one of this version does"));
        }
        let mut from = rmp_serde::Deserializer::new(FrameDecoder::new(plain));
        let Ok(Part::Begin { first, chain }) = Part::deserialize(&mut from) else {
            return Err(malformed(
                "its beginning cannot be read: it is cut short or damaged; make it again, or put it back from a copy",
            ));
        };
        let summary = Summary { first, next: first, before: chain, chain };
        Ok(Self { path: path.to_owned(), from, summary, ended: false })
    }

    /// Reads the whole file and says what it holds, if it is whole and what was written.
    pub fn verify(path: &Path) -> Result<Summary, Error> {
        let mut reader = Self::open(path)?;
        reader.by_ref().try_for_each(|stored| stored.map(drop))?;
        Ok(reader.summary)
    }

    /// What the file holds, as far as it was read.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Whether frame and file end here. The frame checks itself when its end is read.
    fn read_end(&mut self) -> std::io::Result<bool> {
        let frame = self.from.get_mut();
        if frame.read(&mut [0])? > 0 {
            return Ok(false);
        }
        let mut last = Vec::new();
        frame.get_mut().take(END.len() as u64 + 1).read_to_end(&mut last)?;
        Ok(last == END)
    }

    fn take(&mut self) -> Result<Option<Stored>, Error> {
        let Summary { first, next, chain, .. } = self.summary;
        match Part::deserialize(&mut self.from) {
            Ok(Part::Record(record)) if record.offset == next => {
                let stored = Stored::from(record);
                self.summary.chain = chain.link(next, &stored.record);
                self.summary.next = next.next();
                Ok(Some(stored))
            }
            Ok(Part::Record(record)) => {
                Err(self.malformed(format!("record {next} is missing: {} comes next", record.offset)))
            }
            Ok(Part::End { chain: written, .. }) if written != chain => {
                Err(Error::Altered { path: self.path.clone(), written, found: chain })
            }
            Ok(Part::End { next: written, .. }) if written != next => {
                Err(self.malformed(format!("it ends before {next}, and says that it ends before {written}")))
            }
            Ok(Part::End { .. }) => match self.read_end() {
                Ok(true) => Ok(None),
                Ok(false) => Err(self.malformed("its last bytes are not those of an end".to_owned())),
                Err(error) => Err(self.malformed(format!("its end is damaged: {error}"))),
            },
            Ok(Part::Begin { .. }) => Err(self.malformed(format!("it begins again after record {next}"))),
            Err(error) => Err(self.malformed(format!("after {} records: {error}", next.0 - first.0))),
        }
    }

    fn malformed(&self, why: String) -> Error {
        Error::Malformed { path: self.path.clone(), why }
    }
}

impl Iterator for FileReader {
    type Item = Result<Stored, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let taken = self.take();
        self.ended = !matches!(taken, Ok(Some(_)));
        taken.transpose()
    }
}
