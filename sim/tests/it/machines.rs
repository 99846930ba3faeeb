//! treefall as programs meet it: lines that satisfy their schemas, JUnit XML, annotations, completions, manual pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

mod schema_check;

use crate::good::GOOD;
use schema_check::check;

/// A trace that fails on 2.3.1, as its file says.
const FAILS: &str = "scenarios/queued-timeout-and-reload/timer-first.toml";

/// What is expected wrongly, on its line 14.
fn wrong() -> String {
    GOOD.replace("no-dangling-node", "clean")
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The command, typed at the top of the repository.
fn treefall(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_treefall"));
    command.args(arguments).current_dir(top()).env_remove("COLUMNS");
    command.output().expect("treefall runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The schema of a command's lines.
fn schema(command: &str) -> Value {
    let words: Vec<&str> = command.split(' ').collect();
    let output = treefall(&[&["schema"], &words[..]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("a schema")
}

/// The command is run, and each line that it prints satisfies its schema; the lines.
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
    // What is one of several things must come: the number is of the lines at least, with the summary.
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
fn a_field_that_no_schema_tells_is_seen() {
    let good = &lines(&["fmt", "--check", FAILS])[0];
    let schema = schema("fmt");
    let (mut more, mut less) = (good.clone(), good.clone());
    more["untold"] = Value::Null;
    less.as_object_mut().expect("an object").remove("canonical");
    assert_eq!(check(&schema, &schema, good), Ok(()));
    assert!(check(&schema, &schema, &more).is_err_and(|why| why.contains("`untold` is not told")));
    assert!(check(&schema, &schema, &less).is_err_and(|why| why.contains("`required")));
}

/// The commands, and those below them: `corpus import`.
fn commands() -> Vec<String> {
    stdout(&treefall(&["schema"])).lines().map(str::to_owned).collect()
}

#[test]
fn schema_alone_lists_what_it_can_be_asked_for_and_a_command_below_another_is_asked_for_as_it_is_typed() {
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
    let told = treefall(&["corpus", "import", FAILS, "--into", &corpus, "--json"]);
    let schema = schema("corpus import");
    let lines: Vec<Value> =
        stdout(&told).lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
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
        (&["man", "hunt", "x"], "`hunt x`; `hunt` has none below it"),
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
    let text = fs::read_to_string(&xml).expect("the file");
    assert!(
        text.contains(r#"<testsuites name="treefall replay" tests="2" skipped="0" failures="1" errors="0">"#),
        "{text}"
    );
    assert!(text.contains("no-dangling-node/cleanup/unused") && text.contains("expected: clean"), "{text}");
    let told = stdout(&output);
    let annotations: Vec<&str> = told.lines().filter(|line| line.starts_with("::error ")).collect();
    let begin =
        format!("::error file={wrong},line=14,title=not as expected on replica%3A2.3.1::NOT as expected: ");
    assert!(annotations.len() == 1 && annotations[0].starts_with(&begin), "{told}");
    // The whole counts cases, not suites.
    let both = [&replay[..], &["--target", "replica:2.2.8"]].concat();
    treefall(&both);
    let of_both = fs::read_to_string(&xml).expect("the file");
    assert!(of_both.contains(r#"replay" tests="4" skipped="0" failures="2" errors="0">"#), "{of_both}");
    // Twice the same.
    treefall(&replay);
    assert_eq!(fs::read_to_string(&xml).expect("the file"), text);
}

#[test]
fn a_replay_that_ends_before_its_end_says_so_in_its_xml_and_annotations() {
    let folder = tempfile::tempdir().expect("a folder");
    let (wrong, xml) = (folder.path().join("wrong.toml"), folder.path().join("replay.xml"));
    fs::write(&wrong, self::wrong().replace("timeout", "timeuot")).expect("written");
    let (wrong, file) = (wrong.display().to_string(), xml.display().to_string());
    let output = treefall(&["replay", &wrong, "--junit", &file, "--github"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let annotation = format!("::error file={wrong},line=7,title=a script has no key \"timeuot\"");
    let told = stdout(&output);
    assert!(told.starts_with(&annotation) && told.contains("%0Adid you mean `timeout`?"), "{told}");
    let text = fs::read_to_string(&xml).expect("the file");
    assert!(text.contains(r#"errors="1""#) && text.contains("timeuot"), "{text}");
}

#[test]
fn an_annotation_of_a_hunt_names_the_scenario_that_it_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let output = treefall(&["hunt", "--target", "replica:2.3.1", "--out", &out, "--github", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // With --json standard output is for objects alone.
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let annotations: Vec<&str> = told.lines().filter(|line| line.starts_with("::error file=")).collect();
    assert!(!annotations.is_empty(), "{told}");
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
fn completions_know_every_command_and_bash_can_read_them() {
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
    // As bash itself asks for what may follow `treefall expl`.
    let ask = "source \"$1\"; COMP_WORDS=(treefall expl); COMP_CWORD=1; _treefall treefall expl treefall; \
               printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["--norc", "-c", ask, "bash"]).arg(&file).output();
    // A machine without bash has nothing to ask.
    let Ok(output) = output else { return };
    assert_eq!(stdout(&output), "explore\n", "{output:?}");
}

/// The sections that every page has, in their order.
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
fn a_manual_page_says_how_the_command_is_typed_and_man_has_nothing_to_complain_of() {
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
        // A machine without man has nothing to say.
        let Ok(output) = man.output() else { return };
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(complaints.is_empty(), "{}: {complaints}", page.display());
    }
}

#[test]
fn there_is_a_manual_page_of_every_command_with_examples_and_statuses() {
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
        // A page refers to those of the commands above it, and not to itself.
        let mut above =
            name.match_indices('-').map(|(end, _)| format!("\\fB{}\\fR(1)", name[..end].replace('-', "\\-")));
        let itself = format!("\\fB{}\\fR(1)", name.replace('-', "\\-"));
        assert!(above.all(|page| rest.contains(&page)) && !rest.contains(&itself), "{name}: {rest}");
    }
    let one = stdout(&treefall(&["man", "corpus", "import"]));
    assert_eq!(one, fs::read_to_string(folder.path().join("treefall-corpus-import.1")).expect("a page"));
}

#[test]
fn verbose_tells_more_on_standard_error_and_changes_no_result() {
    let replay = ["replay", FAILS, "--target", "replica:2.3.1"];
    let (plain, more) = (treefall(&replay), treefall(&[&replay[..], &["-v"]].concat()));
    assert_eq!(stdout(&plain), stdout(&more));
    let told = String::from_utf8_lossy(&more.stderr).into_owned();
    assert!(told.contains("timer-first.toml; on replica:2.3.1") && told.contains("exit status 0"), "{told}");
    assert_eq!(treefall(&[&replay[..], &["-v", "-q"]].concat()).status.code(), Some(2));
}

#[test]
fn help_fits_a_narrow_terminal_and_its_examples_can_still_be_typed() {
    let help = |command: &str, columns: &str| {
        let words = command.split_whitespace();
        let mut help = Command::new(env!("CARGO_BIN_EXE_treefall"));
        let output = help.args(words).arg("--help").env("COLUMNS", columns).output().expect("treefall runs");
        assert!(output.status.success(), "{command}: {output:?}");
        stdout(&output)
    };
    // What is typed, as a shell reads it: a command a line.
    let typed = |help: &str| {
        let (_, examples) = help.split_once("\nExample").expect("examples");
        let examples = examples.split("\n\n").next().expect("examples").replace("\\\n", " ");
        // What is in quotes goes on by itself: then all are told as one.
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
        // The usage, a word, or what is in quotes is not broken.
        let long = narrow.lines().find(|line| {
            let whole =
                |line: &str| !line.trim_end_matches(" \\").trim().contains(' ') || line.contains('\'');
            line.len() > 40 && line.starts_with(' ') && !whole(line)
        });
        assert!(long.is_none(), "{command}: {long:?}");
    }
}
