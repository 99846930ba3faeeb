//! Splits a log into lines in any rendering: when each was written, by which process, and its message.
//!
//! A message begins after keepalived's own stamp (`Wed Nov 25 10:00:00 2026: `), after the tag of a program
//! (`Keepalived_vrrp[77]: `), or where one of keepalived's texts begins. The part before it is searched for time
//! stamps; the narrowest one counts. No rendering therefore needs a format of its own.
//!
//! - `stamps`: time stamps;
//! - `structured`: JSON and journald's export format;
//! - `copies`: lines that a log has twice, and lines that stand for several.
//!
//! Invariant: a line's time is an interval, as wide as one unit of the last digit of its stamp.

mod copies;
mod stamps;
mod structured;

use std::borrow::Cow;
use std::ops::Range;

use super::line::{TextLine, Writer};
use super::messages::{Message, read};
use stamps::{Stamp, Stamps};

/// Length of the part of a line that is searched for its message, in bytes.
const PREFIX_MAX: usize = 400;
/// Most lines that lines such as `message repeated 3 times` are replaced by, in all.
const REPEATED_MAX: usize = 10_000;
/// Smallest time that has a date, in microseconds: about three years after 1970.
const DATED: i64 = 100_000_000_000_000;
/// The interval of a line in a log without any time stamp, in microseconds: about 34 years.
pub(super) const TIMELESS: Range<i64> = 0..1 << 50;

/// Returns the lines of a log without copies, and the number of copies.
#[must_use]
pub fn lines(text: &str) -> (Vec<TextLine>, u64) {
    let mut stamps = Stamps::default();
    let lines = structured::lines(text).into_iter();
    let mut lines: Vec<TextLine> =
        lines.map(|(number, line)| read_line(&mut stamps, number, &line)).collect();
    // If other lines have dates, a time since boot or a time of day does not count.
    let dated = |line: &TextLine| line.when.as_ref().is_some_and(|when| when.start >= DATED);
    if lines.iter().any(|line| line.writer.is_keepalived() && dated(line)) {
        lines.iter_mut().filter(|line| !dated(line)).for_each(|line| line.when = None);
    }
    copies::left_out(copies::expanded(lines, REPEATED_MAX))
}

fn read_line(stamps: &mut Stamps, number: usize, line: &str) -> TextLine {
    let whole = without_colours(line);
    let split = split(&whole);
    let prefix = split.as_ref().map_or(first(&whole, 80), |split| &whole[..split.prefix]);
    let found = stamps.read(prefix);
    let narrowest = found.iter().min_by_key(|stamp| stamp.when.end - stamp.when.start);
    let when = narrowest.map(|stamp| stamp.when.clone());
    let is_own = found.iter().any(|stamp| stamp.is_own);
    let before = found.first().map_or(0, |stamp| stamp.bytes.start);
    let form: String = prefix[..before.min(prefix.len())].chars().filter(|c| !c.is_ascii_digit()).collect();
    let behind = |stamp: &Stamp| stamp.bytes.end;
    let source = match &split {
        Some(Split { tag: Some(tag), .. }) => {
            let from = found.iter().map(behind).filter(|end| *end <= tag.start).max().unwrap_or(0);
            whole[from..tag.end].trim_matches([' ', ':']).to_owned()
        }
        _ => String::new(),
    };
    let (writer, text) = match &split {
        Some(split) => (split.writer, trimmed(&whole[split.text..])),
        None => (Writer::Foreign, String::new()),
    };
    TextLine { number, when, writer, source, text, form: (is_own, form), whole: whole.into_owned() }
}

/// Removes what a rendering appends to a message.
fn trimmed(text: &str) -> String {
    let text = text.trim_end();
    // A quotation that opened before the message closes after it.
    let quotes = text.bytes().filter(|byte| *byte == b'"').count();
    let text = if quotes % 2 == 1 {
        text.trim_end_matches([',', ';', '}', ']']).trim_end_matches('"')
    } else {
        text
    };
    text.trim_end_matches("\\n").to_owned()
}

/// Removes terminal colours and other control bytes.
fn without_colours(line: &str) -> Cow<'_, str> {
    let line = line.trim_start_matches('\u{feff}').trim_end();
    if !line.contains('\u{1b}') && !line.contains("#033[") {
        return Cow::Borrowed(line);
    }
    let line = line.replace("#033", "\u{1b}");
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            plain.push(letter);
            continue;
        }
        if letters.next_if_eq(&'[').is_some() {
            while letters.next().is_some_and(|letter| !('@'..='~').contains(&letter)) {}
        }
    }
    Cow::Owned(plain)
}

fn first(text: &str, length: usize) -> &str {
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The parts of a line.
struct Split {
    writer: Writer,
    /// End of the part that is searched for stamps.
    prefix: usize,
    /// The tag.
    tag: Option<Range<usize>>,
    /// Beginning of the message.
    text: usize,
}

fn split(line: &str) -> Option<Split> {
    if let Some(text) = behind_own_stamp(line) {
        return Some(Split { writer: Writer::Unspecified, prefix: text, tag: None, text });
    }
    let (mut at, mut foreign) = (0, None);
    let head = first(line, PREFIX_MAX);
    while let Some(token) = next_token(head, at) {
        at = token.end;
        if let Some(split) = tagged(line, &token) {
            // A program may relay what keepalived wrote in a container.
            if split.writer != Writer::Foreign {
                return Some(split);
            }
            foreign.get_or_insert(split);
        }
    }
    let of_other =
        foreign.as_ref().and_then(|split| split.tag.clone()).is_some_and(|tag| !passes_on(&line[tag]));
    message(line, of_other).or(foreign)
}

fn next_token(text: &str, from: usize) -> Option<Range<usize>> {
    const BOUNDARY: [char; 9] = [' ', '\t', '|', '"', '\'', ',', '>', ';', '`'];
    let rest = text.get(from..)?;
    let start = from + rest.find(|c: char| !BOUNDARY.contains(&c))?;
    let length = text[start..].find(BOUNDARY).unwrap_or(text.len() - start);
    Some(start..start + length)
}

/// Splits the line at this token, if it is a tag.
fn tagged(line: &str, token: &Range<usize>) -> Option<Split> {
    let word = &line[token.clone()];
    let (named, colon) = match word.split_once(':') {
        // `tag[pid]:text`
        Some((named, _)) => (named, true),
        None => (word, false),
    };
    let name = match named.split_once('[') {
        Some((name, pid)) if pid.ends_with(']') || pid.is_empty() => name,
        Some(_) => return None,
        None => named,
    };
    let good = |c: char| c.is_alphanumeric() || "_.-/@+()".contains(c);
    let has_name = name.contains(|c: char| c.is_alphabetic());
    if !has_name || !name.chars().all(good) {
        return None;
    }
    let writer = writer(name);
    let end = token.start + named.len();
    let split = |text: usize| Split { writer, prefix: token.start, tag: Some(token.start..end), text };
    if !colon {
        return without_colon(line, name, end).map(split);
    }
    let behind = end + 1;
    let text = behind + line[behind..].len() - line[behind..].trim_start_matches(' ').len();
    // The kernel starts its message with the name of the process that it reports.
    if writer.is_keepalived() && is_of_kernel(&line[text..]) {
        return Some(Split { writer: Writer::Outside, text: token.start, ..split(text) });
    }
    // `VRRP sockpool: ..` contains a colon too, and a time of day several.
    let is_syslog = named.ends_with(']') || writer != Writer::Foreign || line[token.end..].starts_with(' ');
    (is_syslog && !(writer == Writer::Foreign && is_within_message(line, token.start))).then(|| split(text))
}

/// Returns whether a colon here belongs to a message of keepalived's instead of a tag.
fn is_within_message(line: &str, at: usize) -> bool {
    message(line, false).is_some_and(|split| split.text <= at)
}

/// Returns the beginning of the message after a tag without a colon, as in RFC 5424: `Keepalived_vrrp 77 - - ..`.
fn without_colon(line: &str, name: &str, end: usize) -> Option<usize> {
    if !matches!(name, "Keepalived" | "Keepalived_vrrp" | "Keepalived_healthcheckers" | "Keepalived_bfd") {
        return None;
    }
    let rest = line[end..].strip_prefix([' ', '\t'])?;
    let mut parts = rest.splitn(3, ' ');
    let (pid, id, data) = (parts.next()?, parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let is_pid = pid == "-" || !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    if is_pid
        && (id == "-" || !id.is_empty() && !data.is_empty())
        && (data.starts_with('-') || data.starts_with('['))
    {
        let text = match data.strip_prefix('[') {
            Some(data) => data.split_once("] ").map_or("", |(_, text)| text),
            None => data[1..].trim_start(),
        };
        return Some(line.len() - text.trim_start_matches('\u{feff}').len());
    }
    let text = rest.trim_start();
    let is_message = text.starts_with(|c: char| c.is_ascii_uppercase() || c == '(') || !is_unknown(text);
    (is_message && !text.is_empty()).then(|| line.len() - text.len())
}

fn is_unknown(text: &str) -> bool {
    matches!(read(Writer::Unspecified, text), Message::Unknown)
}

fn is_of_kernel(text: &str) -> bool {
    ["segfault at ", "general protection", "trap ", "potentially unexpected fatal signal"]
        .iter()
        .any(|words| text.starts_with(words))
}

/// Returns the end of keepalived's own stamp: `10:00:00 2026: `.
fn behind_own_stamp(line: &str) -> Option<usize> {
    let head = first(line, PREFIX_MAX);
    let digit = |byte: &u8| byte.is_ascii_digit();
    let is_own = |colon: usize| {
        let Some(year) = colon.checked_sub(6).map(|from| &head.as_bytes()[from..colon]) else { return false };
        digit(&year[0]) && year[1] == b' ' && year[2..].iter().all(digit)
    };
    let colon = head.match_indices(':').map(|(colon, _)| colon).find(|colon| is_own(*colon))?;
    let behind = colon + 1;
    Some(behind + usize::from(line[behind..].starts_with(' ')))
}

/// Returns whether a program with this tag relays the output of other programs.
fn passes_on(tag: &str) -> bool {
    const PROGRAMS: [&str; 14] = [
        "docker",
        "dockerd",
        "podman",
        "containerd",
        "conmon",
        "crio",
        "kubelet",
        "k3s",
        "runc",
        "supervisord",
        "sh",
        "bash",
        "logger",
        "s6",
    ];
    let name = tag.split('[').next().unwrap_or(tag);
    let name = name.rsplit('/').next().unwrap_or(name);
    PROGRAMS.contains(&name)
        || name.bytes().all(|byte| byte.is_ascii_hexdigit())
        || tag.contains("keepalived")
}

/// Splits the line where one of keepalived's texts begins. In a line of another program only texts unique to
/// keepalived count.
fn message(line: &str, of_other: bool) -> Option<Split> {
    /// Other programs use these words too.
    const COMMON: [&str; 5] = ["Reloading", "Stopping", "Stopped", "Terminating on signal", "pid "];
    /// Beginnings of texts that no other program writes.
    const BEGINNINGS: [&str; 20] = [
        "VRRP_Script(",
        "Track script ",
        "Script `",
        "Script ",
        "Child (PID ",
        "Starting Keepalived v",
        "Starting VRRP child process",
        "Starting Healthcheck child process",
        "Stopped Keepalived v",
        "Stopped - used ",
        "Stopped",
        "Stopping",
        "Reloading",
        "Terminating on signal",
        "pid ",
        "Keepalived_",
        "VRRP child process(",
        "Healthcheck child process(",
        "Source version ",
        "A thread timer expired ",
    ];
    let head = first(line, PREFIX_MAX);
    let beginnings = BEGINNINGS.iter().filter(|words| !of_other || !COMMON.contains(words));
    let starts = beginnings.flat_map(|words| head.match_indices(words));
    let begins = |at: usize| !head[..at].ends_with(|c: char| c.is_alphanumeric() || "_-./(`".contains(c));
    let known = |at: &usize| {
        begins(*at)
            && !matches!(
                read(Writer::Unspecified, &trimmed(&line[*at..])),
                Message::Nothing | Message::Unknown
            )
    };
    let text = starts.map(|(at, _)| at).filter(known).min()?;
    Some(Split { writer: Writer::Unspecified, prefix: text, tag: None, text })
}

/// Returns the process that a tag names. The name of an instance may follow it.
fn writer(tag: &str) -> Writer {
    const OUTSIDE: [&str; 12] = [
        "kernel",
        "systemd",
        "traps",
        "audit",
        "auditd",
        "systemd-coredump",
        "abrt-server",
        "abrt-hook-ccpp",
        "abrtd",
        "abrt-notification",
        "monit",
        "supervisord",
    ];
    let name = tag.rsplit('/').next().unwrap_or(tag);
    let lower = name.to_ascii_lowercase();
    let Some(process) = lower.strip_prefix("keepalived") else {
        return if OUTSIDE.contains(&lower.as_str()) { Writer::Outside } else { Writer::Foreign };
    };
    match process {
        // The output of a service or container is tagged with the program's name, whichever process writes.
        "" if name == "keepalived" => Writer::Unspecified,
        "" => Writer::Parent,
        _ if process.starts_with("_vrrp") => Writer::Vrrp,
        _ if process.starts_with("_healthcheckers") || process.starts_with("_bfd") => Writer::Sibling,
        _ if name.starts_with("Keepalived") => Writer::Parent,
        _ => Writer::Unspecified,
    }
}

#[cfg(test)]
mod tests;
