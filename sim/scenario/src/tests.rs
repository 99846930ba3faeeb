//! The laws of the file format, and what messages look like.

use proptest::prelude::*;
use treefall_model::event::{EntryKind, Step};
use treefall_model::law::Law;
use treefall_model::release::Release;
use treefall_model::strategies;
use treefall_model::trace::run;
use treefall_model::verdict::Signature;

use super::*;

/// Every key and notation once.
const FULL: &str = r#"# A file that uses everything.
# Two lines.

format = 1  # the first
title = "All keys"
source = "nobody"
about = { release = "2.3.4", law = "no-child-forgotten" }  # and later
# above the story
story = """
It has a # that is no comment.
"""

[setup]  # beside the header
pids = "scattered"
heap = "never-again"
fork-failures = [0, 7]

[costs]
callback = "10us"
start = "1ms"
log = "5us"

# the first configuration
[[config]]

[[config.script]]
name = "chk_a"
interval = "3s"
timeout = "2s"
rise = 2
fall = 3
on-term = "ignores"
kill-linger = "100ms"

[[config.script]]
name = "b-1.x"
kind = "misc"
interval = "500ms"
dies-after = "20ms"

[[config]]

[[wake]]
after = "next-timer"
signals = ["HUP"]
config = 1

[[wake]]
after = "+250ms"
order = "signals-first"  # both are ready
signals = ["HUP", "TERM"]
config = 0
exits = [
    # the first run
    { run = "chk_a@0#1", status = 0 },  # by itself
    { run = "b-1.x@0#2", signal = "TERM" },
    { run = ":1@1#1", signal = 34 },
    # none more
]  # all

[expect]
"2.0.8..=2.2.4" = "no-child-forgotten"
"2.2.5..=2.3.1" = ["no-dangling-node", "no-child-forgotten/cleanup/child"]
"2.3.2.." = "clean"
mended = "clean"  # as always

[provenance]
seed = 7
trace = 12
generator = 1
found-by = "treefall hunt"
found-on = "replica:2.2.7"

# the end
"#;

fn failure() -> impl Strategy<Value = Failure> {
    let law = prop::sample::select(Law::ALL.to_vec());
    let step = prop::sample::select(Step::ALL.to_vec());
    let entry = prop::option::of(prop::sample::select(EntryKind::ALL.to_vec()));
    let signature = (law.clone(), step, entry).prop_map(|(law, step, entry)| Signature { law, step, entry });
    prop_oneof![law.prop_map(Failure::Law), signature.prop_map(Failure::Signature)]
}

fn expectations() -> impl Strategy<Value = Expectations> {
    let rows = prop::collection::vec((any::<bool>(), prop::collection::vec(failure(), 0..3)), 0..6);
    (rows, any::<bool>(), any::<bool>()).prop_map(|(rows, open, mended)| {
        // Consecutive ranges of seven releases, now and then one left out.
        let parts = Release::ALL.chunks(7).zip(rows).filter(|(_, (said, _))| *said);
        let mut rows: Vec<_> = parts
            .map(|(part, (_, failures))| {
                let whom = Whom::Releases { first: part.first().copied(), last: part.last().copied() };
                (whom, Expectation::broken(failures))
            })
            .collect();
        if let Some((Whom::Releases { last, .. }, _)) = rows.last_mut().filter(|_| open) {
            *last = None;
        }
        rows.extend(mended.then(|| (Whom::Mended, Expectation::clean())));
        Expectations::new(rows).expect("ranges that do not overlap")
    })
}

fn about() -> impl Strategy<Value = Option<About>> {
    let law = prop::option::of(prop::sample::select(Law::ALL.to_vec()));
    let release = prop::sample::select(Release::ALL.to_vec());
    prop::option::of((release, law).prop_map(|(release, law)| About { release, law }))
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let text = || prop_oneof![Just(String::new()), "[ -~é\n\t\\\\\"]{0,40}", any::<String>()];
    let texts = (text(), text(), text());
    let number = || prop::option::of(prop_oneof![any::<u32>().prop_map(u64::from), any::<u64>()]);
    let provenance = (number(), number(), number(), prop::option::of(text()), prop::option::of(text()));
    let parts = (strategies::trace(), texts, about(), expectations(), provenance);
    parts.prop_map(|(trace, texts, about, expect, provenance)| {
        let (title, source, story) = texts;
        let (seed, number, generator, found_by, found_on) = provenance;
        let provenance = Provenance { seed, trace: number, generator, found_by, found_on };
        Scenario { title, source, about, story, trace, expect, provenance }
    })
}

/// All comments of a file, sorted.
fn comments(text: &str) -> Vec<String> {
    let tokens = toml_parser::Source::new(text).lex();
    let comments = tokens.filter(|token| token.kind() == toml_parser::lexer::TokenKind::Comment);
    let mut all: Vec<String> =
        comments.map(|token| text[token.span().start()..token.span().end()].trim_end().to_owned()).collect();
    all.sort_unstable();
    all
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_scenario_is_read_back_as_it_was_written(scenario in scenario()) {
        let text = write(&scenario);
        match read("written", &text) {
            Ok(back) => prop_assert_eq!(back, scenario),
            Err(problems) => prop_assert!(false, "{}", problems),
        }
    }

    #[test]
    fn what_is_written_is_canonical(scenario in scenario()) {
        let text = write(&scenario);
        prop_assert_eq!(format("written", &text).map_err(|e| e.to_string()), Ok(text));
    }

    #[test]
    fn no_text_makes_reading_panic(text in any::<String>()) {
        let _ = read("noise", &text).map_err(|problems| problems.render(true));
    }

    #[test]
    fn no_mutation_of_a_valid_file_makes_reading_or_formatting_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, "[ -~\n]{0,6}"), 1..4),
    ) {
        let mut text = FULL.to_owned();
        for (at, length, put) in changes {
            let at = at.index(text.len());
            text.replace_range(at..(at + length).min(text.len()), &put);
        }
        match format("mutated", &text) {
            Ok(formatted) => {
                prop_assert_eq!(read("f", &formatted).ok(), read("m", &text).ok());
                prop_assert_eq!(comments(&formatted), comments(&text));
                prop_assert_eq!(format("f", &formatted).ok(), Some(formatted));
            }
            Err(problems) => prop_assert!(!problems.to_string().is_empty()),
        }
    }

    #[test]
    fn formatting_loses_no_comment_wherever_it_stands(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<bool>()), 1..8),
    ) {
        let mut lines: Vec<String> = FULL.lines().map(str::to_owned).collect();
        for (number, (at, above, blank)) in places.iter().enumerate() {
            let at = at.index(lines.len());
            let mut put = vec![format!("#{number}")];
            if *blank {
                put.push(String::new());
            }
            match above {
                true => { lines.splice(at..at, put); }
                false => lines[at].push_str(&format!("   # {number}")),
            }
        }
        let text = lines.join("\n");
        // A comment put into the story is none, and breaks nothing.
        let formatted = format("commented", &text).expect("comments change nothing");
        prop_assert_eq!(comments(&formatted), comments(&text));
        prop_assert_eq!(read("f", &formatted).ok(), read("c", &text).ok());
        prop_assert_eq!(format("f", &formatted).ok(), Some(formatted));
    }
}

#[test]
fn what_a_file_is_about_has_one_notation() {
    let about =
        |line: &str| FULL.replacen("about = { release = \"2.3.4\", law = \"no-child-forgotten\" }", line, 1);
    let file = about("about = { release = \"2.3.4\" }");
    let read = read("short.toml", &file).expect("a release is enough");
    assert_eq!(read.about, Release::parse("2.3.4").map(|release| About { release, law: None }));
    let formatted = format("short.toml", &file).expect("it is a scenario");
    assert_eq!(formatted, about("about = \"2.3.4\""));
}

#[test]
fn a_canonical_file_with_every_key_and_comments_is_left_as_it_is() {
    let formatted = format("full.toml", FULL).map_err(|problems| problems.to_string());
    assert_eq!(formatted.as_deref(), Ok(FULL));
}

#[test]
fn a_file_in_other_notation_comes_into_the_canonical_one() {
    let text = r#"
      # who knows
format=0x1
title='x'
wake = [ { signals = ['SIGTERM'], after = "+0.5s" }, # ends it
  { exits = [{signal=15,run='a#1'}], after='next-timer' } ]
setup.pids="reused" # dense
expect."mended"="clean"
expect."2.3.2.." = [ 'clean' ]
[[script]] # the only one
timeout = "2000ms"
name = "a"
"#;
    // A list of failures cannot hold "clean".
    let text = text.replace("[ 'clean' ]", "['exit-not-lost']");
    let expected = r#"# who knows
format = 1
title = "x"

[setup]
pids = "reused"  # dense

[[script]]  # the only one
name = "a"
timeout = "2s"

[[wake]]
after = "+500ms"  # ends it
signals = ["TERM"]

[[wake]]
after = "next-timer"
exits = [{ run = "a@0#1", signal = "TERM" }]

[expect]
"2.3.2.." = ["exit-not-lost"]
mended = "clean"
"#;
    assert_eq!(format("other.toml", &text).map_err(|problems| problems.to_string()).as_deref(), Ok(expected));
}

#[test]
fn a_file_with_the_line_ends_of_another_system_is_the_same_scenario() {
    let text = FULL.replace('\n', "\r\n");
    assert_eq!(read("crlf", &text).ok(), read("lf", FULL).ok());
    assert_eq!(format("crlf", &text).ok().as_deref(), Some(FULL));
}

/// A small valid file.
const SMALL: &str = "\
format = 1
title = \"small\"

[[script]]
name = \"chk_haproxy\"
interval = \"3s\"

[[wake]]
after = \"next-timer\"
signals = [\"HUP\"]

[expect]
\"2.3.2..\" = \"clean\"
";

/// The messages for the small file with `from` replaced by `to`.
fn message(from: &str, to: &str) -> String {
    let text = SMALL.replacen(from, to, 1);
    assert_ne!(text, SMALL, "{from:?} is in the file");
    read("small.toml", &text).expect_err("the change makes it wrong").to_string()
}

#[test]
fn every_slip_is_told_with_its_place_what_was_expected_and_a_remedy() {
    for (from, to, told) in [
        (
            "interval",
            "intervall",
            &["small.toml:6:1", "a script has no key \"intervall\"", "did you mean `interval`?"][..],
        ),
        ("\"3s\"", "1.5s", &["small.toml:6:12", "this value has no quotes: 1.5s", "write \"1.5s\""]),
        ("\"3s\"", "3s", &["this value has no quotes: 3s", "write \"3s\""]),
        ("\"3s\"", "3", &["`interval` cannot be an integer", "expected a duration in quotes"]),
        (
            "\"3s\"",
            "\"3 sec\"",
            &["this duration has a unit that is not known, \" sec\"", "us, ms, s, min, h"],
        ),
        ("\"3s\"", "\"0s\"", &["the interval must not be zero"]),
        ("\"next-timer\"", "next-timer", &["this value has no quotes: next-timer"]),
        (
            "\"next-timer\"",
            "\"next-time\"",
            &["`after` cannot be \"next-time\"", "did you mean `next-timer`?"],
        ),
        ("\"next-timer\"", "\"250ms\"", &["so long after the one before it", "write \"+250ms\""]),
        ("\"HUP\"", "\"HUB\"", &["`signals` cannot be \"HUB\"", "did you mean `HUP`?"]),
        ("\"HUP\"", "\"HUP\", \"HUP\"", &["this signal comes twice"]),
        ("[\"HUP\"]", "[\"HUP\"]\nconfig = 1", &["`config` is out of range", "expected 0 to 0"]),
        ("[\"HUP\"]", "[]\nconfig = 0", &["no SIGHUP comes in this wake"]),
        ("[[wake]]", "[wake]", &["`wake` cannot be a table", "each under a header `[[wake]]`"]),
        ("[[wake]]", "[[wak]]", &["a scenario has no key \"wak\"", "did you mean `wake`?"]),
        ("format = 1", "format = 3", &["format 3 is newer than format 2", "use a newer treefall"]),
        (
            "[[script]]",
            "[setup]\nheap = \"guarded\"\n[[script]]",
            &["small.toml:5:8", "a guarded heap cannot be said in format 1", "write `format = 2` at the top"],
        ),
        ("format = 1\n", "", &["this is no scenario: it does not say its format"]),
        ("title = \"small\"\n", "", &["a scenario needs the key `title`"]),
        (
            "\"clean\"",
            "\"no-child-forgoten\"",
            &["there is no law \"no-child-forgoten\"", "did you mean `no-child-forgotten`?"],
        ),
        ("\"clean\"", "\"progress/block/timer\"", &["there is no step \"block\"", "did you mean `blocked`?"]),
        ("\"clean\"", "[]", &["an empty list expects nothing"]),
        ("2.3.2..", "2.3.9", &["\"2.3.9\" is no release of keepalived that treefall knows"]),
        ("\"2.3.2..\"", "2.3.2", &["put quotes around the range"]),
        ("\"2.3.2..\"", "medned", &["small.toml:13:1", "did you mean `mended`?"]),
        ("format = 1", "format = 1\npids = \"ascending\"", &["`pids` is a key of `[setup]`"]),
        (
            "[expect]",
            "[expect]\n\"2.2.5..=2.3.2\" = \"clean\"",
            &["\"2.3.2..\" and \"2.2.5..=2.3.2\" speak of the same release"],
        ),
        (
            "[expect]",
            "[[script]]\nname = \"chk_haproxy\"\n[expect]",
            &["two scripts of one configuration are called chk_haproxy"],
        ),
        ("[[script]]", "[[config]]\n[[script]]", &["it is not clear which configuration has it"]),
    ] {
        let message = message(from, to);
        for part in told {
            assert!(message.contains(part), "{to:?}: no {part:?} in\n{message}");
        }
    }
}

#[test]
fn an_exit_that_cannot_be_says_why() {
    for (exit, told) in [
        ("run = \"chk_haproxi@0#1\", status = 0", "there is no script `chk_haproxi`"),
        ("run = \"chk_haproxi@0#1\", status = 0", "did you mean `chk_haproxy`?"),
        ("run = \"chk_haproxy@1#1\", status = 0", "no run of generation 1 can exist yet"),
        ("run = \"chk_haproxy@1#1\", status = 0", "no reload comes before this wake"),
        ("run = \"chk_haproxy@0#0\", status = 0", "starts are counted from 1"),
        ("run = \"chk_haproxy\", status = 0", "expected `script@generation#start`"),
        ("run = \":1@0#1\", status = 0", "there is no script at place 1"),
        ("run = \"chk_haproxy#1\"", "an exit needs the key `status`"),
        ("run = \"chk_haproxy#1\", status = 256", "expected 0 to 255"),
        (
            "run = \"chk_haproxy#1\", status = 1, signal = 9",
            "a child ends by itself or by a signal, not both",
        ),
        ("run = \"chk_haproxy#1\", signal = \"TREM\"", "`signal` cannot be \"TREM\""),
        ("run = \"chk_haproxy#1\", signal = 65", "expected 1 to 64"),
        ("status = 1", "an exit needs the key `run`"),
        (
            "run = \"chk_haproxy#1\", status = 1 }, { run = \"chk_haproxy@0#1\", status = 0",
            "ends twice in one wake",
        ),
    ] {
        let message = message("signals = [\"HUP\"]", &format!("exits = [{{ {exit} }}]"));
        assert!(message.contains(told), "no {told:?} in\n{message}");
    }
}

#[test]
fn all_problems_of_a_file_are_told_in_the_order_of_their_places() {
    let text = SMALL.replace("interval", "intervall").replace("\"HUP\"", "\"HUB\"").replace("clean", "cleen");
    let problems = read("small.toml", &text).expect_err("three slips");
    let lines: Vec<_> = problems.problems().iter().map(|problem| problems.place(problem).0).collect();
    assert_eq!(lines, [6, 10, 13]);
}

#[test]
fn a_run_that_no_release_started_is_pointed_at() {
    let exits = "exits = [{ run = \"chk_haproxy@0#9\", status = 0 }]";
    let text = SMALL.replace("signals = [\"HUP\"]", exits);
    let scenario = read("small.toml", &text).expect("it can be read: only a replay can tell");
    let ended = scenario.trace.wakes()[0].exits[0].run;
    let problems = never_started("small.toml", &text, &[ended]).expect("it is in the file").to_string();
    assert!(
        problems.contains("run chk_haproxy@0#9 never starts") && problems.contains("small.toml:10:"),
        "{problems}"
    );
    assert_eq!(never_started("small.toml", &text, &[run(0, 0, 1)]), None);
}

#[test]
fn what_is_no_scenario_file_is_refused_with_the_reason() {
    let folder = std::env::temp_dir().join(format!("treefall-scenario-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    let refused = |path: &Path| load(path).expect_err("no scenario").to_string();

    assert!(refused(&folder).contains("this is a directory"));
    assert!(refused(&folder.join("missing.toml")).contains("missing.toml"));

    let noise = folder.join("noise.toml");
    std::fs::write(&noise, b"format = 1\n\xff\xfe").expect("written");
    assert!(refused(&noise).contains("byte 0xff at offset 11 (line 2) is not UTF-8"));

    let large = folder.join("large.toml");
    let file = std::fs::File::create(&large).expect("created");
    file.set_len(100 << 20).expect("a sparse file of 100 MiB");
    assert!(refused(&large).contains("larger than 16 MiB"));

    let small = folder.join("small.toml");
    std::fs::write(&small, SMALL).expect("written");
    assert_eq!(
        load(&small).map_err(|error| error.to_string()),
        Ok(read("small.toml", SMALL).expect("valid"))
    );
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// A large file that is made of `part`, as often as the limit allows.
fn large(head: &str, part: &str, tail: &str) -> String {
    let times = usize::try_from(SIZE_MAX / 16).expect("a small number") / part.len();
    format!("{head}{}{tail}", part.repeat(times))
}

#[test]
fn large_nonsense_is_refused_in_no_time_worth_naming() {
    let exit = "{run=\"chk_haproxy#1\",status=0},";
    let wrong = "{run=\"nobody#1\",status=0},";
    for text in [
        large("", "[", ""),
        large("format = 1\nx = ", "[", ""),
        large("", "=", ""),
        large("", "a.", ""),
        large("", "x = 1.5s\n", ""),
        large("", "\"", ""),
        large(SMALL, "[[wake]]\n", ""),
        large(SMALL, "[[script]]\n", ""),
        large(SMALL, "x.", "y = 1"),
        large("format = 1\n", "#\n", ""),
        large(SMALL, "[[wake]]\nafter = \"+1s\"\n", ""),
        SMALL.replace("signals", &large("exits = [", exit, "]\nsignals")),
        SMALL.replace("signals", &large("exits = [", wrong, "]\nsignals")),
    ] {
        if let Err(problems) = format("large.toml", &text) {
            assert!(problems.to_string().len() < 10_000);
        }
    }
}

#[test]
fn every_scenario_of_the_project_is_canonical() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files = 0;
    for family in std::fs::read_dir(folder).expect("the folder of scenarios").flatten() {
        for file in std::fs::read_dir(family.path()).into_iter().flatten().flatten() {
            let text = load_text(&file.path()).expect("text");
            let name = file.path().display().to_string();
            let formatted = format(&name, &text).map_err(|problems| problems.to_string());
            assert_eq!(formatted, Ok(text), "{name}");
            files += 1;
        }
    }
    assert!(files > 20, "{files} scenarios");
}
