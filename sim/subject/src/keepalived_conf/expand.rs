//! Processes a configuration file as keepalived does before it reads words: conditions, parameters, repeated lines,
//! included files.
//!
//! - `@ID line` and `@^ID line` apply with, and without, this configuration id;
//! - `$NAME=value` defines a parameter, over several lines if they end in `\`; `$NAME` and `${NAME}` are replaced by
//!   it;
//! - `~SEQ(VAR, FIRST, [STEP,] LAST) line` and `~LST(VAR, A, B) line` repeat a line;
//! - `include` and its variants insert the files that match a pattern, relative to the including file's folder.
//!
//! Invariants: each line keeps the number of the outermost file's line from which it comes. An undefined `$NAME` is
//! unchanged. Depth, files and lines are bounded.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ConfError;

/// Deepest include, and deepest nesting of parameters.
const DEPTH_MAX: usize = 16;
/// Most lines of all files together.
const LINES_MAX: usize = 200_000;
/// Most repetitions of one line.
const REPEATS_MAX: usize = 10_000;
/// Largest included file, in bytes.
const SIZE_MAX: u64 = super::error::SIZE_MAX;

/// Returns the lines of `text`, a file in `folder`, as keepalived with this configuration id reads them.
pub(super) fn lines(
    text: &str,
    folder: Option<&Path>,
    id: Option<&str>,
) -> Result<Vec<(usize, String)>, ConfError> {
    let mut all = Expansion { id, defined: BTreeMap::new(), lines: Vec::new() };
    all.file(text, folder, None, 0)?;
    Ok(all.lines)
}

struct Expansion<'i> {
    id: Option<&'i str>,
    /// Each parameter with its lines.
    defined: BTreeMap<String, Vec<String>>,
    lines: Vec<(usize, String)>,
}

impl Expansion<'_> {
    /// Adds a file; `within` is the line of the outermost file that includes it.
    fn file(
        &mut self,
        text: &str,
        folder: Option<&Path>,
        within: Option<usize>,
        depth: usize,
    ) -> Result<(), ConfError> {
        let mut rest = text.trim_start_matches('\u{feff}').lines().enumerate();
        while let Some((place, first)) = rest.next() {
            let number = within.unwrap_or(place + 1);
            let mut parts = vec![first.trim_end()];
            while let Some(part) = parts.last().and_then(|last| last.strip_suffix('\\')) {
                let end = parts.len() - 1;
                parts[end] = part;
                match rest.next() {
                    Some((_, next)) => parts.push(next.trim_end()),
                    None => break,
                }
            }
            match definition(parts[0]) {
                Some((name, value)) => {
                    let mut lines = vec![value.trim()];
                    lines.extend(parts[1..].iter().map(|part| part.trim()));
                    lines.retain(|line| !line.is_empty());
                    let lines = lines.into_iter().map(str::to_owned).collect();
                    self.defined.insert(name.to_owned(), lines);
                }
                None => self.line(number, &parts.concat(), folder, depth)?,
            }
        }
        Ok(())
    }

    fn line(
        &mut self,
        number: usize,
        line: &str,
        folder: Option<&Path>,
        depth: usize,
    ) -> Result<(), ConfError> {
        if depth > DEPTH_MAX || self.lines.len() >= LINES_MAX {
            let what =
                format!("files, parameters and repetitions lie more than {DEPTH_MAX} deep, or have no end");
            return Err(ConfError::new(number, what, "take out what includes or repeats itself"));
        }
        let bare = line.trim_start();
        if let Some(condition) = bare.strip_prefix('@') {
            let (id, rest) = condition.split_once(char::is_whitespace).unwrap_or((condition, ""));
            let holds = match id.strip_prefix('^') {
                Some(other) => self.id != Some(other),
                None => self.id == Some(id),
            };
            return if holds { self.line(number, rest, folder, depth + 1) } else { Ok(()) };
        }
        if let Some((name, value)) = definition(bare) {
            self.defined.insert(name.to_owned(), vec![value.trim().to_owned()]);
            return Ok(());
        }
        if bare.starts_with("~SEQ") || bare.starts_with("~LST") {
            return self.repeated(number, bare, folder, depth);
        }
        if let Some(lines) = self.replaced(line) {
            return lines.iter().try_for_each(|line| self.line(number, line, folder, depth + 1));
        }
        let (keyword, rest) = bare.split_once(char::is_whitespace).unwrap_or((bare, ""));
        const INCLUDES: [&str; 6] = ["include", "includer", "includem", "includew", "includeb", "includea"];
        if INCLUDES.contains(&keyword) {
            return self.include(number, keyword, rest, folder, depth);
        }
        self.lines.push((number, line.to_owned()));
        Ok(())
    }

    /// Returns the lines with the first parameter replaced; `None` if none is defined.
    fn replaced(&self, line: &str) -> Option<Vec<String>> {
        let code = line.trim_start();
        if code.starts_with(['#', '!']) {
            return None;
        }
        for (at, _) in line.match_indices('$') {
            let rest = &line[at + 1..];
            let (name, length) = match rest.strip_prefix('{') {
                Some(inner) => inner.split_once('}').map(|(name, _)| (name, name.len() + 3))?,
                None => {
                    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                    (&rest[..end], end + 1)
                }
            };
            let Some(value) = self.defined.get(name) else { continue };
            let mut lines = value.clone();
            if lines.is_empty() {
                lines.push(String::new());
            }
            if let Some(first) = lines.first_mut() {
                first.insert_str(0, &line[..at]);
            }
            if let Some(last) = lines.last_mut() {
                last.push_str(&line[at + length..]);
            }
            return Some(lines);
        }
        None
    }

    fn repeated(
        &mut self,
        number: usize,
        line: &str,
        folder: Option<&Path>,
        depth: usize,
    ) -> Result<(), ConfError> {
        let is_list = line.starts_with("~LST");
        let wrong = || {
            let what = format!("`{}` does not say what it repeats", line.split(')').next().unwrap_or(line));
            ConfError::new(
                number,
                what,
                "write it as `~SEQ(VAR, FIRST, STEP, LAST) LINE` or `~LST(VAR, A, B) LINE`",
            )
        };
        let (head, text) =
            line.split_once('(').and_then(|(_, rest)| rest.split_once(')')).ok_or_else(wrong)?;
        let head = self.replaced(head).map_or_else(|| head.to_owned(), |lines| lines.concat());
        let mut values = head.split(',').map(str::trim);
        let name =
            values.next().filter(|name| !name.is_empty() && !name.starts_with('{')).ok_or_else(wrong)?;
        let values: Vec<String> = match is_list {
            true => values.map(str::to_owned).collect(),
            false => sequence(&values.collect::<Vec<_>>()).ok_or_else(wrong)?,
        };
        for value in values.into_iter().take(REPEATS_MAX) {
            self.defined.insert(name.trim_start_matches('$').to_owned(), vec![value]);
            self.line(number, text, folder, depth + 1)?;
        }
        Ok(())
    }

    fn include(
        &mut self,
        number: usize,
        keyword: &str,
        pattern: &str,
        folder: Option<&Path>,
        depth: usize,
    ) -> Result<(), ConfError> {
        let Some(folder) = folder else {
            let what = format!("`{keyword}` brings in another file, and this text has no folder");
            return Err(ConfError::new(number, what, "name the configuration's file"));
        };
        let pattern = pattern.split(['#', '!']).next().unwrap_or("").trim().trim_matches(['"', '\'']);
        let whole = folder.join(pattern);
        let files = glob::glob(&whole.to_string_lossy()).map_err(|error| {
            ConfError::new(
                number,
                format!("`{pattern}` is no pattern of files: {error}"),
                "write a path, as `conf.d/*.conf`",
            )
        })?;
        for file in files.filter_map(Result::ok).filter(|file| file.is_file()) {
            let bytes = treefall_base::input::read(&file, SIZE_MAX).map_err(|error| {
                ConfError::new(
                    number,
                    format!("{}: {error}", file.display()),
                    "make it readable, or leave it out",
                )
            })?;
            self.file(&String::from_utf8_lossy(&bytes), file.parent(), Some(number), depth + 1)?;
        }
        Ok(())
    }
}

/// Returns the name and the value of a definition, `$NAME=value`.
fn definition(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim_start().strip_prefix('$')?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
    let value = rest[end..].trim_start().strip_prefix('=')?;
    (end > 0).then(|| (&rest[..end], value))
}

/// Parses `FIRST, LAST` or `FIRST, STEP, LAST`; a single number is the last.
fn sequence(parts: &[&str]) -> Option<Vec<String>> {
    let numbers = parts.iter().map(|part| part.parse::<i64>().ok()).collect::<Option<Vec<_>>>()?;
    let (first, step, last) = match numbers[..] {
        [last] => (1, 1, last),
        [first, last] => (first, if first <= last { 1 } else { -1 }, last),
        [first, step, last] => (first, step, last),
        _ => return None,
    };
    let mut values = Vec::new();
    let mut next = first;
    while values.len() < REPEATS_MAX && (step > 0 && next <= last || step < 0 && next >= last) {
        values.push(next.to_string());
        next = next.checked_add(step)?;
    }
    Some(values)
}
