//! A real keepalived on disk: what it is, which release, where its functions are, and why not where it is
//! none that can be driven.
//!
//! Only the file is read here; nothing is executed. Offsets are relative to the program's load address, so
//! that address randomisation does not matter.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use object::elf;
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use treefall_model::release::Release;
use treefall_world::wire::{Image, Symbols};

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

/// A keepalived that was found fit to be looked at.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    root: Option<PathBuf>,
    banner: String,
    release: Release,
    functions: Vec<(u64, String)>,
    offsets: [Option<u64>; ENGINE_SYMBOLS.len()],
    symbols: Symbols,
    image: Image,
}

/// Why a file is no program that treefall can drive. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It cannot be read.
    #[error(
        "cannot read {path}: {source}; check the path, or install keepalived (`apt-get install keepalived`)"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is a folder.
    #[error("{path} is a folder; name the keepalived program in it, as `usr/sbin/keepalived`")]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// It is far larger than any keepalived.
    #[error("{path} has {size} bytes, more than any keepalived ({FILE_MAX} at most)")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// It is a script.
    #[error("{path} is a script; name the program that it starts")]
    Script {
        /// The file.
        path: PathBuf,
    },
    /// It is no 64-bit ELF program, or a broken one.
    #[error("{path} is no x86-64 ELF program ({why}); name a keepalived built for this kind of machine")]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What the reader found.
        why: String,
    },
    /// It is linked statically: nothing can be preloaded.
    #[error(
        "{path} is linked statically, so that no library can be preloaded into it; build keepalived with \
         dynamic linking"
    )]
    Static {
        /// The file.
        path: PathBuf,
    },
    /// It is linked against another C library.
    #[error("{path} is linked against {interpreter}; only glibc's loader is supported")]
    OtherLoader {
        /// The file.
        path: PathBuf,
        /// Its loader.
        interpreter: String,
    },
    /// It says nowhere that it is a keepalived.
    #[error("{path} is no keepalived: the text `Keepalived v` with a version is nowhere in it")]
    NotKeepalived {
        /// The file.
        path: PathBuf,
    },
    /// Its release is none that the tables know.
    #[error(
        "{path} says `{banner}`: not one of the releases that treefall knows (2.0.8 to 2.4.3); a new release is \
         a row in model/src/release"
    )]
    UnknownRelease {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        banner: String,
    },
    /// Its scheduler's functions cannot be found.
    #[error(
        "{path} ({banner}) does not show its scheduler's functions: {} missing, of which `{}`; take an \
         unstripped build, or one linked with `-Wl,-E` as Debian's is", missing.len(), missing[0]
    )]
    NoSymbols {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        banner: String,
        /// What is missing. Not empty.
        missing: Vec<&'static str>,
    },
}

impl Program {
    /// Looks at the file `path`, inside `root` when there is one.
    ///
    /// # Errors
    /// A [`ProgramError`] when it is no keepalived that can be started with a preloaded library.
    pub fn open(path: &Path, root: Option<&Path>) -> Result<Self, ProgramError> {
        let file = match root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_path_buf(),
        };
        let bytes = read_file(&file)?;
        let parsed = parse(&file, &bytes)?;
        let banner =
            find_banner(&parsed).ok_or_else(|| ProgramError::NotKeepalived { path: file.clone() })?;
        let release = banner_release(&banner)
            .ok_or_else(|| ProgramError::UnknownRelease { path: file.clone(), banner: banner.clone() })?;
        let (functions, offsets) = read_symbols(&parsed);
        let symbols = Symbols::find(|name| symbol_value(&parsed, name));
        let image = read_image(&parsed, symbol_value(&parsed, "main"));
        let root = root.map(Path::to_path_buf);
        Ok(Self { path: file, root, banner, release, functions, offsets, symbols, image })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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

    /// The release that its banner names. Packagers backport mends without changing it.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
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
            return Err(ProgramError::NoSymbols { path, banner, missing });
        }
        Ok(self.offsets.map(Option::unwrap_or_default))
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

    /// The function that holds `offset`, by the program's symbols: the nearest at or below it.
    #[must_use]
    pub fn function_at(&self, offset: u64) -> Option<&str> {
        let after = self.functions.partition_point(|(start, _)| *start <= offset);
        let (_, name) = self.functions.get(after.checked_sub(1)?)?;
        Some(name)
    }

    /// The command line that starts it: program and first arguments. In another root this is that root's own
    /// loader, which needs no privileges, and `preload` is handed to it; on the machine's own root the library
    /// is named in the environment instead.
    #[must_use]
    pub fn command_line(&self, preload: &str) -> Vec<std::ffi::OsString> {
        let Some(root) = &self.root else { return vec![self.path.clone().into()] };
        let folders = LIBRARY_FOLDERS.map(|folder| root.join(folder));
        let loader =
            folders.iter().map(|folder| folder.join("ld-linux-x86-64.so.2")).find(|path| path.is_file());
        let loader = loader.unwrap_or_else(|| root.join("lib64/ld-linux-x86-64.so.2"));
        let libraries: Vec<_> = folders.iter().map(|folder| folder.as_os_str()).collect();
        vec![
            loader.into(),
            "--library-path".into(),
            libraries.join(std::ffi::OsStr::new(":")),
            "--preload".into(),
            preload.into(),
            self.path.clone().into(),
        ]
    }
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

fn read_file(path: &Path) -> Result<Vec<u8>, ProgramError> {
    let unreadable = |source| ProgramError::Unreadable { path: path.to_path_buf(), source };
    let facts = fs::metadata(path).map_err(unreadable)?;
    if facts.is_dir() {
        return Err(ProgramError::Folder { path: path.to_path_buf() });
    }
    if facts.len() > FILE_MAX {
        return Err(ProgramError::TooLarge { path: path.to_path_buf(), size: facts.len() });
    }
    // A device or a pipe has no size to go by: read no more than the bound either way.
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn parse<'b>(path: &Path, bytes: &'b [u8]) -> Result<ElfFile64<'b>, ProgramError> {
    if bytes.starts_with(b"#!") {
        return Err(ProgramError::Script { path: path.to_path_buf() });
    }
    let not_elf = |why: String| ProgramError::NotElf { path: path.to_path_buf(), why };
    let parsed = ElfFile64::parse(bytes).map_err(|error| not_elf(error.to_string()))?;
    let header = parsed.elf_header();
    let endian = parsed.endian();
    if header.e_machine(endian) != elf::EM_X86_64 {
        return Err(not_elf(format!("built for {:?}", parsed.architecture())));
    }
    let interpreter = parsed
        .elf_program_headers()
        .iter()
        .find_map(|segment| segment.interpreter(endian, bytes).ok().flatten())
        .map(|text| String::from_utf8_lossy(text).into_owned());
    match interpreter {
        None => Err(ProgramError::Static { path: path.to_path_buf() }),
        Some(interpreter) if !interpreter.contains("ld-linux-x86-64") => {
            Err(ProgramError::OtherLoader { path: path.to_path_buf(), interpreter })
        }
        Some(_) => Ok(parsed),
    }
}

fn find_banner(parsed: &ElfFile64<'_>) -> Option<String> {
    const BEGINNING: &[u8] = b"Keepalived v";
    let data = parsed.sections().filter_map(|section| section.data().ok());
    data.filter_map(|data| {
        let starts = data.windows(BEGINNING.len()).enumerate().filter(|(_, window)| *window == BEGINNING);
        starts
            .map(|(start, _)| &data[start..])
            .filter(|text| text.get(BEGINNING.len()).is_some_and(u8::is_ascii_digit))
            .map(|text| {
                text.iter().copied().take_while(|c| (b' '..=b'~').contains(c)).take(80).collect::<Vec<u8>>()
            })
            .find_map(|text| String::from_utf8(text).ok())
    })
    .next()
}

fn banner_release(banner: &str) -> Option<Release> {
    let version = banner.strip_prefix("Keepalived v")?;
    let number = version.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    Release::parse(number)
}

type SymbolTables = (Vec<(u64, String)>, [Option<u64>; ENGINE_SYMBOLS.len()]);

fn read_symbols(parsed: &ElfFile64<'_>) -> SymbolTables {
    let mut functions = Vec::new();
    let mut offsets = [None; ENGINE_SYMBOLS.len()];
    for symbol in parsed.dynamic_symbols().chain(parsed.symbols()).filter(|symbol| symbol.is_definition()) {
        let Ok(name) = symbol.name() else { continue };
        if symbol.kind() == SymbolKind::Text {
            functions.push((symbol.address(), name.to_owned()));
        }
        if let Some(place) = ENGINE_SYMBOLS.iter().position(|wanted| *wanted == name) {
            offsets[place] = Some(symbol.address());
        }
    }
    functions.sort_unstable();
    functions.dedup();
    (functions, offsets)
}

/// The address of a symbol; its size, if the name ends in `_size`; the bounds of the text. 0: there is none.
fn symbol_value(parsed: &ElfFile64<'_>, name: &str) -> u64 {
    let bounds = || text_bounds(parsed);
    let find = |name: &str| {
        let mut all = parsed.dynamic_symbols().chain(parsed.symbols());
        all.find(|symbol| symbol.is_definition() && symbol.name() == Ok(name))
    };
    match name {
        "text_start" => bounds().0,
        "text_end" => bounds().1,
        "data_start" => data_bounds(parsed).0,
        "data_end" => data_bounds(parsed).1,
        _ => match name.strip_suffix("_size") {
            Some(name) => find(name).map_or(0, |symbol| symbol.size()),
            None => find(name).map_or(0, |symbol| symbol.address()),
        },
    }
}

/// Where the executable segments begin and end.
fn text_bounds(parsed: &ElfFile64<'_>) -> (u64, u64) {
    let endian = parsed.endian();
    let segments = parsed.elf_program_headers().iter();
    let text = segments.filter(|segment| {
        segment.p_type(endian) == elf::PT_LOAD && segment.p_flags(endian) & elf::PF_X == elf::PF_X
    });
    text.fold((u64::MAX, 0), |(start, end), segment| {
        let at = segment.p_vaddr(endian);
        (start.min(at), end.max(at + segment.p_memsz(endian)))
    })
}

/// Where the program's variables begin and end: its writable segment without what the loader protects.
fn data_bounds(parsed: &ElfFile64<'_>) -> (u64, u64) {
    let endian = parsed.endian();
    let segments = || parsed.elf_program_headers().iter();
    let ends = |segment: &elf::ProgramHeader64<_>| segment.p_vaddr(endian) + segment.p_memsz(endian);
    let writable = segments().find(|segment| {
        segment.p_type(endian) == elf::PT_LOAD && segment.p_flags(endian) & elf::PF_W == elf::PF_W
    });
    let Some(writable) = writable else { return (0, 0) };
    let protected = segments().find(|segment| segment.p_type(endian) == elf::PT_GNU_RELRO).map(ends);
    // The loader protects whole pages.
    let start = protected.map_or(0, |end| end & !0xfff).max(writable.p_vaddr(endian));
    (start, ends(writable).max(start))
}

fn read_image(parsed: &ElfFile64<'_>, main: u64) -> Image {
    let (header, endian) = (parsed.elf_header(), parsed.endian());
    let segments = parsed.elf_program_headers().iter();
    let mut loaded = segments.filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    let first = loaded.find(|segment| segment.p_offset(endian) == 0);
    Image {
        main,
        header: first.map_or(0, |segment| segment.p_vaddr(endian)),
        entry: header.e_entry(endian),
        sections: header.e_shoff(endian),
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
        assert!(error("/no/such/keepalived").contains("apt-get install keepalived"));
        assert!(error("/etc/passwd").contains("is no x86-64 ELF program"));
    }

    #[test]
    fn a_script_is_refused_as_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "#!/bin/sh\nexec keepalived\n").unwrap();
        let error = Program::open(file.path(), None).unwrap_err();
        assert!(matches!(error, ProgramError::Script { .. }));
    }

    #[test]
    fn a_banner_names_its_release() {
        assert_eq!(
            banner_release("Keepalived v2.2.7 (01/16,2022)").map(|r| r.to_string()).as_deref(),
            Some("2.2.7")
        );
        assert_eq!(banner_release("Keepalived v9.9.9"), None);
    }
}
