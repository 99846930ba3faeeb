//! Checks that every command in every Markdown file of the repository is valid.
//!
//! The suite `cli` runs the `console` blocks. This test checks the blocks that cannot run everywhere, and the
//! commands and options in the text. It skips nothing: an unknown kind of block, program, option or line fails, with
//! its file and line.

use std::fs;
use std::path::{Path, PathBuf};

use treefall::check::{check, replicas_of};
use treefall::scenario;
use treefall::subject::{Options, build};

mod links;
mod markdown;
mod packages;
mod shell;
mod spans;
mod typed;

use crate::walk;
use markdown::Block;
use typed::{Repository, Tally};

/// The kinds of block in a document, and how each is checked.
const KINDS: [(&str, Kind); 4] = [
    ("console", Kind::Run),
    ("console,ignore", Kind::Typed),
    ("toml", Kind::Scenario),
    ("text", Kind::Picture),
];
/// Past output, which nobody types.
const HISTORY: &str = "CHANGELOG.md";

#[derive(Clone, Copy)]
enum Kind {
    /// Another test runs it.
    Run,
    /// One command a line, after `$ `.
    Typed,
    /// A scenario file.
    Scenario,
    /// It has no commands.
    Picture,
}

/// The checked items of a document, and its errors.
#[derive(Default)]
struct Judged {
    typed: Tally,
    in_text: usize,
    scenarios: usize,
    /// Each error with file and line.
    wrong: Vec<String>,
}

fn judge(repository: &Repository, file: &str, text: &str) -> Judged {
    let mut judged = Judged::default();
    let code = match markdown::code(text) {
        Ok(code) => code,
        Err((place, what)) => {
            judged.wrong.push(format!("{file}:{place}: {what}"));
            return judged;
        }
    };
    for block in &code.blocks {
        judge_block(repository, file, block, &mut judged);
    }
    for (place, span) in code.spans.iter().filter(|_| file != HISTORY) {
        match spans::check(repository, span) {
            Ok(checked) => judged.in_text += usize::from(checked),
            Err(what) => judged.wrong.push(format!("{file}:{place}: `{span}`: {what}")),
        }
    }
    judged
}

fn judge_block(repository: &Repository, file: &str, block: &Block, judged: &mut Judged) {
    let kind = KINDS.iter().find(|(language, _)| *language == block.language).map(|(_, kind)| kind);
    let at = format!("{file}:{}", block.place);
    match kind {
        None => judged.wrong.push(format!("{at}: a block of `{}` is not known here", block.language)),
        Some(Kind::Run | Kind::Picture) => {}
        Some(Kind::Typed) => {
            for (place, line) in (block.place + 1..).zip(&block.lines) {
                let command = line.strip_prefix("$ ").ok_or_else(|| "a command begins with `$ `".to_owned());
                let done = command.and_then(|command| repository.check_line(command, &mut judged.typed));
                judged.wrong.extend(done.err().map(|what| format!("{file}:{place}: {line}\n{what}")));
            }
        }
        Some(Kind::Scenario) => {
            judged.scenarios += 1;
            judged.wrong.extend(scenario_holds(&at, &block.lines.join("\n")).err());
        }
    }
}

/// Checks that the text is a scenario, and that every replica that it mentions meets its expectation.
fn scenario_holds(at: &str, text: &str) -> Result<(), String> {
    let scenario = scenario::read(at, text).map_err(|problems| problems.to_string())?;
    for target in replicas_of(&scenario) {
        let mut subject = build(&target).map_err(|error| error.to_string())?;
        let checked = check(&scenario, &target, None, subject.as_mut(), Options::VERDICT);
        let good = checked.map_err(|error| error.to_string())?.is_good();
        good.then_some(()).ok_or_else(|| format!("{at}: not as expected on {target}"))?;
    }
    Ok(())
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_command_in_every_document_is_valid() {
    let repository = Repository::read(&top());
    let (mut typed, mut in_text, mut scenarios) = (Tally::default(), 0, 0);
    let mut wrong = Vec::new();
    for file in walk::files(&top(), "md") {
        let text = fs::read_to_string(top().join(&file)).expect("a document");
        let judged = judge(&repository, &file.display().to_string(), &text);
        typed.treefall += judged.typed.treefall;
        typed.cargo += judged.typed.cargo;
        typed.scripts += judged.typed.scripts;
        typed.let_through += judged.typed.let_through;
        in_text += judged.in_text;
        scenarios += judged.scenarios;
        wrong.extend(judged.wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A walk or a reader that misses most files would also miss errors.
    assert!(typed.treefall >= 50 && typed.cargo >= 5 && typed.scripts >= 3, "{typed:?}");
    assert!(in_text >= 60 && scenarios >= 1, "{in_text} in the text, {scenarios} scenarios");
    assert!(typed.let_through <= 3, "{typed:?}");
}

#[test]
fn invalid_commands_are_reported_with_their_place() {
    let repository = Repository::read(&top());
    // The parts are joined here, because this source is checked too.
    let variable = format!("TREEFALL_{} treefall", "ROTS=x");
    let table = [
        ("treefall hunt --sede 3", "unexpected argument '--sede'"),
        ("treefall hnut", "unrecognized subcommand"),
        ("treefall replay", "required"),
        ("treefall replay scenarios/no-such-folder/", "there is no scenarios/no-such-folder/"),
        ("treefall replay mine.toml --config sim/tests/no.conf", "there is no sim/tests/no.conf"),
        ("treefall import - < sim/tests/logs/no.log", "there is no sim/tests/logs/no.log"),
        ("treefall hunt --target replica:9.9", "no release that treefall knows"),
        ("treefall hunt --for 8days", "a unit that is not known"),
        ("treefall man corpus imprt", "there is no command imprt"),
        ("jq . | treefall replay --now x.toml", "unexpected argument '--now'"),
        ("git bisect run treefall replay x.toml --bsect", "unexpected argument '--bsect'"),
        ("git bisect start", "is not known here"),
        ("cargo run --release --locked -- hunt --sede 3", "unexpected argument '--sede'"),
        ("cargo run -- replay scenarios/no.toml", "there is no scenarios/no.toml"),
        ("cargo run -p treefall --example no-such", "no `--example no-such` in treefall"),
        (
            "cargo run -p treefall --example mutants -- --no-such 3",
            "sim/examples/mutants.rs has no --no-such",
        ),
        ("cargo test --test suites no_such::", "`cargo test no_such::` names nothing here"),
        ("cargo test --test no_such", "no `--test no_such` in the workspace"),
        ("cargo bench -p treefall-peers --bench no-such", "no `--bench no-such` in treefall-peers"),
        ("cargo bench -p no-such --bench events", "no package `no-such`"),
        ("cargo +nightly fuzz run no_such -- -runs=3", "names nothing here"),
        ("cargo test --relase", "`cargo test` has no `--relase` here"),
        ("cargo install --path no-such", "is no folder of a package"),
        ("cargo publish", "`cargo publish` is not known here"),
        ("cargo fmt --all --chek", "`cargo fmt` has no `--chek` here"),
        ("cargo clippy --workspace -- -D warning", "behind `cargo clippy --` is not known here"),
        ("fuzz/no-such.sh 8h", "fuzz/no-such.sh: "),
        ("fuzz/README.md 8h", "nothing that can be run"),
        ("make all", "the program `make` is not known here"),
        ("treefall hunt $(date)", "is not supported here"),
        (&variable, "nothing reads the variable"),
    ];
    for (line, says) in table {
        let text =
            format!("# x\n\n```console,ignore\n$ treefall targets   # right\n$ {line}  # wrong\n```\n");
        let wrong = judge(&repository, "x.md", &text).wrong.join("\n");
        assert!(wrong.starts_with("x.md:5: ") && wrong.contains(says), "{line}: {wrong}");
    }
    let blocks = [
        ("```sh\ntreefall\n```", "x.md:1: a block of `sh` is not known"),
        ("```console,ignore\ntreefall\n```", "x.md:2: treefall\na command begins with `$ `"),
        ("\n```console", "x.md:2: a fence that nothing closes"),
        ("```toml\nformat = 1\ntitel = \"x\"\n```", "no key \"titel\""),
        ("a `span without an end\n", "x.md:1: nothing closes the backtick"),
    ];
    for (text, says) in blocks {
        let wrong = judge(&repository, "x.md", text).wrong.join("\n");
        assert!(wrong.contains(says), "{text}: {wrong}");
    }
}

#[test]
fn commands_and_options_in_the_text_exist() {
    let repository = Repository::read(&top());
    let right = "`treefall replay`, `treefall hunt --target engine:PATH[@ROOT] [--seed N]`, `replay\n--bisect`, `--out DIR`, \
                 `cargo run --release --`, `fuzz/overnight.sh`, `--no-trace-compares`; `SIGTERM` is none.";
    let judged = judge(&repository, "x.md", right);
    assert_eq!((judged.wrong, judged.in_text), (Vec::new(), 7));
    let wrong = [
        "treefall hnut",
        "treefall hunt --sede N",
        "hunt\n--sede",
        "--sede",
        "cargo doc -p no-such",
        "fuzz/no.sh",
    ];
    for span in wrong {
        let judged = judge(&repository, "x.md", &format!("\nSo `{span}` it is.\n"));
        assert!(
            judged.wrong.len() == 1 && judged.wrong[0].starts_with("x.md:2: "),
            "{span}: {:?}",
            judged.wrong
        );
    }
}

#[test]
fn scenarios_in_documents_meet_their_expectations() {
    let guide = "sim/guide/scenarios.md";
    let text = fs::read_to_string(top().join(guide)).expect("the guide");
    let wrong = text.replace("= [\"no-dangling-node\"]", "= \"clean\"");
    assert_ne!(text, wrong);
    let judged = judge(&Repository::read(&top()), guide, &wrong);
    assert!(judged.wrong.len() == 1 && judged.wrong[0].contains("not as expected on replica:2.2.5"));
}
