//! Reads backtraces in a text, whatever wrote them: gdb, lldb, coredumpctl, systemd-coredump, abrt, ASAN, valgrind,
//! the program's own `backtrace`, and the kernel's line about a segmentation fault.
//!
//! Invariant: of a report with several stacks only that of the access is read, not those of the block's release or
//! allocation.

/// Most backtraces of one text.
const CRASHES_MAX: usize = 64;
/// Most frames of one backtrace.
const FRAMES_MAX: usize = 200;

/// A function on the stack of a process that died.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CrashFrame {
    /// Name of the function, without suffixes of the compiler.
    pub function: Option<String>,
    /// Offset of the instruction in the program's file, if the text states it.
    pub offset: Option<u64>,
}

/// The death of a process, with its stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crash {
    /// Number of the innermost frame's line, from 1.
    pub line: usize,
    /// Pid of the process as the kernel or a debugger sees it, if the text states it.
    pub pid: Option<u32>,
    /// The frames, the innermost first.
    pub frames: Vec<CrashFrame>,
    /// Length of the mapping with the instruction, if the kernel's line states it.
    pub mapped: Option<u64>,
}

/// Returns the crashes that a text reports, in its order.
#[must_use]
pub fn crashes(text: &str) -> Vec<Crash> {
    let mut reader = BacktraceReader::default();
    for (number, line) in (1..).zip(text.lines()) {
        reader.line(number, line);
        if reader.crashes.len() >= CRASHES_MAX {
            break;
        }
    }
    reader.close();
    reader.crashes
}

#[derive(Default)]
struct BacktraceReader {
    crashes: Vec<Crash>,
    open: Option<(Crash, u32)>,
    /// The next stack is that of the block's release or allocation.
    beside: bool,
    pid: Option<u32>,
}

impl BacktraceReader {
    fn line(&mut self, number: usize, line: &str) {
        if let Some(crash) = of_kernel(number, line) {
            self.close();
            self.crashes.push(crash);
            return;
        }
        let Some((place, frame)) = frame(line) else {
            self.header(line);
            return;
        };
        let continues = self.open.as_ref().is_some_and(|(_, last)| place.is_none_or(|place| place > *last));
        if !continues {
            self.close();
            self.open = Some((Crash { line: number, pid: self.pid, frames: Vec::new(), mapped: None }, 0));
        }
        let Some((crash, last)) = &mut self.open else { return };
        *last = place.unwrap_or(*last);
        if crash.frames.len() < FRAMES_MAX {
            crash.frames.extend(frame);
        }
    }

    /// Reads a line between stacks.
    fn header(&mut self, line: &str) {
        const BESIDE: [&str; 7] = [
            "freed by thread",
            "previously allocated",
            "allocated by thread",
            "free'd",
            "alloc'd",
            "leak of",
            "definitely lost",
        ];
        const CRASH: [&str; 5] =
            ["ERROR: AddressSanitizer", "Invalid read", "Invalid write", "Process terminating", "Jump to"];
        if let Some(pid) = pid(line) {
            self.pid = Some(pid);
        }
        let any = |words: &[&str]| words.iter().any(|word| line.contains(word));
        if any(&BESIDE) {
            self.close();
            self.beside = true;
        } else if any(&CRASH) || line.trim().is_empty() {
            self.close();
        }
    }

    fn close(&mut self) {
        let Some((crash, _)) = self.open.take() else { return };
        let tells = crash.frames.iter().any(|frame| frame.function.is_some() || frame.offset.is_some());
        if !std::mem::take(&mut self.beside) && tells {
            self.crashes.push(crash);
        }
    }
}

/// Reads the pid of `PID: 74 (keepalived)`, `Process 74 (keepalived) of user`, `==74==ERROR: ..`, `[New LWP 74]`.
fn pid(line: &str) -> Option<u32> {
    let behind = |words: &str| {
        let rest = line.split_once(words)?.1.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some((rest[..end].parse().ok()?, &rest[end..]))
    };
    let named = [behind("PID: "), behind("Process ")].into_iter().flatten();
    let named = named.filter(|(_, rest)| rest.contains("keepalived")).map(|(pid, _)| pid).next();
    let valgrind = behind("==").filter(|(_, rest)| rest.starts_with("==")).map(|(pid, _)| pid);
    named.or(valgrind).or_else(|| behind("[New LWP ").map(|(pid, _)| pid))
}

/// Reads a numbered frame; `None` instead of the frame stands for the signal's own frame.
fn frame(line: &str) -> Option<(Option<u32>, Option<CrashFrame>)> {
    numbered(line).or_else(|| of_valgrind(line)).or_else(|| of_libc(line)).or_else(|| of_abrt(line))
}

/// Reads `#1  0x0000.. in rb_erase (node=..) at rbtree.c:1`, `#1  0x.. rb_erase (keepalived + 0x4a3b0)`, `#1
/// [keepalived] rb_erase`.
fn numbered(line: &str) -> Option<(Option<u32>, Option<CrashFrame>)> {
    let mark = line.match_indices('#').map(|(at, _)| at).find(|at| {
        let starts = line[at + 1..].starts_with(|c: char| c.is_ascii_digit());
        starts && !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '/')
    })?;
    let rest = &line[mark + 1..];
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let place: u32 = rest[..digits].parse().ok().filter(|place| *place < 1_000)?;
    let rest = rest[digits..].strip_prefix([' ', '\t', ':'])?.trim_start();
    if rest.starts_with("<signal handler") {
        return Some((Some(place), None));
    }
    // A comment in a configuration or the number of an issue is no frame.
    let has_address = rest.starts_with("0x");
    let rest =
        if has_address { rest.split_once(' ').map_or("", |(_, rest)| rest).trim_start() } else { rest };
    let named = rest.strip_prefix("in ").unwrap_or(rest);
    let named = named.strip_prefix("[keepalived] ").unwrap_or(named);
    let named = named.strip_prefix("keepalived`").unwrap_or(named);
    let end = named.find(|c: char| !(c.is_alphanumeric() || "_.@?/".contains(c))).unwrap_or(named.len());
    let (word, behind) = named.split_at(end);
    let offset = offset(line);
    // Without an address, parentheses, the program or a known function name mark a frame.
    let calls = behind.trim_start().starts_with('(') && word.contains('_');
    let of_program = rest.starts_with("[keepalived] ");
    let is_bare = behind.trim().is_empty() && (word.starts_with("rb_") || word.starts_with("thread_"));
    if !(has_address || calls || of_program || is_bare || offset.is_some()) {
        return None;
    }
    Some((Some(place), Some(CrashFrame { function: function(word), offset })))
}

/// Reads `==74==    at 0x11A2B3: rb_erase (rbtree.c:280)`, `==74==    by 0x..: process_child_termination
/// (scheduler.c:9)`.
fn of_valgrind(line: &str) -> Option<(Option<u32>, Option<CrashFrame>)> {
    let rest = line.split_once("== ")?.1.trim_start();
    let is_first = rest.starts_with("at 0x");
    let rest = rest.strip_prefix("at ").or_else(|| rest.strip_prefix("by "))?.strip_prefix("0x")?;
    let named = rest.split_once(": ")?.1;
    let end = named.find([' ', '(']).unwrap_or(named.len());
    let frame = CrashFrame { function: function(&named[..end]), offset: None };
    Some((if is_first { Some(0) } else { None }, Some(frame)))
}

/// Reads `/usr/sbin/keepalived(rb_erase+0x1a) [0x55..]`, `keepalived(+0x2f1a0) [..]`.
fn of_libc(line: &str) -> Option<(Option<u32>, Option<CrashFrame>)> {
    let (_, rest) = line.split_once("keepalived(")?;
    let (inside, behind) = rest.split_once(')')?;
    let (name, offset) = inside.split_once("+0x")?;
    if !behind.trim_start().starts_with('[') {
        return None;
    }
    let offset = u64::from_str_radix(offset, 16).ok().filter(|_| name.is_empty());
    Some((None, Some(CrashFrame { function: function(name), offset })))
}

/// Reads `"function_name": "rb_erase"` of abrt's JSON.
fn of_abrt(line: &str) -> Option<(Option<u32>, Option<CrashFrame>)> {
    let name = line.split_once("\"function_name\": \"")?.1.split_once('"')?.0;
    Some((None, Some(CrashFrame { function: function(name), offset: None })))
}

/// Reads `(keepalived + 0x4a3b0)`, `(/usr/sbin/keepalived+0x4a3b0)`.
fn offset(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("keepalived + 0x").or_else(|| line.split_once("keepalived+0x"))?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    u64::from_str_radix(&rest[..end], 16).ok()
}

/// Returns the name of a function without what compilers and libraries add to it.
fn function(word: &str) -> Option<String> {
    let word = word.strip_prefix("__GI_").unwrap_or(word);
    let bare = word.split(['.', '@']).next().unwrap_or(word);
    let named = bare.starts_with(|c: char| c.is_alphabetic() || c == '_') && bare != "n";
    (named && word != "n/a").then(|| bare.to_owned())
}

/// Reads `keepalived[74]: segfault at 8 ip 00005581aa4e2f10 sp .. error 6 in keepalived[5581aa4b0000+a3000]`, and
/// newer kernels' `in keepalived[32f10,5581aa4b0000+a3000]`.
fn of_kernel(number: usize, line: &str) -> Option<Crash> {
    let is_fault = line.contains("segfault at ") || line.contains("general protection");
    let (_, rest) = line.split_once(" in keepalived[").filter(|_| is_fault)?;
    let (inside, _) = rest.split_once(']')?;
    let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let (given, map) = inside.split_once(',').map_or((None, inside), |(given, map)| (hex(given), map));
    let (base, length) = map.split_once('+')?;
    let base = hex(base)?;
    let behind = |words: &str| {
        let rest = line.split_once(words)?.1;
        hex(rest.split(|c: char| !c.is_ascii_hexdigit()).next()?)
    };
    let ip = behind(" ip ").or_else(|| behind(" ip:"))?;
    let offset = given.or_else(|| ip.checked_sub(base));
    let named = line.split("keepalived[").nth(1)?;
    let pid = named.split_once(']').and_then(|(pid, _)| pid.parse().ok());
    // The base is that of the mapping with the code: `symbols` adds its offset in the file.
    Some(Crash {
        line: number,
        pid,
        frames: vec![CrashFrame { function: None, offset }],
        mapped: hex(length),
    })
}

impl Crash {
    /// Returns whether its offset counts from the program's code, as in the kernel's older lines, instead of from its
    /// file.
    #[must_use]
    pub fn is_of_kernel(&self) -> bool {
        self.frames.len() == 1 && self.frames[0].function.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Vec<String>> {
        let frames = |crash: Crash| crash.frames.into_iter().filter_map(|frame| frame.function).collect();
        crashes(text).into_iter().map(frames).collect()
    }

    #[test]
    fn each_tool_gives_the_same_functions() {
        let table = [
            "#0  rb_erase (node=0x55, root=0x56) at rbtree.c:280\n#1  0x0000558 in process_child_termination (pid=5, status=0) at scheduler.c:9\n#2  0x1 in process_threads (m=0x5) at scheduler.c:2\n",
            "Stack trace of thread 74:\n                #0  0x000055d1 rb_erase (keepalived + 0x4a3b0)\n                #1  0x000055d2 process_child_termination (keepalived + 0x42)\n                #2  0x000055d3 process_threads (keepalived + 0x43)\n",
            "==74==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\nREAD of size 8\n    #0 0x55d in rb_erase /src/rbtree.c:12:3\n    #1 0x55e in process_child_termination /src/s.c:1\n    #2 0x55f in process_threads /src/s.c:1\n\n0x60 is located 8 bytes inside\nfreed by thread T0 here:\n    #0 0x7f in free (lib+0x1)\n    #1 0x55 in thread_clean_unuse /src/s.c:1\n",
            "==74== Invalid read of size 8\n==74==    at 0x11A: rb_erase (rbtree.c:280)\n==74==    by 0x11B: process_child_termination (scheduler.c:1)\n==74==    by 0x11C: process_threads (scheduler.c:1)\n==74==  Address 0x10 is 8 bytes inside a block of size 120 free'd\n==74==    at 0x48: free (vg.c:1)\n",
            "Nov 25 10:00:00 lb1 systemd-coredump[9]: #0  0x1 rb_erase.isra.0 (keepalived + 0x1)\nNov 25 10:00:00 lb1 systemd-coredump[9]: #1  0x2 process_child_termination (keepalived + 0x2)\nNov 25 10:00:00 lb1 systemd-coredump[9]: #2  0x3 process_threads (keepalived + 0x3)\n",
            "#1 [keepalived] rb_erase\n#2 [keepalived] process_child_termination\n#3 [keepalived] process_threads\n",
            "/usr/sbin/keepalived(rb_erase+0x1a) [0x5]\n/usr/sbin/keepalived(process_child_termination+0x1) [0x5]\n/usr/sbin/keepalived(process_threads+0x1) [0x5]\n",
            "{ \"function_name\": \"rb_erase\"\n\"function_name\": \"process_child_termination\"\n\"function_name\": \"process_threads\"\n",
            "  * frame #0: 0x0000 keepalived`rb_erase(node=0x0) + 12 at rbtree.c\n    frame #1: 0x0001 keepalived`process_child_termination(pid=1) at s.c\n    frame #2: 0x2 keepalived`process_threads(m=1) at s.c\n",
        ];
        for text in table {
            assert_eq!(names(text), [["rb_erase", "process_child_termination", "process_threads"]], "{text}");
        }
    }

    #[test]
    fn the_kernels_line_gives_an_offset() {
        let line = "kernel: keepalived[74]: segfault at 8 ip 00005581aa4e2f10 sp 0 error 6 in keepalived[5581aa4b0000+a3000]";
        let crash = crashes(line).remove(0);
        assert_eq!((crash.pid, crash.frames[0].offset), (Some(74), Some(0x32f10)));
        let newer = "keepalived[74]: segfault at 8 ip 00005581aa4e2f10 sp 0 error 6 in keepalived[4a3b0,5581aa4b0000+a3000] likely on CPU 1";
        assert_eq!(crashes(newer)[0].frames[0].offset, Some(0x4a3b0));
    }

    #[test]
    fn numbers_of_issues_and_comments_are_no_frames() {
        for text in [
            "see #2468 for this",
            "# 1 comment",
            "vrrp_script x { #3 tries",
            "Linux 6.1 #1 SMP PREEMPT_DYNAMIC",
            "#1 SMP Debian",
        ] {
            assert_eq!(crashes(text), [], "{text}");
        }
    }
}
