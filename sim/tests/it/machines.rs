//! Tests the output for machines: schemas, JUnit XML, annotations, completions, manual pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

mod schema_check;

use crate::good::GOOD;
use schema_check::check;

/// A scenario that fails on 2.3.1, as its file expects.
const FAILS: &str = "scenarios/queued-timeout-and-reload/timer-first.toml";

/// A scenario with a wrong expectation, on its line 14.
fn wrong() -> String {
    GOOD.replace("no-dangling-node", "clean")
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs the command at the top of the repository.
fn treefall(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
    command.args(arguments).current_dir(top()).env_remove("COLUMNS");
    command.output().expect("treefall runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// Returns the schema of a command's lines.
fn schema(command: &str) -> Value {
    let words: Vec<&str> = command.split(' ').collect();
    let output = treefall(&[&["schema"], &words[..]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("a schema")
}

/// Runs the command, checks each printed line against its schema, and returns the lines.
fn lines(arguments: &[&str]) -> Vec<Value> {
    let output = treefall(&[arguments, &["--json"]].concat());
    let schema = schema(arguments[0]);
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {line}"))
        })
        .collect();
    for line in &lines {
        check(&schema, &schema, line).unwrap_or_else(|why| panic!("{arguments:?}: {why}: {line:#}"));
    }
    assert!(lines.last().is_some_and(|last| last["summary"].is_object() || last["summary"].is_array()));
    lines
}

#[test]
fn each_line_of_each_command_satisfies_its_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (out, small, corpus, merged) = (path("out"), path("small"), path("corpus"), path("merged"));
    let (pages, html, seeds) = (path("man"), path("find.html"), path("corpus/mended"));
    let soak = "count=4 runs=5%:never,5ms..900ms on-term=20%:never,1ms..3ms";
    let few = ["--failures", "2", "--life", "1h", "--most", "1h"];
    let field =
        [&["soak", "--machine", "loaded", "--reload", "1s", "--out", &out, "--script", soak], &few[..]]
            .concat();
    // Only one of several line types must occur: the number is the least count of lines, with the summary.
    let table: Vec<(Vec<&str>, usize)> = vec![
        (vec!["targets"], 10),
        (vec!["hunt", "--target", "replica:2.3.1", "--out", &out], 2),
        (vec!["merge", &out, "--out", &merged], 2),
        (vec!["explore", "--target", "replica:2.3.1", "--kinds", "1", "--wakes", "1", "--out", &small], 3),
        (vec!["replay", FAILS, "--target", "replica:2.3.1", "--ledger"], 2),
        (vec!["replay", "no-such-file.toml"], 1),
        (vec!["replay", "--no-such-flag"], 1),
        (vec!["matrix", FAILS], 30),
        (vec!["shrink", FAILS, "--target", "replica:2.3.1"], 2),
        (vec!["report", FAILS, "--html", &html], 2),
        (vec!["report", &out], 1),
        (vec!["fmt", "--check", FAILS], 2),
        (vec!["corpus", "import", FAILS, "--out", &corpus], 1),
        (vec!["corpus", "minimise", &seeds, "--out", &small], 2),
        (vec!["roots", "list"], 1),
        (vec!["doctor", "--target", "replica:2.2.7", "--traces", "4"], 2),
        (vec!["bench", "--target", "replica:mended", "--scripts", "4", "--wakes", "1000"], 4),
        (vec!["conform", "--target", "replica:mended"], 1),
        (field.clone(), 2),
        ([&field[..], &["--sensitivity", "--target", "replica:2.3.1"]].concat(), 3),
        (vec!["schema"], 19),
        (vec!["schema", "--all"], 19),
        (vec!["schema", "corpus", "import"], 2),
        (vec!["completions", "bash"], 2),
        (vec!["man", "hunt"], 2),
        (vec!["man", "--out", &pages], 20),
    ];
    for (arguments, least) in &table {
        let lines = lines(arguments);
        assert!(lines.len() >= *least, "{arguments:?}: {lines:#?}");
    }
}

#[test]
fn a_field_without_a_schema_is_detected() {
    let good = &lines(&["fmt", "--check", FAILS])[0];
    let schema = schema("fmt");
    let (mut more, mut less) = (good.clone(), good.clone());
    more["undeclared"] = Value::Null;
    less.as_object_mut().expect("an object").remove("canonical");
    assert_eq!(check(&schema, &schema, good), Ok(()));
    assert!(check(&schema, &schema, &more).is_err_and(|why| why.contains("`undeclared` is not declared")));
    assert!(check(&schema, &schema, &less).is_err_and(|why| why.contains("`required")));
}

/// Returns all commands and subcommands: `corpus import`.
fn commands() -> Vec<String> {
    stdout(&treefall(&["schema"])).lines().map(str::to_owned).collect()
}

#[test]
fn schema_lists_commands_and_accepts_subcommands() {
    let names = commands();
    for wanted in ["hunt", "corpus", "corpus import", "roots list", "man"] {
        assert!(names.iter().any(|name| name == wanted), "no {wanted}: {names:?}");
    }
    for name in &names {
        let title = format!("A line of `treefall {name} --json`");
        assert_eq!(schema(name)["title"], Value::from(title));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = folder.path().display().to_string();
    let imported = treefall(&["corpus", "import", FAILS, "--into", &corpus, "--json"]);
    let schema = schema("corpus import");
    let lines: Vec<Value> =
        stdout(&imported).lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| check(&schema, &schema, line) == Ok(())),
        "{lines:?}"
    );
    for (asked, says) in [
        (
            &["schema", "corpus", "imprt"][..],
            "`corpus imprt`; `corpus` has import, export, minimise; did you mean `corpus import`?",
        ),
        (&["schema", "hnut"], "`hnut`; there are survey, targets"),
        (&["man", "hunt", "x"], "`hunt x`; `hunt` has no subcommands"),
    ] {
        let output = treefall(asked);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && text.contains(says), "{asked:?}: {text}");
    }
}

#[test]
fn a_replay_becomes_junit_xml_and_annotations() {
    let folder = tempfile::tempdir().expect("a folder");
    let (wrong, xml) = (folder.path().join("wrong.toml"), folder.path().join("replay.xml"));
    fs::write(&wrong, self::wrong()).expect("written");
    let (wrong, file) = (wrong.display().to_string(), xml.display().to_string());
    let replay = ["replay", FAILS, &wrong, "--target", "replica:2.3.1", "--junit", &file, "--github"];
    let output = treefall(&replay);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let junit = fs::read_to_string(&xml).expect("the file");
    assert!(
        junit
            .contains(r#"<testsuites name="treefall replay" tests="2" skipped="0" failures="1" errors="0">"#),
        "{junit}"
    );
    assert!(
        junit.contains("no-dangling-node/cleanup/unused") && junit.contains("expected: clean"),
        "{junit}"
    );
    let text = stdout(&output);
    let annotations: Vec<&str> = text.lines().filter(|line| line.starts_with("::error ")).collect();
    let begin =
        format!("::error file={wrong},line=14,title=not as expected on replica%3A2.3.1::NOT as expected: ");
    assert!(annotations.len() == 1 && annotations[0].starts_with(&begin), "{text}");
    // The total counts cases, not suites.
    let both = [&replay[..], &["--target", "replica:2.2.8"]].concat();
    treefall(&both);
    let of_both = fs::read_to_string(&xml).expect("the file");
    assert!(of_both.contains(r#"replay" tests="4" skipped="0" failures="2" errors="0">"#), "{of_both}");
    // Two runs write the same.
    treefall(&replay);
    assert_eq!(fs::read_to_string(&xml).expect("the file"), junit);
}

#[test]
fn a_failed_replay_writes_xml_and_annotations() {
    let folder = tempfile::tempdir().expect("a folder");
    let (wrong, xml) = (folder.path().join("wrong.toml"), folder.path().join("replay.xml"));
    fs::write(&wrong, self::wrong().replace("timeout", "timeuot")).expect("written");
    let (wrong, file) = (wrong.display().to_string(), xml.display().to_string());
    let output = treefall(&["replay", &wrong, "--junit", &file, "--github"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let annotation = format!("::error file={wrong},line=7,title=a script has no key \"timeuot\"");
    let text = stdout(&output);
    assert!(text.starts_with(&annotation) && text.contains("%0Adid you mean `timeout`?"), "{text}");
    let text = fs::read_to_string(&xml).expect("the file");
    assert!(text.contains(r#"errors="1""#) && text.contains("timeuot"), "{text}");
}

#[test]
fn a_hunts_annotation_names_the_stored_scenario() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let output = treefall(&["hunt", "--target", "replica:2.3.1", "--out", &out, "--github", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // With --json, standard output has only objects.
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let annotations: Vec<&str> = text.lines().filter(|line| line.starts_with("::error file=")).collect();
    assert!(!annotations.is_empty(), "{text}");
    for annotation in annotations {
        let file = annotation["::error file=".len()..].split(',').next().expect("a file");
        let line: usize = annotation
            .split("line=")
            .nth(1)
            .and_then(|it| it.split(',').next()?.parse().ok())
            .expect("a line");
        let text = fs::read_to_string(file).expect("the scenario is there");
        assert!(text.lines().nth(line - 1).is_some_and(|line| line.starts_with("\"2.3.1\"")), "{annotation}");
    }
}

#[test]
fn completions_have_every_command_and_run_in_bash() {
    let help = stdout(&treefall(&["schema", "--all"]));
    let commands: serde_json::Map<String, Value> = serde_json::from_str(&help).expect("an object");
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&treefall(&["completions", shell]));
        let missing = commands.keys().find(|command| !script.contains(command.as_str()));
        assert!(missing.is_none() && script.contains("baseline"), "{shell}: no {missing:?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("treefall.bash");
    fs::write(&file, treefall(&["completions", "bash"]).stdout).expect("written");
    // Asks as bash does for the completion of `treefall expl`.
    let ask = "source \"$1\"; COMP_WORDS=(treefall expl); COMP_CWORD=1; _treefall treefall expl treefall; \
               printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["--norc", "-c", ask, "bash"]).arg(&file).output();
    // A machine without bash skips this.
    let Ok(output) = output else { return };
    assert_eq!(stdout(&output), "explore\n", "{output:?}");
}

/// Sections of every page, in order.
const SECTIONS: [&str; 9] = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "EXAMPLES",
    "\"EXIT STATUS\"",
    "ENVIRONMENT",
    "FILES",
    "\"SEE ALSO\"",
];

#[test]
fn a_manual_page_has_the_usage_and_man_gives_no_warning() {
    let page = stdout(&treefall(&["man", "corpus", "import"]));
    let usage = "\\fBtreefall corpus import\\fR [\\-\\-out <DIR>] [\\-\\-json] [\\-\\-quiet] [\\-\\-verbose] [\\-\\-jobs <N>] \
                 <FILE>...\n";
    assert!(page.contains(usage), "{page}");
    let folder = tempfile::tempdir().expect("a folder");
    treefall(&["man", "--out", &folder.path().display().to_string()]);
    for page in fs::read_dir(folder.path()).expect("pages") {
        let page = page.expect("a page").path();
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-l"]).arg(&page).envs([("MANWIDTH", "80"), ("LC_ALL", "C")]);
        // A machine without man skips this.
        let Ok(output) = man.output() else { return };
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(complaints.is_empty(), "{}: {complaints}", page.display());
    }
}

#[test]
fn every_command_has_a_page_with_examples_and_statuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let output = treefall(&["man", "--out", &out]);
    assert!(output.status.success(), "{output:?}");
    let pages: Vec<PathBuf> =
        fs::read_dir(folder.path()).expect("pages").map(|page| page.expect("a page").path()).collect();
    for name in ["treefall.1", "treefall-hunt.1", "treefall-corpus-import.1", "treefall-man.1"] {
        assert!(pages.contains(&folder.path().join(name)), "{pages:?}");
    }
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        let name = page.file_stem().and_then(|it| it.to_str()).expect("a name");
        let title = format!(".TH {} 1 \"\" \"treefall ", name.to_uppercase());
        assert!(text.contains(&title), "{name}: no {title}:\n{text}");
        let mut rest = text.as_str();
        for section in SECTIONS {
            let heading = format!("\n.SH {section}\n");
            let place = rest.find(&heading).unwrap_or_else(|| panic!("{name}: no {section} there:\n{text}"));
            rest = &rest[place + 1..];
        }
        // A page refers to the pages of its parent commands, not to itself.
        let mut above =
            name.match_indices('-').map(|(end, _)| format!("\\fB{}\\fR(1)", name[..end].replace('-', "\\-")));
        let itself = format!("\\fB{}\\fR(1)", name.replace('-', "\\-"));
        assert!(above.all(|page| rest.contains(&page)) && !rest.contains(&itself), "{name}: {rest}");
    }
    let one = stdout(&treefall(&["man", "corpus", "import"]));
    assert_eq!(one, fs::read_to_string(folder.path().join("treefall-corpus-import.1")).expect("a page"));
}

#[test]
fn verbose_adds_only_to_standard_error() {
    let replay = ["replay", FAILS, "--target", "replica:2.3.1"];
    let (plain, more) = (treefall(&replay), treefall(&[&replay[..], &["-v"]].concat()));
    assert_eq!(stdout(&plain), stdout(&more));
    let text = String::from_utf8_lossy(&more.stderr).into_owned();
    assert!(text.contains("timer-first.toml; on replica:2.3.1") && text.contains("exit status 0"), "{text}");
    assert_eq!(treefall(&[&replay[..], &["-v", "-q"]].concat()).status.code(), Some(2));
}

#[test]
fn help_fits_a_narrow_terminal_with_valid_examples() {
    let help = |command: &str, columns: &str| {
        let words = command.split_whitespace();
        let mut help = Command::new(env!("CARGO_BIN_EXE_treefall"));
        let output = help.args(words).arg("--help").env("COLUMNS", columns).output().expect("treefall runs");
        assert!(output.status.success(), "{command}: {output:?}");
        stdout(&output)
    };
    // The typed words, as a shell reads them: one command a line.
    let typed = |help: &str| {
        let (_, examples) = help.split_once("\nExample").expect("examples");
        let examples = examples.split("\n\n").next().expect("examples").replace("\\\n", " ");
        // A quoted value may cross lines, so all are joined.
        let quoted = examples.contains('\'');
        let lines: Vec<&str> = if quoted { vec![&examples] } else { examples.lines().skip(1).collect() };
        let lines = lines.into_iter().map(|line| shlex::split(line).expect("words"));
        let lines = lines.map(|words| words.join(" ").split_whitespace().collect::<Vec<_>>().join(" "));
        lines.filter(|line| !line.is_empty()).collect::<Vec<_>>()
    };
    for command in commands().iter().map(String::as_str).chain([""]) {
        let (wide, narrow) = (help(command, "100"), help(command, "40"));
        assert!(!typed(&wide).is_empty(), "{command}");
        assert_eq!(typed(&narrow), typed(&wide), "{command}");
        // The usage, a single word, and quoted text are not split.
        let long = narrow.lines().find(|line| {
            let whole =
                |line: &str| !line.trim_end_matches(" \\").trim().contains(' ') || line.contains('\'');
            line.len() > 40 && line.starts_with(' ') && !whole(line)
        });
        assert!(long.is_none(), "{command}: {long:?}");
    }
}
