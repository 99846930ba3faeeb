//! A line as a shell takes it apart: commands, their words, what is read and written.

/// One command of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    /// The variables that are set for it.
    pub(crate) variables: Vec<String>,
    /// Its words, the program first.
    pub(crate) words: Vec<String>,
    /// The file that is its standard input.
    pub(crate) reads: Option<String>,
}

/// What stands between two commands.
const BETWEEN: [&str; 4] = ["|", "&&", "||", ";"];
/// What stands before a file that is written.
const INTO: [&str; 3] = [">", ">>", "2>"];
/// What only a shell understands, and this does not.
const NOT_UNDERSTOOD: [&str; 6] = ["|", "&", ";", "<", ">", "$("];

/// The commands of a line, without its comment.
///
/// # Errors
/// What is not understood of it.
pub(crate) fn commands(line: &str) -> Result<Vec<Typed>, String> {
    let words = shlex::split(line).ok_or_else(|| "a quotation that nothing closes".to_owned())?;
    let empty = || Typed { variables: Vec::new(), words: Vec::new(), reads: None };
    let (mut done, mut now) = (Vec::new(), empty());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut file = || words.next().ok_or_else(|| format!("no file stands behind `{word}`"));
        if BETWEEN.contains(&word.as_str()) {
            done.push(std::mem::replace(&mut now, empty()));
        } else if INTO.contains(&word.as_str()) {
            file()?;
        } else if word == "<" {
            now.reads = Some(file()?);
        } else if let Some(what) = NOT_UNDERSTOOD.iter().find(|what| word.contains(*what)) {
            return Err(format!("`{what}` in `{word}` is not understood here"));
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
fn a_line_is_taken_apart_as_a_shell_does() {
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
