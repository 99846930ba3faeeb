//! Unwinds the stack of a real program's process.
//!
//! Invariant: frames are unwound by the files' own tables (`.eh_frame`) from three registers and a copy of the stack.
//! Where the tables end, the frames end; nothing is guessed, except the nearest function of the program if no other
//! is found. Files are read when a frame first lies in them.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder as _};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _};
use treefall_world::wire::Stopped;

use super::process::LIBRARY;
use crate::backtrace::{Frame, Home};
use crate::program::{Functions, Program};

/// Most frames of a stack.
const FRAMES_MAX: usize = 48;
/// Most files of one process that are read.
const FILES_MAX: usize = 256;
/// Largest accepted file, in bytes; more than any library that keepalived loads.
const FILE_MAX: u64 = 64 << 20;
/// Name of the library in the process.
const LIBRARY_NAME: &str = "treefall-preload";

/// A file in the process's memory.
struct Loaded {
    path: PathBuf,
    home: Home,
    /// Its address in memory minus its address in the file.
    bias: u64,
    /// Its range of addresses in memory.
    range: Range<u64>,
    /// Its functions; `None`: not read yet.
    functions: Option<Functions>,
}

/// The files of one process, with their unwind tables.
pub(super) struct Unwinder {
    files: Vec<Loaded>,
    tables: UnwinderX86_64<Vec<u8>>,
    cache: CacheX86_64,
}

impl std::fmt::Debug for Unwinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unwinder").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

impl Unwinder {
    /// Returns the unwinder of a process that runs `program`. Unreadable parts are left out.
    pub(super) fn of(process: u32, program: &Program) -> Self {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        let path = program.path().canonicalize().unwrap_or_else(|_| program.path().to_path_buf());
        let mut files: Vec<Loaded> = Vec::new();
        for mapping in maps.lines().filter_map(mapping) {
            let known = files.iter().position(|file| file.path == mapping.path);
            if let Some(file) = known.map(|place| &mut files[place]) {
                file.range.end = file.range.end.max(mapping.range.end);
            } else if mapping.offset == 0 && files.len() < FILES_MAX {
                let home = home(&mapping.path, &path);
                // The addresses of a library begin at zero.
                let first = if home == Home::Program { program.image().header } else { 0 };
                let bias = mapping.range.start.wrapping_sub(first);
                files.push(Loaded { path: mapping.path, home, bias, range: mapping.range, functions: None });
            }
        }
        Self { files, tables: UnwinderX86_64::new(), cache: CacheX86_64::new() }
    }

    /// Returns the stack, innermost frame first.
    pub(super) fn frames(&mut self, program: &Program, stopped: &Stopped) -> Vec<Frame> {
        let addresses = self.addresses(program, stopped);
        let mut frames: Vec<Frame> = addresses.iter().map(|at| self.frame(program, *at)).collect();
        if !frames.iter().any(|frame| frame.home == Home::Program) {
            let found =
                words(stopped).map(|word| word.wrapping_sub(1)).find(|at| self.is_program_text(program, *at));
            frames.extend(found.map(|at| self.frame(program, at)));
        }
        // Frames beyond the program's outermost function are all the engine's, and are shown as one.
        let last = frames.iter().rposition(|frame| frame.home != Home::Engine);
        frames.truncate(last.map_or(0, |last| last + 1));
        frames.dedup_by(|a, b| a.home == Home::Engine && b.home == Home::Engine);
        frames
    }

    /// Returns the return addresses, innermost first.
    fn addresses(&mut self, program: &Program, stopped: &Stopped) -> Vec<u64> {
        let read = |address: u64| {
            let at = address.checked_sub(stopped.stack).and_then(|at| usize::try_from(at).ok()).ok_or(())?;
            let word = stopped.bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(())?;
            Ok(u64::from_le_bytes(*word))
        };
        let mut registers = UnwindRegsX86_64::new(stopped.instruction, stopped.stack, stopped.base);
        let mut address = FrameAddress::from_instruction_pointer(stopped.instruction);
        let mut addresses = Vec::new();
        // A jump to nowhere was a call, whose return address is on the stack.
        if self.file_of(stopped.instruction).is_none()
            && let Some(caller) = read(stopped.stack).ok().and_then(FrameAddress::from_return_address)
        {
            registers.set_sp(stopped.stack + 8);
            registers.set_ip(caller.address());
            address = caller;
        }
        while addresses.len() < FRAMES_MAX {
            let at = address.address_for_lookup();
            let Some(place) = self.file_of(at) else { break };
            addresses.push(at);
            self.read_tables(place, program);
            let next = self.tables.unwind_frame(address, &mut registers, &mut self.cache, &mut { read });
            match next.ok().flatten().and_then(FrameAddress::from_return_address) {
                Some(caller) => address = caller,
                None => break,
            }
        }
        addresses
    }

    fn file_of(&self, address: u64) -> Option<usize> {
        self.files.iter().position(|file| file.range.contains(&address))
    }

    fn is_program_text(&self, program: &Program, address: u64) -> bool {
        let file = self.file_of(address).map(|place| &self.files[place]);
        file.is_some_and(|file| {
            file.home == Home::Program && program.functions().at(address.wrapping_sub(file.bias)).is_some()
        })
    }

    /// Reads a file's tables and symbols, once.
    fn read_tables(&mut self, place: usize, program: &Program) {
        let file = &mut self.files[place];
        if file.functions.is_some() {
            return;
        }
        file.functions = Some(Functions::default());
        let bytes = match file.home {
            Home::Engine => LIBRARY.to_vec(),
            _ => match fs::metadata(&file.path) {
                Ok(facts) if facts.len() <= FILE_MAX => fs::read(&file.path).unwrap_or_default(),
                _ => return,
            },
        };
        let Ok(parsed) = ElfFile64::parse(&*bytes) else { return };
        file.functions = Some(match file.home {
            Home::Program => program.functions().clone(),
            _ => Functions::of(&parsed),
        });
        let name = file.path.display().to_string();
        self.tables.add_module(Module::new(name, file.range.clone(), file.bias, sections(&parsed)));
    }

    fn frame(&self, program: &Program, address: u64) -> Frame {
        let Some(file) = self.file_of(address).map(|place| &self.files[place]) else {
            return Frame { home: Home::Program, function: None, offset: 0 };
        };
        let offset = address.wrapping_sub(file.bias);
        let functions = match (&file.home, &file.functions) {
            (Home::Program, _) => program.functions(),
            (_, Some(functions)) => functions,
            (_, None) => return Frame { home: file.home.clone(), function: None, offset },
        };
        match functions.at(offset) {
            Some((start, name)) => {
                Frame { home: file.home.clone(), function: Some(name.to_owned()), offset: offset - start }
            }
            None => Frame { home: file.home.clone(), function: None, offset },
        }
    }
}

/// Returns the words of the copied stack.
fn words(stopped: &Stopped) -> impl Iterator<Item = u64> {
    stopped.bytes.chunks_exact(8).filter_map(|word| word.first_chunk()).map(|word| u64::from_le_bytes(*word))
}

fn home(path: &Path, program: &Path) -> Home {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if path == program {
        Home::Program
    } else if name.contains(LIBRARY_NAME) {
        Home::Engine
    } else {
        Home::Library(name)
    }
}

/// A mapping of a file into a process's memory.
#[derive(PartialEq, Eq, Debug)]
struct Mapping {
    range: Range<u64>,
    /// Its offset in the file.
    offset: u64,
    path: PathBuf,
}

/// Parses a line of `maps`. `None`: no file is mapped there.
fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let offset = words.nth(1)?;
    let path = words.nth(2)?.trim_start();
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (range, offset) = (number(start)?..number(end)?, number(offset)?);
    // Shared memory has a device's name, in many places.
    let is_file = path.starts_with('/') && !path.starts_with("/dev/");
    is_file.then(|| Mapping { range, offset, path: PathBuf::from(path) })
}

fn sections(parsed: &ElfFile64<'_>) -> ExplicitModuleSectionInfo<Vec<u8>> {
    let range = |name: &str| {
        parsed.section_by_name(name).map(|section| section.address()..section.address() + section.size())
    };
    let data = |name: &str| Some(parsed.section_by_name(name)?.data().ok()?.to_vec());
    ExplicitModuleSectionInfo {
        base_svma: 0,
        text_svma: range(".text"),
        text: data(".text"),
        got_svma: range(".got"),
        eh_frame_svma: range(".eh_frame"),
        eh_frame: data(".eh_frame"),
        eh_frame_hdr_svma: range(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        debug_frame: data(".debug_frame"),
        ..ExplicitModuleSectionInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_process_s_map_are_read() {
        let line = "7f00-8f00 r-xp 00001000 fe:00 1234      /usr/lib/a b.so";
        let path = PathBuf::from("/usr/lib/a b.so");
        assert_eq!(mapping(line), Some(Mapping { range: 0x7f00..0x8f00, offset: 0x1000, path }));
        assert_eq!(mapping("7f00-8f00 rw-p 00000000 00:00 0 "), None);
        assert_eq!(mapping("7f00-8f00 rw-p 00000000 00:00 0          [stack]"), None);
        assert_eq!(mapping("7f00-8f00 rw-s 00000000 00:01 17 /dev/zero (deleted)"), None);
        assert_eq!(mapping("nonsense"), None);
    }
}
