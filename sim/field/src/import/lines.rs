//! A log's lines, in each of the formats in which a keepalived's messages are met: when, who, what.
//!
//! - syslog (RFC 3164) and `journalctl`, `journalctl -o short-precise`: `Nov 25 10:00:00[.000000] host tag[pid]: ..`;
//! - `journalctl -o short-iso[-precise]`, and rsyslog's own: `2026-11-25T10:00:00[.000000]+01:00 host tag[pid]: ..`;
//! - RFC 5424, with or without its priority: `<30>1 2026-11-25T10:00:00.000Z host tag pid - - ..`;
//! - keepalived's own, on a console or in its log file: `Wed Nov 25 10:00:00[.000000] 2026: ..`.
//!
//! Always: a time stamp is an interval, as wide as its last digit is worth; nothing is read into it that it does not
//! say. A stamp without a year goes on in the next one when its month goes far back.

use std::ops::Range;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// Who wrote a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writer {
    /// keepalived's own format does not tell.
    Untold,
    /// keepalived's first process.
    Parent,
    /// Its vrrp process: the one that runs the scripts.
    Vrrp,
    /// Another of its processes.
    Sibling,
    /// The kernel, or the one who started keepalived: of it a crash can be told.
    Outside,
    /// Anybody else.
    Foreign,
}

/// A line of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line<'l> {
    /// Between which two microseconds it was written, the second not included; since a moment of the log's own.
    pub when: Range<i64>,
    /// Who wrote it.
    pub writer: Writer,
    /// Its host and process, as the line names them; empty where it does not.
    pub source: &'l str,
    /// What it says.
    pub text: &'l str,
}

/// Reads lines, one after the other.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The year of stamps that name none. The first is a leap year, so that every day of a year is one of it.
    year: i64,
    /// The month of the last of them.
    month: Option<i64>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { year: 2000, month: None }
    }
}

impl Reader {
    /// The line, if it begins with a time stamp.
    pub fn read<'l>(&mut self, line: &'l str) -> Option<Line<'l>> {
        let (line, is_5424) = without_priority(line.trim_end());
        if let Some((when, text)) = own_stamp(line) {
            return Some(Line { when, writer: Writer::Untold, source: "", text });
        }
        let (when, rest) = iso_stamp(line).or_else(|| self.month_stamp(line))?;
        let rest = rest.strip_prefix(' ')?;
        let (writer, text) = if is_5424 { named_5424(rest)? } else { named(rest)? };
        // The text is the end of the line: what stands before it names who wrote it.
        let source = rest[..rest.len() - text.len()].trim_end_matches([':', ' ', '-', '\u{feff}']);
        Some(Line { when, writer, source, text })
    }

    /// `Nov 25 10:00:00`, with or without a fraction.
    fn month_stamp<'l>(&mut self, line: &'l str) -> Option<(Range<i64>, &'l str)> {
        let month = month(line.get(..3)?)?;
        let (day, rest) = day(line.get(3..)?)?;
        let (time, rest) = clock(rest)?;
        // Lines of two writers may be a little out of order, and no log skips half a year.
        if self.month.is_some_and(|before| month + 6 < before) {
            self.year += 1;
        }
        self.month = Some(month);
        let midnight = days(self.year, month, day)? * 86_400 * SECOND;
        Some((shifted(time, midnight), rest))
    }
}

fn shifted(time: Range<i64>, by: i64) -> Range<i64> {
    time.start + by..time.end + by
}

/// Without `<30>` and `1 ` at its beginning; whether the latter was there.
fn without_priority(line: &str) -> (&str, bool) {
    let Some((priority, rest)) = line.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
        return (line, false);
    };
    if priority.is_empty() || priority.len() > 3 || !priority.bytes().all(|byte| byte.is_ascii_digit()) {
        return (line, false);
    }
    rest.strip_prefix("1 ").map_or((rest, false), |rest| (rest, true))
}

/// `Wed Nov 25 10:00:00 2026: `, as C's `ctime` writes it.
fn own_stamp(line: &str) -> Option<(Range<i64>, &str)> {
    const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    WEEKDAYS.contains(&line.get(..3)?).then_some(())?;
    let rest = line.get(3..)?.strip_prefix(' ')?;
    let month = month(rest.get(..3)?)?;
    let (day, rest) = day(rest.get(3..)?)?;
    let (time, rest) = clock(rest)?;
    let (year, text) = rest.strip_prefix(' ')?.split_once(": ").or_else(|| {
        // A message of nothing.
        rest.strip_prefix(' ')?.strip_suffix(':').map(|year| (year, ""))
    })?;
    let midnight = days(number(year, 4)?, month, day)? * 86_400 * SECOND;
    Some((shifted(time, midnight), text))
}

/// `2026-11-25T10:00:00`, with or without a fraction and a zone; a blank for the `T` will do.
fn iso_stamp(line: &str) -> Option<(Range<i64>, &str)> {
    let date = line.get(..10)?;
    let mut parts = date.split('-');
    let (year, month) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?);
    let day = number(parts.next()?, 2)?;
    let (time, rest) = clock(line.get(10..)?.strip_prefix(['T', ' '])?)?;
    let (zone, rest) = zone(rest);
    let midnight = (days(year, month, day)? * 86_400 - zone) * SECOND;
    Some((shifted(time, midnight), rest))
}

/// How many seconds a zone is before the clock of the world, and what stands behind it.
fn zone(text: &str) -> (i64, &str) {
    if let Some(rest) = text.strip_prefix('Z') {
        return (0, rest);
    }
    let told = || {
        let sign = match text.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = number(text.get(1..3)?, 2)?;
        let rest = text.get(3..)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        Some((sign * (hours * 3_600 + number(rest.get(..2)?, 2)? * 60), rest.get(2..)?))
    };
    told().unwrap_or((0, text))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let good = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| text.parse().ok()).flatten()
}

fn month(name: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    MONTHS.iter().zip(1..).find(|(month, _)| **month == name).map(|(_, number)| number)
}

/// ` 25 ` or `  5 `.
fn day(text: &str) -> Option<(i64, &str)> {
    let (day, rest) = text.trim_start_matches(' ').split_once(' ')?;
    Some((number(day, day.len().min(2))?, rest))
}

/// `10:00:00` and up to nine digits behind a point: since midnight.
fn clock(text: &str) -> Option<(Range<i64>, &str)> {
    let parts = [text.get(..2)?, text.get(3..5)?, text.get(6..8)?];
    let colons = text.get(2..3) == Some(":") && text.get(5..6) == Some(":");
    let [hours, minutes, seconds] = parts.map(|part| number(part, 2));
    let (hours, minutes, seconds) = (hours?, minutes?, seconds?);
    // A leap second has the number 60.
    if !colons || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let whole = (hours * 3_600 + minutes * 60 + seconds) * SECOND;
    let rest = text.get(8..)?;
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Some((whole..whole + SECOND, rest)) };
    let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 || length > 9 {
        return None;
    }
    let digits = length.min(6);
    let worth = 10_i64.pow(6 - digits as u32);
    let from = whole + number(&fraction[..digits], digits)? * worth;
    Some((from..from + worth, &fraction[length..]))
}

/// Days since the first of March of the year 0, by the calendar that all machines use.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let good = (1..=12).contains(&month) && (1..=31).contains(&day) && (1..=9_999).contains(&year);
    good.then(|| {
        // January and February belong to the year before: the day that some years have more is its last.
        let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1
    })
}

/// `host tag[pid]: text`.
fn named(rest: &str) -> Option<(Writer, &str)> {
    let (_host, rest) = rest.split_once(' ')?;
    let end = rest.find([':', '[', ' '])?;
    let (tag, behind) = rest.split_at(end);
    let behind = match behind.strip_prefix('[') {
        Some(pid) => pid.split_once(']')?.1,
        None => behind,
    };
    Some((writer(tag), behind.strip_prefix(':')?.trim_start_matches(' ')))
}

/// `host tag pid message-id data text`.
fn named_5424(rest: &str) -> Option<(Writer, &str)> {
    let mut parts = rest.splitn(5, ' ');
    let (_host, tag, _pid, _id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let rest = parts.next()?;
    let text = match rest.strip_prefix('[') {
        Some(data) => data.rsplit_once("] ").map_or("", |(_, text)| text),
        None => rest.strip_prefix('-')?.trim_start_matches(' '),
    };
    Some((writer(tag), text.trim_start_matches('\u{feff}')))
}

/// By the tag, behind which an instance's name may stand.
fn writer(tag: &str) -> Writer {
    let name = tag.rsplit('/').next().unwrap_or(tag).to_ascii_lowercase();
    let Some(process) = name.strip_prefix("keepalived") else {
        return match name.as_str() {
            "kernel" | "systemd" => Writer::Outside,
            _ => Writer::Foreign,
        };
    };
    match process {
        "" => Writer::Parent,
        _ if process.starts_with("_vrrp") => Writer::Vrrp,
        _ if process.starts_with("_healthcheckers") || process.starts_with("_bfd") => Writer::Sibling,
        _ => Writer::Parent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(i64, i64, Writer, String)> {
        let line = Reader::default().read(line)?;
        Some((line.when.start, line.when.end - line.when.start, line.writer, line.text.to_owned()))
    }

    #[test]
    fn every_format_tells_the_same_moment_as_far_as_its_digits_go() {
        let noon = (days(2026, 11, 25).unwrap() * 86_400 + 10 * 3_600) * SECOND;
        let table = [
            ("Wed Nov 25 10:00:00 2026: Reloading", SECOND, Writer::Untold),
            ("Wed Nov 25 10:00:00.000000 2026: Reloading", 1, Writer::Untold),
            ("2026-11-25T10:00:00+0000 lb1 Keepalived_vrrp[77]: Reloading", SECOND, Writer::Vrrp),
            ("2026-11-25T11:00:00.000000+01:00 lb1 Keepalived_vrrp[77]: Reloading", 1, Writer::Vrrp),
            ("2026-11-25 10:00:00 lb1 Keepalived[77]: Reloading", SECOND, Writer::Parent),
            ("<30>1 2026-11-25T10:00:00.000Z lb1 Keepalived_vrrp 77 - - Reloading", 1_000, Writer::Vrrp),
        ];
        for (line, width, writer) in table {
            assert_eq!(read(line), Some((noon, width, writer, "Reloading".to_owned())), "{line}");
        }
        let (_, width, writer, text) =
            read("<30>Nov  5 10:00:00 lb1 Keepalived_healthcheckers: x: y").unwrap();
        assert_eq!((width, writer, text.as_str()), (SECOND, Writer::Sibling, "x: y"));
    }

    #[test]
    fn a_stamp_without_a_year_goes_on_over_its_end() {
        let mut reader = Reader::default();
        let mut at = |line| reader.read(line).unwrap().when.start;
        let before = at("Dec 31 23:59:59 lb1 Keepalived_vrrp[7]: Reloading");
        assert_eq!(at("Jan  1 00:00:01 lb1 Keepalived_vrrp[7]: Reloading") - before, 2 * SECOND);
    }

    #[test]
    fn what_is_no_time_stamp_is_no_line() {
        let lines = [
            "",
            "-- Boot 1234 --",
            "Nov 25 99:00:00 h Keepalived: x",
            "Nov 25 10:00:00",
            "é",
            "Wed Nov",
            "2026-11-25T10:00:00",
            "<30",
            "Wed Nov 25 10:00:00. 2026: x",
        ];
        for line in lines {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
