//! Splits a line as a shell does: commands, their words, and redirections.

/// One command of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    /// Variables that are set for it.
    pub(crate) variables: Vec<String>,
    /// Its words, the program first.
    pub(crate) words: Vec<String>,
    /// The file that is its standard input.
    pub(crate) reads: Option<String>,
}

/// Separators of commands.
const BETWEEN: [&str; 4] = ["|", "&&", "||", ";"];
/// Signs before an output file.
const INTO: [&str; 3] = [">", ">>", "2>"];
/// Syntax that a shell understands, but not this parser.
const NOT_UNDERSTOOD: [&str; 6] = ["|", "&", ";", "<", ">", "$("];

/// Splits a line into commands, without its comment.
///
/// # Errors
/// The unknown part of the line.
pub(crate) fn commands(line: &str) -> Result<Vec<Typed>, String> {
    let words = shlex::split(line).ok_or_else(|| "a quotation that nothing closes".to_owned())?;
    let empty = || Typed { variables: Vec::new(), words: Vec::new(), reads: None };
    let (mut done, mut now) = (Vec::new(), empty());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut file = || words.next().ok_or_else(|| format!("no file follows `{word}`"));
        if BETWEEN.contains(&word.as_str()) {
            done.push(std::mem::replace(&mut now, empty()));
        } else if INTO.contains(&word.as_str()) {
            file()?;
        } else if word == "<" {
            now.reads = Some(file()?);
        } else if let Some(what) = NOT_UNDERSTOOD.iter().find(|what| word.contains(*what)) {
            return Err(format!("`{what}` in `{word}` is not supported here"));
        } else if now.words.is_empty() && is_variable(&word) {
            now.variables.push(word);
        } else {
            now.words.push(word);
        }
    }
    done.push(now);
    match done.iter().any(|command| command.words.is_empty()) {
        true => Err("there is no command".to_owned()),
        false => Ok(done),
    }
}

/// `NAME=value`.
fn is_variable(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.chars().all(|it| it.is_ascii_uppercase() || it == '_'))
}

#[test]
fn a_line_is_split_as_a_shell_does() {
    let line = "A=b:c one -x 'two words' < in.toml > out 2> /dev/null | three \"f o\" # | not 'this";
    let typed = commands(line).expect("a line");
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let first = Typed {
        variables: words(&["A=b:c"]),
        words: words(&["one", "-x", "two words"]),
        reads: Some("in.toml".to_owned()),
    };
    let second = Typed { variables: Vec::new(), words: words(&["three", "f o"]), reads: None };
    assert_eq!(typed, [first, second]);
    for wrong in ["one 'two", "one |", "one >", "one 2>&1", "one $(two)", "# nothing", "one>out"] {
        assert!(commands(wrong).is_err(), "{wrong}");
    }
}
