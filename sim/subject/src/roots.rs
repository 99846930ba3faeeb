//! Fetches other releases' programs: Debian's keepalived of a suite, unpacked into a folder of its own.
//!
//! Invariant: a suite's folder in the cache is either complete or absent, because it is made beside its place and
//! moved there. Nothing of it is installed, and nothing in it is executed while it is made.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::{Program, ProgramError, find_installed};
use crate::target::Place;
use treefall_base::nearest::{nearest, offer};

/// Path of a suite's program inside its root.
pub const KEEPALIVED: &str = "/usr/sbin/keepalived";

/// The tool that unpacks a suite.
const TOOL: &str = "mmdebstrap";
/// The program, and the packages that its daemon needs.
const PACKAGES: &str = "keepalived,iproute2,dash,coreutils,base-files,base-passwd";
/// Folders that are links into `usr` in newer suites, and that unpacking alone does not make.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];
/// The longest name of a suite.
const NAME_MAX: usize = 40;
/// Longest part of the tool's output that is reported, in bytes.
const SAID_MAX: u64 = 1_000;
/// Most folders in the cache that are listed.
const ROOTS_MAX: usize = 64;

/// Suites with a keepalived, for examples and suggestions; there are others.
const SUITES: [&str; 4] = ["bullseye", "bookworm", "trixie", "sid"];

/// Why a suite cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// There is no folder for the cache.
    #[error("there is no folder for a cache: set TREEFALL_CACHE to one, or XDG_CACHE_HOME, or HOME")]
    NoCache,
    /// The name is not valid for a suite.
    #[error(
        "`{name}` is no name of a suite: small letters, digits and `-`, as {known}{offer}",
        name = .0,
        known = SUITES.join(", "),
        offer = offer(nearest(.0, SUITES))
    )]
    Name(String),
    /// The tool that unpacks it is not installed.
    #[error(
        "{TOOL} is not installed, which unpacks Debian's packages: `apt-get install mmdebstrap`; or unpack \
         keepalived and its libraries into a folder yourself and name it, `engine:/usr/sbin/keepalived@FOLDER`"
    )]
    NoTool,
    /// A file of the cache cannot be used.
    #[error("{path}: {source}; name a folder that can be written to: TREEFALL_CACHE=FOLDER")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The suite could not be unpacked.
    #[error(
        "{TOOL} could not unpack {suite} ({how}): {said}; check the name of the suite and the way to Debian's archive; \
         one that it has no more is taken from another place with `--mirror`{}",
        offer(nearest(suite, SUITES).filter(|near| near != suite))
    )]
    Failed {
        /// The suite.
        suite: String,
        /// How the tool ended.
        how: String,
        /// The end of its output.
        said: String,
    },
    /// The unpacked suite has no usable program.
    #[error("{suite} was unpacked, and its keepalived is of no use: {source}")]
    Program {
        /// The suite.
        suite: String,
        /// The reason.
        source: ProgramError,
    },
}

/// Returns the folder of the cache: `TREEFALL_CACHE`, or `treefall` in `XDG_CACHE_HOME`, or in `.cache` in `HOME`.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    cache_of(set("TREEFALL_CACHE"), set("XDG_CACHE_HOME"), set("HOME"))
}

fn cache_of(own: Option<OsString>, xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // The specification says that relative paths are to be ignored.
    let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
    let of_home = || Some(PathBuf::from(home?).join(".cache"));
    own.map(PathBuf::from).or_else(|| Some(xdg.or_else(of_home)?.join("treefall")))
}

/// Returns the folder of all suites.
fn folder() -> Option<PathBuf> {
    Some(cache()?.join("roots"))
}

/// Returns the fetched suites by name, each with its root.
#[must_use]
pub fn fetched() -> Vec<(String, PathBuf)> {
    let Some(entries) = folder().and_then(|folder| fs::read_dir(folder).ok()) else { return Vec::new() };
    let named = entries
        .filter_map(|entry| Some((entry.as_ref().ok()?.file_name().into_string().ok()?, entry.ok()?.path())));
    // Unfinished folders have names that no suite has.
    let mut suites: Vec<_> = named.filter(|(name, _)| check_name(name).is_ok()).take(ROOTS_MAX).collect();
    suites.sort();
    suites
}

/// Returns every real program found on the machine itself and in fetched suites.
#[must_use]
pub fn find_programs() -> Vec<Place> {
    let installed = find_installed().into_iter().map(Place::of);
    let inside = |root: PathBuf| Place::inside(root, KEEPALIVED);
    installed.chain(fetched().into_iter().map(|(_, root)| inside(root))).collect()
}

/// The result of fetching a suite.
#[derive(Debug)]
pub struct Fetched {
    /// The suite.
    pub suite: String,
    /// Its root.
    pub root: PathBuf,
    /// Its program.
    pub program: Program,
    /// It was fetched earlier.
    pub was_there: bool,
}

/// Fetches a suite, unless it is there and `again` is false. `mirror` replaces the tool's default archive.
///
/// # Errors
/// When it cannot be fetched; then the cache is unchanged.
pub fn fetch(suite: &str, mirror: Option<&str>, again: bool) -> Result<Fetched, RootsError> {
    check_name(suite)?;
    let folder = folder().ok_or(RootsError::NoCache)?;
    let root = folder.join(suite);
    if !again && root.is_dir() {
        let program = look_at(suite, &root)?;
        return Ok(Fetched { suite: suite.to_owned(), root, program, was_there: true });
    }
    let file = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RootsError::File { path, source }
    };
    fs::create_dir_all(&folder).map_err(file(&folder))?;
    let beside = tempfile::Builder::new().prefix(".fetching-").tempdir_in(&folder).map_err(file(&folder))?;
    let fresh = beside.path().join(suite);
    unpack(suite, mirror, &fresh)?;
    merge_folders(&fresh).map_err(file(&fresh))?;
    look_at(suite, &fresh)?;
    move_into_place(&fresh, &root).map_err(file(&root))?;
    let program = look_at(suite, &root)?;
    Ok(Fetched { suite: suite.to_owned(), root, program, was_there: false })
}

fn check_name(suite: &str) -> Result<(), RootsError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = suite.starts_with(|c: char| c.is_ascii_lowercase()) && suite.chars().all(plain);
    if good && suite.len() <= NAME_MAX { Ok(()) } else { Err(RootsError::Name(suite.to_owned())) }
}

fn look_at(suite: &str, root: &Path) -> Result<Program, RootsError> {
    let program = Program::open(Path::new(KEEPALIVED), Some(root));
    program.map_err(|source| RootsError::Program { suite: suite.to_owned(), source })
}

fn unpack(suite: &str, mirror: Option<&str>, to: &Path) -> Result<(), RootsError> {
    let mut said =
        tempfile::tempfile().map_err(|source| RootsError::File { path: std::env::temp_dir(), source })?;
    let mut command = Command::new(TOOL);
    command.arg("--variant=extract").arg(format!("--include={PACKAGES}"));
    // The list of an archived suite is never signed again.
    command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"").arg(suite).arg(to).args(mirror);
    let stderr =
        said.try_clone().map_err(|source| RootsError::File { path: std::env::temp_dir(), source })?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let how = match command.status() {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => status.to_string(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(RootsError::NoTool),
        Err(error) => error.to_string(),
    };
    Err(RootsError::Failed { suite: suite.to_owned(), how, said: last_words(&mut said) })
}

/// Returns the end of the output, in one line.
fn last_words(said: &mut fs::File) -> String {
    let mut text = Vec::new();
    // Unreadable output is left out.
    let length = said.metadata().map_or(0, |facts| facts.len());
    let _ = said
        .seek(io::SeekFrom::Start(length.saturating_sub(SAID_MAX)))
        .and_then(|_| said.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("E:")).collect();
    let lines = if errors.is_empty() { text.lines().rev().take(3).collect() } else { errors };
    lines.join("; ")
}

/// Makes the links that a program needs to find its libraries, if unpacking made none.
fn merge_folders(root: &Path) -> io::Result<()> {
    for name in MERGED {
        let (link, target) = (root.join(name), Path::new("usr").join(name));
        if link.symlink_metadata().is_err() && root.join(&target).is_dir() {
            symlink(target, link)?;
        }
    }
    Ok(())
}

/// Moves a folder to its place; an existing one is moved the other way at the same moment.
fn move_into_place(fresh: &Path, place: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    if place.symlink_metadata().is_ok() {
        renameat_with(CWD, fresh, CWD, place, RenameFlags::EXCHANGE)?;
        return Ok(());
    }
    fs::rename(fresh, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_it_is_asked_for() {
        let set = |text: &str| Some(OsString::from(text));
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(cache_of(set("/own"), set("/xdg"), set("/home/x")), path("/own"));
        assert_eq!(cache_of(None, set("/xdg"), set("/home/x")), path("/xdg/treefall"));
        assert_eq!(cache_of(None, set("not/absolute"), set("/home/x")), path("/home/x/.cache/treefall"));
        assert_eq!(cache_of(None, None, None), None);
    }

    #[test]
    fn a_suite_is_named_as_debian_names_them() {
        for name in ["bullseye", "sid", "bookworm-backports"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "..", "../x", "-o", ".fetching-x", "Sid", "a b", &"x".repeat(41)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_suite_that_cannot_be_unpacked_may_be_mistyped() {
        let failed = |suite: &str| {
            let (how, said) = (String::new(), String::new());
            RootsError::Failed { suite: suite.to_owned(), how, said }.to_string()
        };
        assert!(failed("bokworm").ends_with("with `--mirror`; did you mean `bookworm`?"));
        assert!(failed("bookworm").ends_with("with `--mirror`"));
        assert!(RootsError::Name("Sid".to_owned()).to_string().ends_with("; did you mean `sid`?"));
    }

    #[test]
    fn a_folder_comes_to_its_place_whole_over_an_older_one_too() {
        let folder = tempfile::tempdir().unwrap();
        let (place, fresh) = (folder.path().join("sid"), folder.path().join(".fetching"));
        for content in ["old", "new"] {
            fs::create_dir(&fresh).unwrap();
            fs::write(fresh.join("it"), content).unwrap();
            move_into_place(&fresh, &place).unwrap();
            assert_eq!(fs::read_to_string(place.join("it")).unwrap(), content);
            let _ = fs::remove_dir_all(&fresh);
        }
    }

    #[test]
    fn links_into_usr_are_made_where_they_are_missing() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        fs::create_dir(root.path().join("bin")).unwrap();
        merge_folders(root.path()).unwrap();
        assert_eq!(fs::read_link(root.path().join("lib")).unwrap(), Path::new("usr/lib"));
        assert!(root.path().join("bin").symlink_metadata().unwrap().is_dir());
        assert!(root.path().join("lib64").symlink_metadata().is_err());
    }
}
