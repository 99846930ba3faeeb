//! A real keepalived on disk: what it is, which release, where its functions are, and why not where it is
//! none that can be driven.
//!
//! Only the file is read here; nothing is executed. Offsets are relative to the program's load address, so
//! that address randomisation does not matter.

mod file;
mod refusal;

pub use refusal::{Hidden, ProgramError};

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use treefall_model::event::SubjectKind;
use treefall_model::release::{Release, Unlisted};
use treefall_world::calls::{self, Fate};
use treefall_world::wire::{Image, Symbols};

pub(crate) use file::Functions;
use file::SymbolTable;

/// What to do where there is no keepalived, to go on with in a message.
pub const INSTALL: &str = "install one (`apt-get install keepalived`) or fetch Debian's (`treefall roots fetch sid`, \
    which needs mmdebstrap; `treefall targets` then names it)";

/// Larger than any keepalived, with debug information: what is larger is refused unread.
const FILE_MAX: u64 = 256 << 20;

/// The functions and variables that the engine drives, by name. All are needed.
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

/// Where Debian and its kin keep libraries; joined to a root for programs inside another root.
const LIBRARY_FOLDERS: [&str; 6] = [
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu/systemd",
    "lib64",
    "usr/lib64",
    "usr/lib",
];

/// What a program imports, by what becomes of a call; each in the order of the names.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Imports<'p> {
    /// The world answers these.
    pub virtuals: Vec<&'p str>,
    /// These go on to the real one.
    pub let_through: Vec<&'p str>,
    /// These end a run with their name.
    pub forbidden: Vec<&'p str>,
    /// These are on no list: nobody has thought of what becomes of them. The system calls that they make meet the
    /// kernel's filter.
    pub unknown: Vec<&'p str>,
}

/// Why a program is driven as its release.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Likeness {
    /// It says that it is.
    Says,
    /// It says that it is one that the tables do not have; this is the nearest before it.
    Nearest,
    /// A person said so.
    Told,
}

/// A keepalived that was found fit to be looked at.
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
    /// Its loader, for a program that the kernel starts with other rights than the caller's.
    privileged: Option<PathBuf>,
}

impl Program {
    /// Looks at the file `path`, inside `root` when there is one.
    ///
    /// # Errors
    /// A [`ProgramError`] when it is no keepalived that can be started with a preloaded library.
    pub fn open(path: &Path, root: Option<&Path>) -> Result<Self, ProgramError> {
        Self::open_as(path, root, None)
    }

    /// The same, to be driven as `told` whatever it says of itself.
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
            // Symbols that were stripped off may lie in a file of their own.
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

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its build id, in hexadecimal.
    #[must_use]
    pub fn build_id(&self) -> Option<&str> {
        self.build_id.as_deref()
    }

    /// The root that it lives in, if not the machine's own.
    #[must_use]
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// What it says of itself: `Keepalived v2.2.7 (01/16,2022)`.
    #[must_use]
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// The release that it is driven as: the one that its banner names, or the nearest before that one. Packagers backport
    /// mends without changing it.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// Why it is driven as that release.
    #[must_use]
    pub fn likeness(&self) -> Likeness {
        self.likeness
    }

    /// What a person is told of a program that says it is a release that the tables do not have; `None`: it is none.
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

    /// The offsets of [`ENGINE_SYMBOLS`], in that order.
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

    /// What it imports, and what would become of each call.
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

    /// What the library inside the program needs to know of the file; to be asked for when nothing of
    /// [`ENGINE_SYMBOLS`] is missing.
    #[must_use]
    pub fn symbols(&self) -> Symbols {
        self.symbols
    }

    /// What tells this program from any other when it is in memory.
    #[must_use]
    pub fn image(&self) -> Image {
        self.image
    }

    /// The functions that its symbols name.
    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// The command line that starts it. In another root this is that root's own loader, which needs no
    /// privileges, and `preload` is handed to it; on the machine's own root the library is named in the
    /// environment instead ([`needs_environment`](Self::needs_environment)).
    ///
    /// Should the library not be loaded after all, the program is told to print its version and nothing else.
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

    /// Whether the library is to be named in the environment, and not on the command line.
    #[must_use]
    pub fn needs_environment(&self) -> bool {
        self.root.is_none() && self.privileged.is_none()
    }
}

fn missing_in(table: &SymbolTable) -> Vec<&'static str> {
    ENGINE_SYMBOLS.into_iter().filter(|name| table.get(name).is_none()).collect()
}

/// The keepalived programs that this machine has at the usual places.
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

/// The release that a banner's program is driven as; `None`: it is older than the oldest.
fn banner_release(banner: &str) -> Option<(Release, Likeness)> {
    let version = banner.strip_prefix("Keepalived v")?;
    let number = version.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut number = number.trim_end_matches('.').to_owned();
    // `v2.5` is the first of its line.
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
