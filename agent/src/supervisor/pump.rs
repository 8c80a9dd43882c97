//! From the task's pipes to files on disk, without waiting for either stream.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use command_log::remote::protocol::Stream;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::output::{Kept, Writer};

/// How much is read at once; as much as a pipe holds by default.
const READ_BYTES: usize = 64 * 1024;

/// Both streams of a task.
pub(super) struct Pumps {
    pumps: Vec<Pump>,
    buffer: Vec<u8>,
}

struct Pump {
    pipe: File,
    writer: Writer,
}

impl Pumps {
    /// Pumps for the streams that there are.
    pub(super) fn new(dir: &Path, kept: Kept, stdout: Option<OwnedFd>, stderr: Option<OwnedFd>) -> io::Result<Self> {
        let streams = [(stdout, Stream::Stdout), (stderr, Stream::Stderr)];
        let given = streams.into_iter().filter_map(|(pipe, stream)| Some((pipe?, stream)));
        let pumps = given.map(|(pipe, stream)| {
            fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            Ok(Pump { pipe: File::from(pipe), writer: Writer::new(dir, stream, kept) })
        });
        Ok(Self { pumps: pumps.collect::<io::Result<_>>()?, buffer: vec![0; READ_BYTES] })
    }

    /// The pipes to wait for.
    pub(super) fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pumps.iter().map(|pump| pump.pipe.as_fd())
    }

    /// Whether every writer of both streams is gone.
    pub(super) fn are_dry(&self) -> bool {
        self.pumps.is_empty()
    }

    /// Moves what there is now, at most one buffer for each stream, and drops streams at their end.
    pub(super) fn pump(&mut self) {
        let Self { pumps, buffer } = self;
        pumps.retain_mut(|pump| pump.once(buffer) != Flow::Ended);
    }

    /// Moves what is left, without waiting for more.
    pub(super) fn close(mut self) {
        let Self { pumps, buffer } = &mut self;
        for pump in pumps {
            while pump.once(buffer) == Flow::Some {}
        }
    }
}

#[derive(PartialEq, Eq)]
enum Flow {
    Some,
    NothingYet,
    Ended,
}

impl Pump {
    fn once(&mut self, buffer: &mut [u8]) -> Flow {
        match self.pipe.read(buffer) {
            Ok(0) => Flow::Ended,
            Ok(bytes) => {
                // A full disk costs output, never the task.
                let _ = self.writer.write(&buffer[..bytes]);
                Flow::Some
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Flow::NothingYet
            }
            Err(_) => Flow::Ended,
        }
    }
}
