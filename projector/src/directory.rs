//! The directory of a projection: whose it is, and whether this program can go on with it.
//!
//! ```text
//!   DIR/projection   a text: the cell, the version of every projection, the names of all events
//!   DIR/db/          RocksDB
//!   DIR/db-2/        RocksDB, once the rows were built again while they were read; the highest number counts
//! ```
//!
//! Only databases are ever dropped, and only beside a `projection` file: a directory that holds anything
//! else is refused.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use log_schema::Event;

use crate::{Error, Opened, Options, check, error::chain, projector::Why, row::VERSIONS, store::Store};

/// How rows are laid out on disk, apart from what each projection says.
const FORMAT: u32 = 2;
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
        drop_databases(dir, None).map_err(disk)?;
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
    drop_databases(dir, None).map_err(disk)?;
    fs::remove_file(dir.join(LABEL)).map_err(disk)
}

/// Begins another database beside the one that is there, and drops that one.
pub(crate) fn begin_again(dir: &Path, options: &Options) -> Result<Store, Error> {
    let disk = |source| Error::Directory { dir: dir.into(), source };
    let newest = databases(dir).map_err(disk)?.last().map_or(1, |(number, _)| *number);
    let path = database(dir, newest + 1);
    let store = open_store(&path, options)?;
    drop_databases(dir, Some(&path)).map_err(disk)?;
    Ok(store)
}

fn open_database(dir: &Path, options: &Options, opened: Opened) -> Result<(Store, Opened), Error> {
    let disk = |source| Error::Directory { dir: dir.into(), source };
    let path = databases(dir).map_err(disk)?.pop().map_or_else(|| database(dir, 1), |(_, path)| path);
    // What was to be dropped when the rows were built again, and was not.
    drop_databases(dir, Some(&path)).map_err(disk)?;
    let damage = match open_store(&path, options).and_then(whole) {
        Ok((store, true)) => return Ok((store, opened)),
        Ok((store, false)) => return Ok((store, if opened == Opened::Resumed { Opened::Fresh } else { opened })),
        Err(error) if error.is_damage() => chain(&error),
        Err(other) => return Err(other),
    };
    drop_databases(dir, None).map_err(disk)?;
    Ok((open_store(&path, options)?, Opened::Rebuilt(Why::Corrupt { detail: damage })))
}

fn open_store(path: &Path, options: &Options) -> Result<Store, Error> {
    let opened = Store::open(path, options.memory_bytes, options.retention_ms.is_some());
    opened.map_err(|source| Error::Storage { doing: "open the database", source })
}

/// The database, if its rows are those that were written, and whether there are any.
fn whole(store: Store) -> Result<(Store, bool), Error> {
    check::rows_now(&store)?;
    let has_begun = store.position()?.is_some();
    Ok((store, has_begun))
}

fn database(dir: &Path, number: u64) -> PathBuf {
    dir.join(if number == 1 { DATABASE.to_owned() } else { format!("{DATABASE}-{number}") })
}

/// The databases in a directory, by number.
fn databases(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = if name == DATABASE {
            Some(1)
        } else {
            name.strip_prefix(DATABASE).and_then(|rest| rest.strip_prefix('-')?.parse().ok())
        };
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

/// Drops all databases but one.
fn drop_databases(dir: &Path, kept: Option<&Path>) -> io::Result<()> {
    for (_, path) in databases(dir)?.into_iter().filter(|(_, path)| Some(path.as_path()) != kept) {
        match fs::remove_dir_all(path) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
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
