//! Where the gateway is: what was said on the command line, then the environment, then the usual place.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::Error;

/// Where a gateway listens where nothing else is known.
pub(crate) const URL_DEFAULT: &str = "http://127.0.0.1:7070";
/// The file of a cell's directory that says where its gateway listens.
const URL_FILE: &str = "gateway-url";
/// What tells the directory of a whole cell, and that of a gateway alone, from others.
const LOG_DIR: &str = "log";
const PROJECTIONS_DIR: &str = "projections";
/// What can be done where no directory is meant.
const START_A_CELL: &str = "start a cell with `quipu up`";

/// The directory of a cell where none is given.
pub(crate) fn dir_default() -> PathBuf {
    let of_home = || env::home_dir().map(|home| home.join(".local/state"));
    let state = env::var_os("XDG_STATE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from).or_else(of_home);
    state.unwrap_or_else(|| PathBuf::from(".")).join("quipu")
}

/// The directory of a cell that the environment names, if it does: empty text names none.
pub(crate) fn dir_of_environment() -> Option<PathBuf> {
    env::var_os("QUIPU_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// The address of a gateway, and how it came to be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `host:port`.
    authority: String,
    /// For people: where the address is from.
    pub(crate) origin: String,
    /// For people: how to have a gateway there.
    remedy: String,
}

impl Address {
    /// The gateway that is meant by options, environment or the usual directory, in this order.
    pub(crate) fn find(gateway: Option<&str>, dir: Option<&Path>) -> Result<Self, Error> {
        let env_gateway = env::var("QUIPU_GATEWAY").ok().filter(|url| !url.is_empty());
        let env_dir = dir_of_environment();
        Self::choose(gateway, dir, env_gateway.as_deref(), env_dir.as_deref(), &dir_default())
    }

    fn choose(
        gateway: Option<&str>,
        dir: Option<&Path>,
        env_gateway: Option<&str>,
        env_dir: Option<&Path>,
        usual: &Path,
    ) -> Result<Self, Error> {
        match (gateway, dir, env_gateway, env_dir) {
            (Some(url), ..) => Self::read(url, "as given with --gateway".into()),
            (None, Some(dir), ..) | (None, None, None, Some(dir)) => {
                Self::of_cell(dir)?.ok_or_else(|| Error::NoCell { dir: dir.display().to_string(), remedy: remedy(dir) })
            }
            (None, None, Some(url), _) => Self::read(url, "this one is from QUIPU_GATEWAY".into()),
            (None, None, None, None) => match Self::of_cell(usual)? {
                Some(address) => Ok(address),
                None => Self::read(URL_DEFAULT, "this one is the default".into()),
            },
        }
    }

    /// The gateway of the cell in a directory, if it says where it listens.
    fn of_cell(dir: &Path) -> Result<Option<Self>, Error> {
        let file = dir.join(URL_FILE);
        let Ok(url) = fs::read_to_string(&file) else { return Ok(None) };
        let found = Self::read(url.trim(), format!("this one is from {}", file.display()))?;
        Ok(Some(Self { remedy: remedy(dir), ..found }))
    }

    fn read(url: &str, origin: String) -> Result<Self, Error> {
        let bad = |why| Error::BadAddress { url: url.into(), origin: origin.clone(), why };
        if url.starts_with("https://") {
            return Err(bad("TLS is not spoken; bring the gateway here through a tunnel, such as ssh -L"));
        }
        let authority = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        let is_legal = |c: char| c.is_ascii_alphanumeric() || ".:[]-_".contains(c);
        match authority.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && authority.chars().all(is_legal) => {
                port.parse::<u16>().map_err(|_| bad("its port is not a number up to 65535"))?;
            }
            _ => return Err(bad("it is not http://HOST:PORT")),
        }
        Ok(Self { authority: authority.into(), origin, remedy: START_A_CELL.into() })
    }

    /// The address as people write it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Where questions and commands go.
    pub(crate) fn http(&self) -> String {
        format!("http://{}/graphql", self.authority)
    }

    /// Where streams come from.
    pub(crate) fn socket(&self) -> String {
        format!("ws://{}/graphql", self.authority)
    }

    /// Nobody listens here.
    pub(crate) fn unreachable(&self, cause: impl Into<String>) -> Error {
        let (origin, remedy) = (self.origin.clone(), self.remedy.clone());
        Error::Unreachable { url: self.url(), origin, remedy, cause: cause.into() }
    }
}

/// How to have a gateway in a directory: what is kept there tells whose it is.
fn remedy(dir: &Path) -> String {
    let (here, cell) = (dir.display(), format!("`quipu up --dir {}`", dir.display()));
    let gateway = format!("`quipu gateway --log kafka://HOST:PORT/CELL --dir {here}`");
    match (dir.join(LOG_DIR).exists(), dir.join(PROJECTIONS_DIR).exists()) {
        (true, _) => format!("start it with {cell}"),
        (false, true) => format!("a gateway alone was here: start it again with {gateway}"),
        (false, false) => format!("start a cell with {cell}, or a gateway of a cell over Kafka with {gateway}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(url: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(URL_FILE), format!("{url}\n")).expect("written");
        dir
    }

    #[test]
    fn what_is_said_comes_before_the_environment_and_that_before_the_usual_place() {
        let (said, env, usual) = (cell("http://127.0.0.1:1"), cell("http://127.0.0.1:2"), cell("http://127.0.0.1:3"));
        let (said, env, usual) = (said.path(), env.path(), usual.path());
        let nowhere = Path::new("/nonexistent");
        let url = Some("http://localhost:9");
        let known = [
            (Address::choose(url, Some(said), url, Some(env), usual), "http://localhost:9"),
            (Address::choose(None, Some(said), url, Some(env), usual), "http://127.0.0.1:1"),
            (Address::choose(None, None, url, Some(env), usual), "http://localhost:9"),
            (Address::choose(None, None, None, Some(env), usual), "http://127.0.0.1:2"),
            (Address::choose(None, None, None, None, usual), "http://127.0.0.1:3"),
            (Address::choose(None, None, None, None, nowhere), URL_DEFAULT),
        ];
        for (address, url) in known {
            assert_eq!(address.expect("an address").url(), url);
        }
    }

    #[test]
    fn a_directory_without_a_running_cell_is_named() {
        let missing = Address::choose(None, Some(Path::new("/nonexistent")), None, None, Path::new("/"));
        let error = missing.expect_err("nothing is there");
        assert_eq!(error.to_string(), "no cell runs in /nonexistent");
        let hint = error.hint().expect("a hint");
        assert!(hint.contains("`quipu up --dir /nonexistent`") && hint.contains("`quipu gateway --log"), "{hint}");
    }

    #[test]
    fn a_file_that_holds_no_address_is_named() {
        let dir = cell("");
        let error = Address::choose(None, Some(dir.path()), None, None, Path::new("/")).expect_err("it is empty");
        assert!(error.to_string().contains(&dir.path().join(URL_FILE).display().to_string()), "{error}");
    }

    #[test]
    fn what_a_directory_holds_tells_how_to_start_it() {
        let dir = cell("http://127.0.0.1:1");
        let hint = || {
            let address = Address::choose(None, Some(dir.path()), None, None, Path::new("/")).expect("an address");
            address.unreachable("refused").hint().expect("a hint")
        };
        fs::create_dir(dir.path().join(PROJECTIONS_DIR)).expect("made");
        assert!(hint().contains("quipu gateway --log") && !hint().contains("quipu up"), "{}", hint());
        fs::create_dir(dir.path().join(LOG_DIR)).expect("made");
        assert!(hint().contains("quipu up --dir") && !hint().contains("quipu gateway"), "{}", hint());
    }

    #[test]
    fn text_that_is_no_address_is_refused_with_the_reason() {
        for text in
            ["", "7070", "http://", "http://:7070", "127.0.0.1:x", "https://a:1", "http://a:99999", "http://a:1/b"]
        {
            assert!(matches!(Address::read(text, String::new()), Err(Error::BadAddress { .. })), "{text}");
        }
        assert_eq!(Address::read("[::1]:7070/", String::new()).expect("legal").http(), "http://[::1]:7070/graphql");
    }
}
