//! Splits a configuration file into lines of words and their blocks.
//!
//! Comments begin with `#` or `!` anywhere outside quotes; a word or a part of it may be quoted with `"` or `'`; `{`
//! and `}` form blocks. [`expand`](super::expand) has already processed included files, parameters and conditions.
//!
//! Invariant: blocks are nested at most [`DEPTH_MAX`] deep.

use super::error::ConfError;

/// Deepest nesting of blocks.
const DEPTH_MAX: usize = 16;

/// A line of words, with its block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ConfigLine {
    /// Number of its first line, from 1.
    pub(super) number: usize,
    /// Its words, without quotes; never empty.
    pub(super) words: Vec<String>,
    /// The lines between its braces, if it has any.
    pub(super) block: Option<Vec<ConfigLine>>,
}

impl ConfigLine {
    /// Returns its first word.
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Returns all words but the first.
    pub(super) fn values(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

enum Token {
    Word(String),
    Open,
    Close,
}

/// Splits a file whose numbered lines are given.
pub(super) fn read(texts: &[(usize, String)]) -> Result<Vec<ConfigLine>, ConfError> {
    // The innermost open block is last, each with the line that it belongs to.
    let mut open: Vec<(Option<ConfigLine>, Vec<ConfigLine>)> = vec![(None, Vec::new())];
    for (number, whole) in texts {
        let number = *number;
        let mut words = Vec::new();
        for token in tokens(whole, number)? {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    let line = header(number, std::mem::take(&mut words), &mut open)?;
                    open.push((Some(line), Vec::new()));
                    if open.len() > DEPTH_MAX {
                        return Err(ConfError::new(
                            number,
                            format!("blocks lie more than {DEPTH_MAX} deep"),
                            "close those that are done with `}`",
                        ));
                    }
                }
                Token::Close => {
                    add(number, std::mem::take(&mut words), &mut open)?;
                    let Some((Some(mut line), lines)) = open.pop() else {
                        return Err(ConfError::new(
                            number,
                            "a `}` closes nothing".to_owned(),
                            "take it out, or write the `{` that is missing before it",
                        ));
                    };
                    line.block = Some(lines);
                    if let Some((_, outer)) = open.last_mut() {
                        outer.push(line);
                    }
                }
            }
        }
        add(number, words, &mut open)?;
    }
    match open.pop() {
        Some((None, lines)) => Ok(lines),
        Some((Some(line), _)) => Err(ConfError::new(
            line.number,
            format!("the block of `{}` has no end", line.keyword()),
            "write the `}` that is missing",
        )),
        None => Ok(Vec::new()),
    }
}

/// Returns the line that a `{` belongs to: the words before it, or else the line before.
fn header(
    number: usize,
    words: Vec<String>,
    open: &mut [(Option<ConfigLine>, Vec<ConfigLine>)],
) -> Result<ConfigLine, ConfError> {
    if !words.is_empty() {
        return Ok(ConfigLine { number, words, block: None });
    }
    let before = open.last_mut().and_then(|(_, lines)| lines.pop_if(|line| line.block.is_none()));
    before.ok_or_else(|| {
        ConfError::new(number, "a `{` belongs to nothing".to_owned(), "write before it what it is a block of")
    })
}

fn add(
    number: usize,
    words: Vec<String>,
    open: &mut [(Option<ConfigLine>, Vec<ConfigLine>)],
) -> Result<(), ConfError> {
    if words.is_empty() {
        return Ok(());
    }
    if let Some((_, lines)) = open.last_mut() {
        lines.push(ConfigLine { number, words, block: None });
    }
    Ok(())
}

fn tokens(line: &str, number: usize) -> Result<Vec<Token>, ConfError> {
    let mut tokens = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(first) = chars.next_if(|c| !matches!(c, '#' | '!')) {
        if first.is_whitespace() {
            continue;
        }
        let (mut word, mut quoted) = (String::new(), false);
        let mut next = Some(first);
        while let Some(c) = next {
            match c {
                '"' | '\'' => {
                    quoted = true;
                    in_quotes(c, &mut chars, &mut word).ok_or_else(|| {
                        ConfError::new(
                            number,
                            format!("a quotation that begins with {c} has no end"),
                            "close it on the same line",
                        )
                    })?;
                }
                '\\' => word.extend(chars.next()),
                c => word.push(c),
            }
            next = chars.next_if(|c| !c.is_whitespace() && !matches!(c, '#' | '!'));
        }
        push(&mut tokens, word, quoted);
    }
    Ok(tokens)
}

fn push(tokens: &mut Vec<Token>, word: String, quoted: bool) {
    match word.as_str() {
        "{" if !quoted => tokens.push(Token::Open),
        "}" if !quoted => tokens.push(Token::Close),
        name if !quoted && name.ends_with('{') && name.matches('{').count() == 1 => {
            tokens.push(Token::Word(name.trim_end_matches('{').to_owned()));
            tokens.push(Token::Open);
        }
        _ => tokens.push(Token::Word(word)),
    }
}

/// Reads up to the closing quotation mark. In double quotes a mark can be escaped.
fn in_quotes(
    mark: char,
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    word: &mut String,
) -> Option<()> {
    loop {
        match chars.next()? {
            c if c == mark => return Some(()),
            '\\' if mark == '"' && chars.peek().is_some_and(|c| matches!(c, '"' | '\\')) => {
                word.extend(chars.next());
            }
            c => word.push(c),
        }
    }
}
