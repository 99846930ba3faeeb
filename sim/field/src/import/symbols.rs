//! Finds the function of a program at an offset, by its symbols or those of its debug file.

use std::path::{Path, PathBuf};

use object::read::{Object, ObjectSection, ObjectSegment, ObjectSymbol};
use object::{SectionKind, SymbolKind};
use treefall_base::input;

use super::crash::Crash;

/// Largest program that is read, in bytes.
const SIZE_MAX: u64 = 256 << 20;
/// Folder in which distributions install debug files.
const DEBUG: &str = "/usr/lib/debug/.build-id";

/// Names the functions of frames that have only an offset in the program at `path`. Returns whether it named any.
/// Unless the program was `given` for the crash, its code must be as long as the mapping that the kernel reported.
pub fn name(crash: &mut Crash, path: &Path, given: bool) -> bool {
    let Ok(bytes) = input::read(path, SIZE_MAX) else { return false };
    let Ok(program) = object::File::parse(bytes.as_slice()) else { return false };
    let (code_at, length) = code(&program);
    if !given && (!crash.is_of_kernel() || crash.mapped.is_some_and(|mapped| mapped != length)) {
        return false;
    }
    let code = if crash.is_of_kernel() { code_at } else { 0 };
    let debug = debug_file(&program).and_then(|path| input::read(&path, SIZE_MAX).ok());
    let debug = debug.as_deref().and_then(|bytes| object::File::parse(bytes).ok());
    let mut named = false;
    for frame in crash.frames.iter_mut().filter(|frame| frame.function.is_none()) {
        let Some(offset) = frame.offset else { continue };
        // Newer kernels count offsets from the beginning of the file, older ones from that of the code.
        let places = [offset + code, offset];
        let mut found = places
            .iter()
            .take(if code == 0 { 1 } else { 2 })
            .filter_map(|at| function_at(&program, *at).or_else(|| function_at(debug.as_ref()?, *at)));
        frame.function = found.next();
        named |= frame.function.is_some();
    }
    named
}

/// Returns the address and the length of the segment with the code, in whole pages.
fn code(program: &object::File<'_>) -> (u64, u64) {
    let text = program.sections().find(|section| section.kind() == SectionKind::Text);
    let at = text.map_or(0, |section| section.address());
    let holds = |segment: &object::read::Segment<'_, '_>| {
        segment.address() <= at && at < segment.address() + segment.size()
    };
    program.segments().find(holds).map_or((0, 0), |segment| {
        let from = segment.address() & !0xfff;
        let to = (segment.address() + segment.size() + 0xfff) & !0xfff;
        (from, to - from)
    })
}

fn debug_file(program: &object::File<'_>) -> Option<PathBuf> {
    let id = program.build_id().ok()??;
    let (first, rest) = id.split_first()?;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Some(Path::new(DEBUG).join(format!("{first:02x}")).join(format!("{}.debug", hex(rest))))
}

fn function_at(program: &object::File<'_>, at: u64) -> Option<String> {
    let symbols = program.symbols().chain(program.dynamic_symbols());
    let functions = symbols.filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0);
    let holds = |symbol: &object::read::Symbol<'_, '_>| {
        symbol.address() <= at && at < symbol.address() + symbol.size()
    };
    let found = functions.filter(holds).max_by_key(|symbol| symbol.address())?;
    let name = found.name().ok()?;
    Some(name.split('.').next().unwrap_or(name).to_owned())
}
