//! Finds time stamps anywhere in the part of a line before its message.
//!
//! Invariant: a stamp is an interval, as wide as one unit of its last digit. A stamp without a year moves to the next
//! year when its month goes far back; one without a date moves to the next day when its hour goes far back.

use std::ops::Range;

use jiff::civil::{Date, Time};
use jiff::fmt::strtime::BrokenDownTime;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// Microseconds in a day.
const DAY: i64 = 86_400 * SECOND;
/// Length of the part of a line that is searched for stamps, in bytes.
const PREFIX_MAX: usize = 400;
/// Most stamps of one line.
const STAMPS_MAX: usize = 4;

/// A time stamp of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// The interval in microseconds since 1970; the end is not included.
    pub(super) when: Range<i64>,
    /// The bytes of the line that it occupies.
    pub(super) bytes: Range<usize>,
    /// It is keepalived's own stamp: `Wed Nov 25 10:00:00 2026: `.
    pub(super) is_own: bool,
}

/// What may follow the seconds of a format.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Suffix {
    /// A zone may follow: `Z`, `+01:00`, `+0100`, `+01`.
    Zone,
    /// The year follows.
    Year,
    /// Nothing follows.
    Bare,
}

/// Formats that begin with a digit, up to the seconds, in the notation of jiff's `strtime`; the first match counts.
const OF_DIGITS: [(&str, Suffix); 9] = [
    ("%Y-%m-%dT%H:%M:%S", Suffix::Zone),
    ("%Y-%m-%d%n%H:%M:%S", Suffix::Zone),
    ("%Y/%m/%d%n%H:%M:%S", Suffix::Zone),
    ("%Y%n%b%n%d%n%H:%M:%S", Suffix::Bare),
    ("%d/%b/%Y:%H:%M:%S", Suffix::Zone),
    ("%d.%m.%Y%n%H:%M:%S", Suffix::Bare),
    ("%d%n%b%n%Y%n%H:%M:%S", Suffix::Bare),
    ("%d%n%b%n%H:%M:%S", Suffix::Bare),
    ("%H:%M:%S", Suffix::Bare),
];
const OF_LETTERS: [(&str, Suffix); 3] = [
    ("%b%n%d%n%Y%n%H:%M:%S", Suffix::Bare),
    ("%b%n%d,%n%Y%n%H:%M:%S", Suffix::Bare),
    ("%b%n%d%n%H:%M:%S", Suffix::Year),
];

/// Short names of months in the languages of common locales, in lower case, from January. A longer word that begins
/// with one matches too; the longest match counts.
const MONTHS: [&[&str]; 12] = [
    &[
        "jan", "ene", "gen", "sty", "led", "janv", "tammi", "oca", "янв", "ιαν", "jaan", "sau", "ion", "1月",
        "1월",
    ],
    &[
        "feb", "fév", "fev", "févr", "lut", "úno", "helmi", "şub", "фев", "φεβ", "veebr", "vas", "febr",
        "2月", "2월",
    ],
    &[
        "mar", "mär", "mrz", "mars", "mrt", "bře", "maalis", "мар", "μαρ", "märts", "kov", "márc", "3月",
        "3월",
    ],
    &["apr", "avr", "abr", "kwi", "dub", "huhti", "nis", "апр", "απρ", "bal", "ápr", "4月", "4월"],
    &["may", "mai", "maj", "mei", "mag", "kvě", "touko", "мая", "май", "μαΐ", "geg", "máj", "5月", "5월"],
    &["jun", "juin", "giu", "cze", "čer", "kesä", "haz", "июн", "ιουν", "bir", "jún", "6月", "6월"],
    &["jul", "juil", "lug", "lip", "čec", "heinä", "tem", "июл", "ιουλ", "lie", "júl", "7月", "7월"],
    &["aug", "ago", "aoû", "sie", "srp", "elo", "ağu", "авг", "αυγ", "rgp", "8月", "8월"],
    &["sep", "set", "wrz", "zář", "syys", "eyl", "сен", "σεπ", "rgs", "szept", "9月", "9월"],
    &["oct", "okt", "ott", "out", "paź", "říj", "loka", "eki", "окт", "οκτ", "spa", "10月", "10월"],
    &["nov", "noi", "lis", "marras", "kas", "ноя", "νοε", "lap", "11月", "11월"],
    &[
        "dec", "dez", "dic", "déc", "gru", "pro", "joulu", "ara", "дек", "δεκ", "des", "dets", "grd", "12月",
        "12월",
    ],
];
/// The names of months that jiff reads.
const ENGLISH: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads the stamps of successive lines.
#[derive(Clone, Debug)]
pub(super) struct Stamps {
    /// The year of stamps without one. Initially a leap year, so that every date exists.
    year: i16,
    /// The month of the last stamp without a year.
    month: Option<i8>,
    /// The day of stamps without a date, from 0, and the last time of day.
    day: i64,
    time: Option<i64>,
}

impl Default for Stamps {
    fn default() -> Self {
        Self { year: 2000, month: None, day: 0, time: None }
    }
}

impl Stamps {
    /// Returns all stamps of the line, in order.
    pub(super) fn read(&mut self, line: &str) -> Vec<Stamp> {
        let mut stamps: Vec<Stamp> = Vec::new();
        let mut at = 0;
        let mut before = ' ';
        while let Some(letter) = line.get(at..).and_then(|rest| rest.chars().next()) {
            if at >= PREFIX_MAX || stamps.len() >= STAMPS_MAX {
                break;
            }
            let begins = letter.is_alphanumeric() && !before.is_alphanumeric();
            if begins && let Some(mut stamp) = self.at(&line[at..], before, stamps.is_empty()) {
                stamp.bytes = at..at + stamp.bytes.end;
                // A time of day after a date belongs to the same stamp.
                at = stamp.bytes.end;
                before = '0';
                stamps.push(stamp);
                continue;
            }
            at += letter.len_utf8();
            before = letter;
        }
        stamps
    }

    /// Reads the stamp at the beginning of `text`; `before` is the preceding character.
    fn at(&mut self, text: &str, before: char, is_first: bool) -> Option<Stamp> {
        let first = text.chars().next()?;
        if first.is_ascii_digit() {
            if let Some(stamp) = seconds_alone(text, before) {
                return Some(stamp);
            }
            // `11月 30 ..` is a month too.
            return OF_DIGITS
                .iter()
                .find_map(|(format, tail)| self.of(text, format, *tail, is_first))
                .or_else(|| self.of_month(text, is_first));
        }
        self.of_month(text, is_first)
    }

    fn of_month(&mut self, text: &str, is_first: bool) -> Option<Stamp> {
        let (month, length) = month(text)?;
        let english = format!("{}{}", ENGLISH[month], prefix(&text[length..], 40));
        let mut stamp =
            OF_LETTERS.iter().find_map(|(format, tail)| self.of(&english, format, *tail, is_first))?;
        stamp.bytes = 0..stamp.bytes.end - ENGLISH[month].len() + length;
        Some(stamp)
    }

    fn of(&mut self, text: &str, format: &str, tail: Suffix, is_first: bool) -> Option<Stamp> {
        let text = prefix(text, 80);
        let translated = if format.starts_with("%b") { None } else { with_english_month(text) };
        let (text, longer) = match &translated {
            Some((text, longer)) => (text.as_str(), *longer),
            None => (text, 0),
        };
        let (mut parts, mut end) = BrokenDownTime::parse_prefix(format, text).ok()?;
        // `10:00:001` is no time.
        if text[end..].starts_with(|letter: char| letter.is_ascii_digit()) {
            return None;
        }
        let (fraction, worth, length) = fraction(&text[end..])?;
        end += length;
        let mut offset = 0;
        match tail {
            Suffix::Zone => {
                let (seconds, length) = zone(&text[end..]);
                (offset, end) = (seconds, end + length);
            }
            Suffix::Year => {
                if let Ok((year, length)) = BrokenDownTime::parse_prefix("%n%Y", prefix(&text[end..], 5))
                    && length == 5
                    && !text[end + length..].starts_with(|letter: char| letter.is_ascii_digit())
                {
                    parts.set_year(year.year()).ok()?;
                    end += length;
                }
            }
            Suffix::Bare => {}
        }
        let is_own = tail == Suffix::Year && parts.year().is_some() && text[end..].starts_with(':');
        let start = self.since_1970(&parts, is_first)? - offset * SECOND + fraction;
        let end = usize::try_from(end as i64 + longer).unwrap_or(end);
        Some(Stamp { when: start..start + worth, bytes: 0..end, is_own })
    }

    /// Returns microseconds since 1970, in whole seconds. A missing year or date is taken from the line before.
    fn since_1970(&mut self, parts: &BrokenDownTime, is_first: bool) -> Option<i64> {
        // A leap second has the number 60.
        let leaps = parts.second() == Some(60);
        let second = if leaps { 59 } else { parts.second()? };
        let time = Time::new(parts.hour()?, parts.minute()?, second, 0).ok()?;
        let of_day =
            i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second());
        let of_day = (of_day + i64::from(leaps)) * SECOND;
        let (Some(month), Some(day)) = (parts.month(), parts.day()) else {
            // Lines of two writers may be slightly out of order, and no log skips half a day.
            if is_first && self.time.is_some_and(|before| of_day + DAY / 2 < before) {
                self.day += 1;
            }
            self.time = Some(of_day);
            return Some(self.day * DAY + of_day);
        };
        let year = match parts.year() {
            Some(year) => year,
            None => {
                if is_first {
                    if self.month.is_some_and(|before| month + 6 < before) {
                        self.year += 1;
                    }
                    self.month = Some(month);
                }
                self.year
            }
        };
        let date = Date::new(year, month, day).ok()?;
        let midnight = date.duration_since(Date::new(1970, 1, 1).ok()?).as_secs();
        Some(midnight * SECOND + of_day)
    }
}

/// Returns at most the first `length` bytes, cut at a character boundary.
fn prefix(text: &str, length: usize) -> &str {
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads `1796057185.104000`, seconds since 1970, or `[52114.304000]` and `[    5.304000]`, seconds since boot.
fn seconds_alone(text: &str, before: char) -> Option<Stamp> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let since_start = matches!(before, '[' | ' ') && digits <= 9;
    if !(digits == 10 || since_start) || !text[digits..].starts_with('.') {
        return None;
    }
    let (fraction, worth, length) = fraction(&text[digits..])?;
    let end = digits + length;
    // The time of a kernel's line ends with a bracket; a version has no six digits after its point.
    let closes = text[end..].starts_with(']');
    if worth > 1_000 || (digits < 10 && !closes) {
        return None;
    }
    let whole: i64 = text[..digits].parse().ok()?;
    let start = whole * SECOND + fraction;
    Some(Stamp { when: start..start + worth, bytes: 0..end, is_own: false })
}

/// Returns the microseconds after a point or comma, the unit of the last digit, and the length of the text.
fn fraction(text: &str) -> Option<(i64, i64, usize)> {
    let Some(digits) = text.strip_prefix(['.', ',']) else { return Some((0, SECOND, 0)) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    match length {
        0 if text.starts_with(',') => Some((0, SECOND, 0)),
        0 => None,
        1..=9 => {
            let kept = length.min(6);
            let worth = 10_i64.pow(6 - kept as u32);
            Some((digits[..kept].parse::<i64>().ok()? * worth, worth, length + 1))
        }
        _ => None,
    }
}

/// Returns the offset of a zone from UTC in seconds, and the length of its text.
fn zone(text: &str) -> (i64, usize) {
    if text.starts_with('Z') {
        return (0, 1);
    }
    for format in ["%:z", "%z", "%:::z"] {
        if let Ok((parts, length)) = BrokenDownTime::parse_prefix(format, prefix(text, 9))
            && let Some(offset) = parts.offset()
        {
            return (i64::from(offset.seconds()), length);
        }
    }
    (0, 0)
}

/// Returns the month that a word names, from 0, and the length of the word with a point after it.
fn month(text: &str) -> Option<(usize, usize)> {
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let word = &text[..end];
    if word.len() < 3 || word.len() > 24 {
        return None;
    }
    let lower = word.to_lowercase();
    let numbered = lower.starts_with(|c: char| c.is_ascii_digit());
    let fits = |name: &&&str| if numbered { lower == ***name } else { lower.starts_with(**name) };
    let mut best: Option<(usize, usize)> = None;
    for (month, names) in MONTHS.iter().enumerate() {
        let longest = names.iter().filter(fits).map(|name| name.len()).max();
        if longest.is_some_and(|length| best.is_none_or(|(_, other)| length > other)) {
            best = longest.map(|length| (month, length));
        }
    }
    let (month, _) = best?;
    let dot = usize::from(text[end..].starts_with('.'));
    Some((month, end + dot))
}

/// Replaces the month of `30 nov. 2026 10:00:00` by its English name; also returns how much longer the original is.
fn with_english_month(text: &str) -> Option<(String, i64)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let gap = text[digits..].find(|c: char| c.is_alphanumeric()).filter(|gap| *gap <= 2)? + digits;
    let (month, length) =
        month(&text[gap..]).filter(|_| !text[gap..].starts_with(|c: char| c.is_ascii_digit()))?;
    let separator = if text[digits..gap].contains('/') { "/" } else { " " };
    let translated = format!("{}{separator}{}{}", &text[..digits], ENGLISH[month], &text[gap + length..]);
    let longer = text.len() as i64 - translated.len() as i64;
    Some((translated, longer))
}

/// A civil time from its parts; for tests.
#[cfg(test)]
pub(super) fn micros_of(text: &str) -> i64 {
    use jiff::civil::DateTime;
    let at: DateTime = text.parse().expect("a civil time");
    let since = at.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    i64::try_from(since.as_micros()).expect("in range")
}
