//! Reads the imports among the files of a crate: a lexer and the necessary rules of Rust's paths.

use std::collections::{BTreeMap, BTreeSet};

/// The imports among the files of a crate.
pub(crate) struct Imports {
    /// The file of the crate's root.
    pub(crate) root: String,
    /// The files that each file imports, other than itself.
    pub(crate) arrows: BTreeSet<(String, String)>,
}

impl Imports {
    /// Returns the groups of files with cyclic imports, each in order of name.
    pub(crate) fn cycles(&self) -> Vec<Vec<String>> {
        let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in &self.arrows {
            next.entry(from).or_default().push(to);
        }
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            next.keys().map(|file| (*file, reach(&next, file))).collect();
        let mut cycles: Vec<Vec<String>> = Vec::new();
        for (file, reaches) in reached.iter().filter(|(file, reaches)| reaches.contains(*file)) {
            if cycles.iter().flatten().any(|known| known == file) {
                continue;
            }
            let back = |other: &&&str| reached.get(**other).is_some_and(|reached| reached.contains(file));
            cycles.push(reaches.iter().filter(back).map(|file| (*file).to_owned()).collect());
        }
        cycles
    }
}

/// Returns the files that are reachable by one import or more.
fn reach<'a>(next: &BTreeMap<&'a str, Vec<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = next.get(from).into_iter().flatten().copied().collect();
    while let Some(file) = waiting.pop() {
        if reached.insert(file) {
            waiting.extend(next.get(file).into_iter().flatten());
        }
    }
    reached
}

/// Path of a module from the crate's root.
type ModulePath = Vec<String>;

/// Contents of a module.
#[derive(Default)]
struct Module {
    file: String,
    /// Paths in it: the module in which each begins, and its names.
    paths: Vec<ModulePath>,
    /// Names that it re-exports, with their paths.
    re_exports: BTreeMap<String, ModulePath>,
}

/// Reads a crate from its root, `lib.rs` or `main.rs`; `source` returns a file of its source folder.
///
/// # Errors
/// A declared file that does not exist.
pub(crate) fn read(source: &dyn Fn(&str) -> Option<String>) -> Result<Imports, String> {
    let root = ["lib.rs", "main.rs"].into_iter().find(|root| source(root).is_some()).ok_or("no root")?;
    let mut modules = BTreeMap::new();
    let mut waiting = vec![(ModulePath::new(), root.to_owned())];
    while let Some((path, file)) = waiting.pop() {
        let text = source(&file).ok_or_else(|| format!("no {file}"))?;
        let folder = match file.strip_suffix("mod.rs") {
            Some(folder) => folder.to_owned(),
            None if path.is_empty() => String::new(),
            None => format!("{}/", file.trim_end_matches(".rs")),
        };
        let mut reader =
            Reader { tokens: lex(&text), at: 0, modules: &mut modules, file: &file, declared: Vec::new() };
        reader.items(&path);
        for child in reader.declared {
            let below = child[path.len()..].join("/");
            let places = [format!("{folder}{below}.rs"), format!("{folder}{below}/mod.rs")];
            let place = places.into_iter().find(|place| source(place).is_some());
            waiting.push((child, place.ok_or_else(|| format!("no file of the module {below} of {file}"))?));
        }
    }
    let mut arrows = BTreeSet::new();
    for (path, module) in &modules {
        for named in &module.paths {
            if let Some(to) = resolve(&modules, path, named, 0).filter(|to| *to != module.file) {
                arrows.insert((module.file.clone(), to));
            }
        }
    }
    Ok(Imports { root: root.to_owned(), arrows })
}

/// Returns the file that defines a path; `None`: it is outside the crate, or no file declares it.
fn resolve(
    modules: &BTreeMap<ModulePath, Module>,
    from: &ModulePath,
    named: &[String],
    depth: usize,
) -> Option<String> {
    /// Longest chain of re-exports.
    const DEPTH_MAX: usize = 8;
    let mut at = from.clone();
    let mut rest = named;
    let mut is_ours = false;
    while let [first, others @ ..] = rest {
        match first.as_str() {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            _ => break,
        }
        (rest, is_ours) = (others, true);
    }
    while let [first, others @ ..] = rest {
        let child: ModulePath = at.iter().chain([first]).cloned().collect();
        if !modules.contains_key(&child) {
            break;
        }
        (at, rest, is_ours) = (child, others, true);
    }
    let module = modules.get(&at).filter(|_| is_ours)?;
    let through = rest.first().and_then(|name| module.re_exports.get(name)).filter(|_| depth < DEPTH_MAX);
    through
        .and_then(|path| resolve(modules, &at, &[path.as_slice(), &rest[1..]].concat(), depth + 1))
        .or_else(|| Some(module.file.clone()))
}

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Word(String),
    /// `::`.
    Of,
    Sign(char),
}

/// Splits a source into tokens, without comments and with each literal as the sign `"`.
fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if starts(at, "//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if starts(at, "/*") {
            at = after_block(&chars, at);
        } else if c == '"' {
            at = after_text(&chars, at + 1);
            tokens.push(Token::Sign('"'));
        } else if c == '\'' {
            // A character, or the beginning of a lifetime's or label's name.
            let end = match (chars.get(at + 1), chars.get(at + 2)) {
                (Some('\\'), _) => {
                    chars[at + 3..].iter().position(|c| *c == '\'').map(|ahead| at + 3 + ahead)
                }
                (_, Some('\'')) => Some(at + 2),
                _ => None,
            };
            tokens.extend(end.map(|_| Token::Sign('"')));
            at = end.unwrap_or(at) + 1;
        } else if c.is_alphanumeric() || c == '_' {
            let word: String = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
            at += word.chars().count();
            let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
            let is_raw = matches!(word.as_str(), "r" | "br" | "cr") && chars.get(at + hashes) == Some(&'"');
            if is_raw {
                let end = format!("\"{}", "#".repeat(hashes));
                at += hashes + 1;
                while at < chars.len() && !starts(at, &end) {
                    at += 1;
                }
                at += end.len();
                tokens.push(Token::Sign('"'));
            } else {
                tokens.push(Token::Word(word));
            }
        } else if starts(at, "::") {
            at += 2;
            tokens.push(Token::Of);
        } else {
            at += 1;
            if !c.is_whitespace() {
                tokens.push(Token::Sign(c));
            }
        }
    }
    tokens
}

fn after_block(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn after_text(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Walks over the tokens of a file.
struct Reader<'m> {
    tokens: Vec<Token>,
    at: usize,
    modules: &'m mut BTreeMap<ModulePath, Module>,
    file: &'m str,
    /// Modules in separate files.
    declared: Vec<ModulePath>,
}

impl Reader<'_> {
    fn word(&self, ahead: usize) -> Option<&str> {
        match self.tokens.get(self.at + ahead) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn is(&self, ahead: usize, sign: char) -> bool {
        self.tokens.get(self.at + ahead) == Some(&Token::Sign(sign))
    }

    /// Reads the items of a module, up to its closing brace or the end of the file.
    fn items(&mut self, path: &ModulePath) {
        self.modules.entry(path.clone()).or_default().file = self.file.to_owned();
        let mut depth = 0_usize;
        let mut public = false;
        while self.at < self.tokens.len() {
            if self.is(0, '#') && (self.is(1, '[') || self.is(2, '[')) {
                self.attribute();
            } else if self.word(0) == Some("pub") {
                self.at += 1;
                public = true;
                if self.is(0, '(') {
                    self.skip_group();
                }
            } else if self.word(0) == Some("use") {
                self.at += 1;
                self.import(path, &ModulePath::new(), public);
                public = false;
            } else if let (Some("mod"), Some(name)) = (self.word(0), self.word(1)) {
                let child: ModulePath = path.iter().cloned().chain([name.to_owned()]).collect();
                self.at += 2;
                if self.is(0, '{') {
                    self.at += 1;
                    self.items(&child);
                } else if self.is(0, ';') {
                    self.declared.push(child);
                }
                public = false;
            } else if self.word(0).is_some() {
                self.path(path);
                public = false;
            } else {
                depth += usize::from(self.is(0, '{'));
                let closes = self.is(0, '}');
                self.at += 1;
                if closes && depth == 0 {
                    return;
                }
                depth -= usize::from(closes);
                public &= !matches!(self.tokens[self.at - 1], Token::Sign(';' | '{' | '}'));
            }
        }
    }

    /// Reads a path in code.
    fn path(&mut self, module: &ModulePath) {
        let mut names = ModulePath::new();
        while let Some(word) = self.word(0) {
            names.push(word.to_owned());
            self.at += 1;
            if self.tokens.get(self.at) != Some(&Token::Of) || self.word(1).is_none() {
                break;
            }
            self.at += 1;
        }
        if names.len() > 1 {
            self.add(module, names);
        }
    }

    fn add(&mut self, module: &ModulePath, path: ModulePath) {
        self.modules.entry(module.clone()).or_default().paths.push(path);
    }

    /// Reads a tree of imports after `use`. A module's re-exports of itself and its children are no imports.
    fn import(&mut self, module: &ModulePath, before: &ModulePath, public: bool) {
        let mut path = before.clone();
        loop {
            if self.is(0, '{') {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is(0, '}') {
                    self.import(module, &path, public);
                    self.at += usize::from(self.is(0, ','));
                }
                self.at += 1;
                break;
            }
            let Some(word) = self.word(0).map(str::to_owned) else {
                // A glob names the module itself.
                self.at += usize::from(self.is(0, '*'));
                self.add_import(module, path, None, public);
                break;
            };
            self.at += 1;
            if word != "self" || path.is_empty() {
                path.push(word);
            }
            if self.tokens.get(self.at) == Some(&Token::Of) {
                self.at += 1;
                continue;
            }
            let mut name = path.last().cloned();
            if self.word(0) == Some("as") {
                name = self.word(1).map(str::to_owned);
                self.at += 2;
            }
            self.add_import(module, path, name, public);
            break;
        }
    }

    fn add_import(&mut self, module: &ModulePath, path: ModulePath, name: Option<String>, public: bool) {
        let entry = self.modules.entry(module.clone()).or_default();
        if public {
            entry.re_exports.extend(name.map(|name| (name, path)));
        } else {
            entry.paths.push(path);
        }
    }

    /// Reads an attribute; `cfg(test)` skips the item after it.
    fn attribute(&mut self) {
        self.at += 1 + usize::from(self.is(1, '!'));
        let begin = self.at;
        self.skip_group();
        let words: Vec<&Token> = self.tokens[begin..self.at].iter().collect();
        let is = |name: &str| words.iter().any(|token| **token == Token::Word(name.to_owned()));
        let is_test = is("cfg") && is("test") && !is("any") && !is("not");
        if is_test {
            self.skip_item();
        }
    }

    /// Skips the group of brackets that begins here.
    fn skip_group(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }

    /// Skips an item: up to its semicolon, or to the end of its braces.
    fn skip_item(&mut self) {
        while self.at < self.tokens.len() {
            match self.tokens[self.at] {
                Token::Sign(';' | ',') => {
                    self.at += 1;
                    return;
                }
                Token::Sign('{') => {
                    self.skip_group();
                    // A semicolon follows the braces of a `use`.
                    self.at += usize::from(self.is(0, ';'));
                    return;
                }
                Token::Sign('(' | '[') => self.skip_group(),
                _ => self.at += 1,
            }
        }
    }
}
