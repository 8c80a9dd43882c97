//! The directory of a projection: whose it is, and whether this program can go on with it.
//!
//! ```text
//!   DIR/projection   a text: the cell, the version of every projection, the names of all events
//!   DIR/db/          RocksDB
//! ```
//!
//! Only `db` is ever dropped, and only beside a `projection` file: a directory that holds anything
//! else is refused.

use std::{fmt::Write as _, fs, io, path::Path};

use log_schema::Event;

use crate::{Error, Opened, Options, projector::Why, row::VERSIONS, store::Store};

/// How rows are laid out on disk, apart from what each projection says.
const FORMAT: u32 = 1;
const LABEL: &str = "projection";
const DATABASE: &str = "db";

/// Opens what is in a directory, or drops it and begins anew, and says which.
pub(crate) fn open(dir: &Path, options: &Options) -> Result<(Store, Opened), Error> {
    let disk = |source| Error::Directory { dir: dir.into(), source };
    fs::create_dir_all(dir).map_err(disk)?;
    let wanted = label(&options.cell);
    let found = match fs::read_to_string(dir.join(LABEL)) {
        Ok(found) => Some(found),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => None,
        Err(other) => return Err(disk(other)),
    };
    let opened = match found {
        None if fs::read_dir(dir).map_err(disk)?.next().is_some() => return Err(Error::Foreign { dir: dir.into() }),
        None => Opened::Fresh,
        Some(_) if options.rebuild => Opened::Rebuilt(Why::Asked),
        Some(found) if found != wanted => Opened::Rebuilt(Why::Label { difference: difference(&found, &wanted) }),
        Some(_) => Opened::Resumed,
    };
    if opened != Opened::Resumed {
        drop_database(dir).map_err(disk)?;
        fs::write(dir.join(LABEL), wanted).map_err(disk)?;
    }
    open_database(dir, options, opened)
}

/// Drops what `open` made; a directory that is not a projection is refused.
pub(crate) fn destroy(dir: &Path) -> Result<(), Error> {
    let disk = |source| Error::Directory { dir: dir.into(), source };
    if !dir.join(LABEL).exists() {
        return Err(Error::Foreign { dir: dir.into() });
    }
    drop_database(dir).map_err(disk)?;
    fs::remove_file(dir.join(LABEL)).map_err(disk)
}

fn open_database(dir: &Path, options: &Options, opened: Opened) -> Result<(Store, Opened), Error> {
    let path = dir.join(DATABASE);
    let open = || Store::open(&path, options.memory_bytes);
    let storage = |source| Error::Storage { doing: "open the database", source };
    let broken = match open() {
        Ok(store) => match store.position() {
            Ok(Some(_)) => return Ok((store, opened)),
            Ok(None) => return Ok((store, if opened == Opened::Resumed { Opened::Fresh } else { opened })),
            Err(error @ Error::Corrupt { .. }) => error.to_string(),
            Err(other) => return Err(other),
        },
        Err(error) if is_broken(&error) => error.to_string(),
        Err(error) => return Err(storage(error)),
    };
    drop_database(dir).map_err(|source| Error::Directory { dir: dir.into(), source })?;
    Ok((open().map_err(storage)?, Opened::Rebuilt(Why::Corrupt { detail: broken })))
}

/// Whether the files are not what RocksDB wrote, in contrast to a lock, a full disk or a missing right.
fn is_broken(error: &rocksdb::Error) -> bool {
    matches!(error.kind(), rocksdb::ErrorKind::Corruption | rocksdb::ErrorKind::InvalidArgument)
}

fn drop_database(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir.join(DATABASE)) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// What the rows depend on: anything else there is another projection.
fn label(cell: &str) -> String {
    let mut label = format!("quipu projection\nformat {FORMAT}\ncell {cell}\n");
    for (name, version) in VERSIONS {
        writeln!(label, "{name} {version}").expect("text takes text");
    }
    writeln!(label, "events {}", Event::NAMES.join(" ")).expect("text takes text");
    label
}

/// The first line in which two labels differ.
fn difference(found: &str, wanted: &str) -> String {
    let mut pairs = found.lines().map(Some).chain([None]).zip(wanted.lines().map(Some).chain([None]));
    let (found, wanted) = pairs.find(|(found, wanted)| found != wanted).unwrap_or_default();
    format!("{:?} instead of {:?}", found.unwrap_or(""), wanted.unwrap_or(""))
}
