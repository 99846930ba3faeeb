//! A real keepalived on disk: its release, its functions, and why it cannot be driven if it cannot.
//!
//! Only the file is read, nothing is executed. Offsets are relative to the program's load address, so that address
//! randomisation does not matter.

mod file;
mod refusal;

pub use refusal::{Hidden, INSTALL, ProgramError};

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use treefall_model::event::SubjectKind;
use treefall_model::release::{Release, Unlisted};
use treefall_world::calls::{self, Fate};
use treefall_world::wire::{Image, Symbols};

pub(crate) use file::Functions;
use file::SymbolTable;

/// The functions and variables that the engine needs, by name.
pub const ENGINE_SYMBOLS: [&str; 17] = [
    "main",
    "master",
    "thread_make_master",
    "thread_add_base_threads",
    "thread_cleanup_master",
    "thread_add_timer",
    "thread_add_child",
    "thread_add_event",
    "thread_add_read",
    "thread_add_write",
    "thread_cancel",
    "thread_add_start_terminate_event",
    "thread_add_terminate_event",
    "thread_child_handler",
    "process_threads",
    "script_killall",
    "signal_set",
];

/// Folders of libraries on Debian and its relatives; joined to a root for programs inside another root.
const LIBRARY_FOLDERS: [&str; 6] = [
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu/systemd",
    "lib64",
    "usr/lib64",
    "usr/lib",
];

/// The functions that a program imports, by how their calls are handled, each in alphabetical order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Imports<'p> {
    /// The virtual world answers these.
    pub virtuals: Vec<&'p str>,
    /// These are passed to the real function.
    pub let_through: Vec<&'p str>,
    /// These end a run with an error that names them.
    pub forbidden: Vec<&'p str>,
    /// These are on no list. The kernel's filter decides about the system calls that they make.
    pub unknown: Vec<&'p str>,
}

/// Why a program is driven as its release.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Likeness {
    /// Its banner names this release.
    Says,
    /// Its banner names a release that the tables lack; this is the nearest older one.
    Nearest,
    /// The user named this release.
    Told,
}

/// A keepalived that can be inspected.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    root: Option<PathBuf>,
    banner: String,
    release: Release,
    likeness: Likeness,
    functions: Functions,
    offsets: [Option<u64>; ENGINE_SYMBOLS.len()],
    symbols: Symbols,
    image: Image,
    hidden: Hidden,
    build_id: Option<String>,
    imports: Vec<String>,
    /// Its loader, if the kernel starts the program with other privileges than the caller's.
    privileged: Option<PathBuf>,
}

impl Program {
    /// Reads the file `path`, inside `root` if there is one.
    ///
    /// # Errors
    /// A [`ProgramError`] when it is no keepalived that can be started with a preloaded library.
    pub fn open(path: &Path, root: Option<&Path>) -> Result<Self, ProgramError> {
        Self::open_as(path, root, None)
    }

    /// Reads the file, to be driven as release `told` whatever its banner says.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_as(path: &Path, root: Option<&Path>, told: Option<Release>) -> Result<Self, ProgramError> {
        let path = match root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_path_buf(),
        };
        let bytes = file::read_file(&path)?;
        let parsed = file::parse(&path, &bytes)?;
        let banner =
            file::find_banner(&parsed).ok_or_else(|| ProgramError::NotKeepalived { path: path.clone() })?;
        let (release, likeness) = told
            .map(|told| (told, Likeness::Told))
            .or_else(|| banner_release(&banner))
            .ok_or_else(|| ProgramError::UnknownRelease { path: path.clone(), banner: banner.clone() })?;
        let mut table = SymbolTable::default();
        table.add(&parsed);
        if let Some((what, remedy)) = table.own_allocator() {
            return Err(ProgramError::OwnAllocator { path, banner, what, remedy });
        }
        if !missing_in(&table).is_empty() {
            // Stripped symbols may be in a separate file.
            let files = file::symbol_files(&parsed, &path, root.unwrap_or(Path::new("/")));
            let _found = files.iter().any(|place| file::add_symbol_file(&mut table, &parsed, place));
        }
        let value = |name: &str| file::symbol_value(&parsed, &table, name);
        Ok(Self {
            offsets: ENGINE_SYMBOLS.map(|name| table.get(name).map(|place| place.start)),
            symbols: Symbols::find(value),
            image: file::read_image(&parsed, value("main")),
            imports: file::imports(&parsed),
            build_id: file::build_id(&parsed),
            hidden: table.why_missing(&missing_in(&table)),
            privileged: file::privileged_loader(&parsed, &path).filter(|_| root.is_none()),
            functions: table.into_functions(),
            root: root.map(Path::to_path_buf),
            path,
            banner,
            release,
            likeness,
        })
    }

    /// Returns the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its build id, in hexadecimal.
    #[must_use]
    pub fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }

    /// Returns its root, if that is not the machine's own.
    #[must_use]
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Returns its banner: `Keepalived v2.2.7 (01/16,2022)`.
    #[must_use]
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// Returns the release that it is driven as: the one in its banner, or the nearest older one. Packagers backport
    /// fixes without changing the banner.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// Returns why it is driven as that release.
    #[must_use]
    pub fn likeness(&self) -> Likeness {
        self.likeness
    }

    /// Returns a warning about a program whose release the tables lack; `None` for others.
    #[must_use]
    pub fn unlisted(&self) -> Option<String> {
        let which = if self.release == Release::NEWEST { "newest" } else { "nearest older" };
        (self.likeness == Likeness::Nearest).then(|| {
            format!(
                "{} says `{}`, a release that treefall does not know: it is driven as {}, the {which} release that it knows; \
                 `--as RELEASE` names another",
                self.path.display(),
                self.banner,
                self.release
            )
        })
    }

    /// Returns the offsets of [`ENGINE_SYMBOLS`], in that order.
    ///
    /// # Errors
    /// [`ProgramError::NoSymbols`] when one is missing.
    pub fn engine_offsets(&self) -> Result<[u64; ENGINE_SYMBOLS.len()], ProgramError> {
        let named = ENGINE_SYMBOLS.iter().zip(self.offsets);
        let missing: Vec<_> = named.filter(|(_, offset)| offset.is_none()).map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            let (path, banner) = (self.path.clone(), self.banner.clone());
            return Err(ProgramError::NoSymbols { path, banner, missing, why: self.hidden });
        }
        Ok(self.offsets.map(Option::unwrap_or_default))
    }

    /// Returns its imports, and how each call is handled.
    #[must_use]
    pub fn imports(&self, kind: SubjectKind) -> Imports<'_> {
        let mut imports = Imports::default();
        for name in &self.imports {
            let fate = calls::find(name)
                .map(|row| if kind == SubjectKind::Daemon { row.daemon } else { row.engine });
            let place = match fate {
                Some(Fate::Virtual) => &mut imports.virtuals,
                Some(Fate::LetThrough) => &mut imports.let_through,
                Some(Fate::Forbidden) => &mut imports.forbidden,
                None => &mut imports.unknown,
            };
            place.push(name);
        }
        imports
    }

    /// Returns what the library inside the program needs to know of the file. All of [`ENGINE_SYMBOLS`] must be
    /// present.
    #[must_use]
    pub fn symbols(&self) -> Symbols {
        self.symbols
    }

    /// Returns what identifies this program in memory.
    #[must_use]
    pub fn image(&self) -> Image {
        self.image
    }

    /// Returns the functions that its symbols name.
    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Returns the command line that starts it. In another root this is that root's own loader, which needs no
    /// privileges and receives `preload`. On the machine's own root the library is named in the environment instead
    /// ([`needs_environment`](Self::needs_environment)).
    ///
    /// If the library is not loaded after all, the program only prints its version.
    #[must_use]
    pub fn command_line(&self, preload: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(root) = &self.root {
            let folders = LIBRARY_FOLDERS.map(|folder| root.join(folder));
            let loader =
                folders.iter().map(|folder| folder.join("ld-linux-x86-64.so.2")).find(|path| path.is_file());
            let libraries: Vec<_> = folders.iter().map(|folder| folder.as_os_str()).collect();
            words.push(loader.unwrap_or_else(|| root.join("lib64/ld-linux-x86-64.so.2")).into());
            words.extend(["--library-path".into(), libraries.join(OsStr::new(":"))]);
        } else if let Some(loader) = &self.privileged {
            words.push(loader.into());
        }
        if !self.needs_environment() {
            words.extend(["--preload".into(), preload.into()]);
        }
        words.push(self.path.clone().into());
        words
    }

    /// Returns whether the library is named in the environment instead of on the command line.
    #[must_use]
    pub fn needs_environment(&self) -> bool {
        self.root.is_none() && self.privileged.is_none()
    }
}

fn missing_in(table: &SymbolTable) -> Vec<&'static str> {
    ENGINE_SYMBOLS.into_iter().filter(|name| table.get(name).is_none()).collect()
}

/// Returns the keepalived programs at the usual places of this machine.
#[must_use]
pub fn find_installed() -> Vec<PathBuf> {
    let places = ["/usr/sbin/keepalived", "/usr/local/sbin/keepalived", "/opt/keepalived/sbin/keepalived"];
    let mut found: Vec<PathBuf> = places.iter().map(PathBuf::from).filter(|path| path.is_file()).collect();
    let seen: Vec<_> = found.iter().map(|path| path.canonicalize().ok()).collect();
    let mut place = 0;
    found.retain(|_| {
        place += 1;
        !seen[..place - 1].contains(&seen[place - 1])
    });
    found
}

/// Returns the release as which a program with this banner is driven; `None`: it is older than the oldest.
fn banner_release(banner: &str) -> Option<(Release, Likeness)> {
    let version = banner.strip_prefix("Keepalived v")?;
    let number = version.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut number = number.trim_end_matches('.').to_owned();
    // `v2.5` means `v2.5.0`.
    while number.matches('.').count() < 2 {
        number.push_str(".0");
    }
    match Release::look_up(&number) {
        Ok(release) => Some((release, Likeness::Says)),
        Err(Unlisted::Newer) => Some((Release::NEWEST, Likeness::Nearest)),
        Err(Unlisted::After(release)) => Some((release, Likeness::Nearest)),
        Err(Unlisted::Older | Unlisted::NoVersion) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(path: &str) -> String {
        Program::open(Path::new(path), None).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_keepalived_is_refused_with_the_reason() {
        assert!(error("/bin/true").contains("is no keepalived"));
        assert!(error("/bin").contains("is a folder"));
        assert!(error("/no/such/keepalived").contains(INSTALL));
        assert!(error("/etc/passwd").contains("is no x86-64 ELF program"));
    }

    #[test]
    fn a_script_is_refused_as_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "#!/bin/sh\nexec keepalived\n").unwrap();
        let error = Program::open(file.path(), None).unwrap_err();
        assert!(matches!(error, ProgramError::Script { .. }));
    }

    #[test]
    fn a_banner_names_its_release() {
        let of =
            |banner: &str| banner_release(banner).map(|(release, likeness)| (release.to_string(), likeness));
        for (banner, release, likeness) in [
            ("Keepalived v2.2.7 (01/16,2022)", "2.2.7", Likeness::Says),
            ("Keepalived v2.2.7-dirty", "2.2.7", Likeness::Says),
            ("Keepalived v2.2.9 (01/16,2022)", "2.2.8", Likeness::Nearest),
            ("Keepalived v2.3.7-rc1", "2.3.4", Likeness::Nearest),
        ] {
            assert_eq!(of(banner), Some((release.to_owned(), likeness)), "{banner}");
        }
        for newer in ["v9.9.9", "v2.99.0-rc1 (x)", "v2.99", "v3", "v2.99.0.1+git", "v2.300.0"] {
            let newest = (Release::NEWEST.to_string(), Likeness::Nearest);
            assert_eq!(of(&format!("Keepalived {newer}")), Some(newest), "{newer}");
        }
        assert_eq!(of("Keepalived v2.0.7"), None);
        assert_eq!(of("Keepalived v1.3.9 (10/21,2017)"), None);
    }
}
