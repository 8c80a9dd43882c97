//! One log, one process: an exclusive lock on a file that names its holder.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
};

use crate::Error;

/// The lock is held while this lives, and freed by the system if the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the log in `path`, or says who holds it.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let name = path.join("lock");
        let error = |doing| move |source| Error::Io { doing, path: path.join("lock"), source };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(name)
            .map_err(error("open the lock file"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: path.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(error("lock")(source)),
        }
        sign(&mut file).map_err(error("write the lock file"))?;
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "process {} ({program})", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut name = String::new();
    match file.read_to_string(&mut name) {
        Ok(bytes) if bytes > 0 => name,
        Ok(_) | Err(_) => "a process that has not said its name".to_owned(),
    }
}
