//! Reads an ELF file as the engine needs it: its type, its banner, its symbols and its segments.
//!
//! Invariant: reading is bounded by the file, and nothing of it is executed. Addresses are those of the file.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use object::elf;
use object::read::elf::{Dyn as _, ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use treefall_world::wire::Image;

use super::refusal::{FILE_MAX, Hidden, ProgramError};

/// Reads the whole file, if it is no larger than any keepalived.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, ProgramError> {
    let unreadable = |source| ProgramError::Unreadable { path: path.to_path_buf(), source };
    let facts = fs::metadata(path).map_err(unreadable)?;
    if facts.is_dir() {
        return Err(ProgramError::Folder { path: path.to_path_buf() });
    }
    if facts.len() > FILE_MAX {
        return Err(ProgramError::TooLarge { path: path.to_path_buf(), size: facts.len() });
    }
    // A device or a pipe has no size, so the limit applies to reading as well.
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Parses the file as a program into which a library can be preloaded.
pub(super) fn parse<'b>(path: &Path, bytes: &'b [u8]) -> Result<ElfFile64<'b>, ProgramError> {
    let path = || path.to_path_buf();
    if bytes.starts_with(b"#!") {
        return Err(ProgramError::Script { path: path() });
    }
    if let Some(machine) = other_machine(bytes) {
        return Err(ProgramError::OtherMachine { path: path(), machine });
    }
    let parsed = ElfFile64::parse(bytes)
        .map_err(|error| ProgramError::NotElf { path: path(), why: error.to_string() })?;
    let endian = parsed.endian();
    let what = match parsed.elf_header().e_type(endian) {
        elf::ET_EXEC | elf::ET_DYN => None,
        elf::ET_REL => Some("an object file"),
        elf::ET_CORE => Some("a core dump"),
        _ => Some("an ELF file of an unknown type"),
    };
    if let Some(what) = what {
        return Err(ProgramError::NotProgram { path: path(), what });
    }
    match interpreter(&parsed) {
        None if !is_static(&parsed) => {
            Err(ProgramError::NotProgram { path: path(), what: "a shared library" })
        }
        None => {
            let pie = parsed.elf_header().e_type(endian) == elf::ET_DYN;
            Err(ProgramError::Static { path: path(), pie })
        }
        Some(interpreter) if !interpreter.contains("ld-linux-x86-64") => {
            Err(ProgramError::OtherLoader { path: path(), interpreter })
        }
        Some(_) => Ok(parsed),
    }
}

/// Returns whether a file without a loader is nevertheless a program: position-dependent, or marked as one.
fn is_static(parsed: &ElfFile64<'_>) -> bool {
    let endian = parsed.endian();
    let segments = parsed.elf_program_headers().iter();
    let entries =
        segments.filter_map(|segment| segment.dynamic(endian, parsed.data()).ok().flatten()).flatten();
    let mut flags = entries.filter(|entry| entry.tag(endian) == elf::DT_FLAGS_1);
    parsed.elf_header().e_type(endian) == elf::ET_EXEC
        || flags.any(|entry| entry.val(endian) & elf::DF_1_PIE.0 != 0)
}

/// Returns the machine that an ELF file is built for, if it is not x86-64.
fn other_machine(bytes: &[u8]) -> Option<String> {
    const CLASS: usize = 4;
    const ORDER: usize = 5;
    const MACHINE: usize = 18;
    if !bytes.starts_with(&elf::ELFMAG) {
        return None;
    }
    let number = [*bytes.get(MACHINE)?, *bytes.get(MACHINE + 1)?];
    let number = if bytes[ORDER] == 2 { u16::from_be_bytes(number) } else { u16::from_le_bytes(number) };
    let bits = if bytes[CLASS] == 1 { 32 } else { 64 };
    let name = match elf::Machine(number) {
        elf::EM_X86_64 if bits == 64 => return None,
        elf::EM_X86_64 => "x86-64 with 32-bit pointers (x32)",
        elf::EM_386 => "32-bit x86 (i386)",
        elf::EM_AARCH64 => "64-bit ARM (arm64)",
        elf::EM_ARM => "32-bit ARM",
        elf::EM_RISCV => "RISC-V",
        elf::EM_PPC64 => "64-bit PowerPC",
        elf::EM_S390 => "IBM Z (s390x)",
        elf::EM_MIPS => "MIPS",
        elf::EM_LOONGARCH => "LoongArch",
        _ => return Some(format!("machine number {number}, {bits} bits")),
    };
    Some(name.to_owned())
}

/// Returns the program's banner: `Keepalived v2.2.7 (01/16,2022)`.
pub(super) fn find_banner(parsed: &ElfFile64<'_>) -> Option<String> {
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

/// The address and length of a symbol, in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) start: u64,
    pub(super) size: u64,
}

/// The functions that a file's symbols name, by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Functions(Vec<(Place, String)>);

impl Functions {
    /// Returns those of a file of any type.
    pub(crate) fn of(parsed: &ElfFile64<'_>) -> Self {
        let mut table = SymbolTable::default();
        table.add(parsed);
        table.functions
    }

    /// Returns the start and the name of the function that contains an address of the file. A function that only
    /// precedes it does not count.
    pub(crate) fn at(&self, address: u64) -> Option<(u64, &str)> {
        let after = self.0.partition_point(|(place, _)| place.start <= address);
        let (place, name) = self.0.get(after.checked_sub(1)?)?;
        // Code written in assembly may have no size.
        (place.size == 0 || address - place.start < place.size).then_some((place.start, name))
    }
}

/// The symbols of a program.
#[derive(Debug, Default)]
pub(super) struct SymbolTable {
    /// Every definition by its name; exported ones take precedence.
    named: BTreeMap<String, Place>,
    /// The functions.
    functions: Functions,
    /// There is a table besides that of exported symbols.
    whole: bool,
}

impl SymbolTable {
    /// Adds the symbols of a file.
    pub(super) fn add(&mut self, parsed: &ElfFile64<'_>) {
        let globals = || parsed.symbols().filter(|symbol| symbol.is_global());
        let locals = || parsed.symbols().filter(|symbol| !symbol.is_global());
        let all = parsed.dynamic_symbols().chain(globals()).chain(locals());
        for symbol in all.filter(|symbol| symbol.is_definition()) {
            let Ok(name) = symbol.name() else { continue };
            let place = Place { start: symbol.address(), size: symbol.size() };
            if symbol.kind() == SymbolKind::Text {
                // A part that the compiler split off counts as its original function.
                let whole_name = name.split('.').next().unwrap_or(name);
                self.functions.0.push((place, whole_name.to_owned()));
            }
            self.named.entry(name.to_owned()).or_insert(place);
        }
        self.whole |= parsed.symbols().next().is_some();
        self.functions.0.sort_by(|(a, x), (b, y)| (a.start, x).cmp(&(b.start, y)));
        self.functions.0.dedup_by(|(a, x), (b, y)| a.start == b.start && x == y);
    }

    /// Returns the place of a definition.
    pub(super) fn get(&self, name: &str) -> Option<Place> {
        self.named.get(name).copied()
    }

    /// Returns what prevents the engine from providing memory, if anything does, and the remedy.
    pub(super) fn own_allocator(&self) -> Option<(&'static str, &'static str)> {
        let has = |name: &str| self.named.contains_key(name);
        if ["__asan_init", "__msan_init", "__hwasan_init", "__tsan_init"].iter().any(|name| has(name)) {
            let remedy = "link the sanitizer as a library (gcc does; clang with `-shared-libasan`), or build without it";
            return Some(("a sanitizer's runtime", remedy));
        }
        let remedy = "build keepalived with libc's `malloc`, or link the allocator as a library";
        (has("malloc") || has("calloc")).then_some(("an allocator of its own", remedy))
    }

    /// The functions.
    pub(super) fn into_functions(self) -> Functions {
        self.functions
    }

    /// Returns why some names may be missing.
    pub(super) fn why_missing(&self, missing: &[&str]) -> Hidden {
        // Functions that the linker inlined are absent, but the program's `main` remains.
        match (self.whole, missing.contains(&"main")) {
            (false, _) => Hidden::Stripped,
            (true, false) => Hidden::Optimised,
            (true, true) => Hidden::Elsewhere,
        }
    }
}

/// Returns the address of a symbol; its size, if the name ends in `_size`; or the bounds of segments. 0: there is
/// none.
pub(super) fn symbol_value(parsed: &ElfFile64<'_>, table: &SymbolTable, name: &str) -> u64 {
    match name {
        "text_start" => text_bounds(parsed).0,
        "text_end" => text_bounds(parsed).1,
        "data_start" => data_bounds(parsed).0,
        "data_end" => data_bounds(parsed).1,
        _ => match name.strip_suffix("_size") {
            Some(name) => table.get(name).map_or(0, |place| place.size),
            None => table.get(name).map_or(0, |place| place.start),
        },
    }
}

/// Returns the loader of a program that the kernel starts with other privileges than its caller's, which ignores
/// preload variables. Started by its loader it keeps the caller's privileges.
pub(super) fn privileged_loader(parsed: &ElfFile64<'_>, path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHER_RIGHTS: u32 = 0o6000;
    let by_mode = fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & OTHER_RIGHTS != 0);
    let mut room = [0_u8; 64];
    if !by_mode && rustix::fs::getxattr(path, c"security.capability", &mut room[..]).is_err() {
        return None;
    }
    interpreter(parsed).map(PathBuf::from)
}

fn interpreter(parsed: &ElfFile64<'_>) -> Option<String> {
    let segments = parsed.elf_program_headers().iter();
    let mut found =
        segments.filter_map(|segment| segment.interpreter(parsed.endian(), parsed.data()).ok().flatten());
    found.next().map(|text| String::from_utf8_lossy(text).into_owned())
}

/// Returns the build id, in hexadecimal.
pub(super) fn build_id(parsed: &ElfFile64<'_>) -> Option<String> {
    let id = parsed.build_id().ok().flatten()?;
    Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the files that may contain a program's symbols: under its build id, or beside it.
pub(super) fn symbol_files(parsed: &ElfFile64<'_>, path: &Path, root: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Ok(Some([first, rest @ ..])) = parsed.build_id() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let name = format!("{}/{}.debug", hex(&[*first]), hex(rest));
        places.push(root.join("usr/lib/debug/.build-id").join(name));
        let mut beside = path.as_os_str().to_owned();
        beside.push(".debug");
        places.push(beside.into());
    }
    places
}

/// Adds the symbols of a file with the same build id.
pub(super) fn add_symbol_file(symbols: &mut SymbolTable, program: &ElfFile64<'_>, path: &Path) -> bool {
    let Ok(bytes) = read_file(path) else { return false };
    let Ok(parsed) = ElfFile64::parse(&*bytes) else { return false };
    let Ok(Some(id)) = program.build_id() else { return false };
    if parsed.build_id() != Ok(Some(id)) {
        return false;
    }
    symbols.add(&parsed);
    true
}

/// Returns the bounds of the executable segments.
pub(super) fn text_bounds(parsed: &ElfFile64<'_>) -> (u64, u64) {
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

/// Returns the bounds of the program's variables: its writable segment without the part that the loader protects.
pub(super) fn data_bounds(parsed: &ElfFile64<'_>) -> (u64, u64) {
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

/// Returns the names that it imports, in order.
pub(super) fn imports(parsed: &ElfFile64<'_>) -> Vec<String> {
    let wanted = parsed.dynamic_symbols().filter(|symbol| symbol.is_undefined());
    let mut names: Vec<String> = wanted.filter_map(|symbol| Some(symbol.name().ok()?.to_owned())).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}

/// Returns what identifies the program in memory.
pub(super) fn read_image(parsed: &ElfFile64<'_>, main: u64) -> Image {
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
