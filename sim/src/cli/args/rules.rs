//! Checks the rules of `sim/guide/command-line.md` on every command.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command, CommandFactory as _, Parser as _};

use super::Cli;

/// The value of each flag that several commands share.
const SHARED: [(&str, Option<&str>); 21] = [
    ("all", None),
    ("as", Some("RELEASE")),
    ("bisect", None),
    ("cancelling", None),
    ("config", Some("FILE")),
    ("for", Some("TIME")),
    ("github", None),
    ("junit", Some("FILE")),
    ("law", Some("LAW")),
    ("of", Some("NAME")),
    ("out", Some("DIR")),
    ("output", Some("FILE")),
    ("overwrite", None),
    ("resume", Some("DIR")),
    ("sampling", Some("WAY")),
    ("scripts", Some("N")),
    ("seed", Some("N")),
    ("target", Some("TARGET")),
    ("traces", Some("N")),
    ("wakes", Some("N")),
    ("help", None),
];
/// Flags of every command.
const GLOBAL: [&str; 4] = ["json", "quiet", "verbose", "jobs"];
/// Names of values. A file that is read or written may be `-`; a folder may not.
const VALUES: [&str; 22] = [
    "COMMAND", "DIR", "FILE", "I/N", "ID", "LAW", "MACHINE", "MIB", "N", "NAME", "NEW", "RELEASE", "SCRIPT",
    "SHELL", "SPAN", "SPREAD", "SUITE", "TARGET", "TIME", "UNTIL", "URL", "WAY",
];
/// One-letter flags.
const SHORT: [(char, &str); 5] =
    [('h', "help"), ('o', "output"), ('q', "quiet"), ('v', "verbose"), ('V', "version")];

/// Returns each command without subcommands, with the words that invoke it.
fn commands() -> Vec<(String, Command)> {
    fn below(command: &Command, words: &str, all: &mut Vec<(String, Command)>) {
        let words = format!("{words} {}", command.get_name()).trim().to_owned();
        all.push((words.clone(), command.clone()));
        command.get_subcommands().filter(|it| it.get_name() != "help").for_each(|it| below(it, &words, all));
    }
    let mut top = Cli::command();
    top.build();
    let mut all = Vec::new();
    below(&top, "", &mut all);
    all
}

fn value(arg: &Arg) -> Option<String> {
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let names = arg.get_value_names().unwrap_or_default();
    takes.then(|| names.first().map_or_else(|| arg.get_id().to_string(), ToString::to_string))
}

#[test]
fn a_flag_takes_the_same_value_on_every_command() {
    let mut seen: BTreeMap<String, Vec<(String, Option<String>)>> = BTreeMap::new();
    for (words, command) in commands() {
        for arg in command.get_arguments() {
            let Some(long) = arg.get_long() else { continue };
            seen.entry(long.to_owned()).or_default().push((words.clone(), value(arg)));
        }
    }
    for (long, uses) in seen {
        if GLOBAL.contains(&long.as_str()) || uses.len() < 2 {
            continue;
        }
        let rule = SHARED.iter().find(|(shared, _)| *shared == long);
        let (_, wanted) = rule.unwrap_or_else(|| panic!("`--{long}` is on {uses:?}: give it a rule"));
        for (words, value) in uses {
            assert_eq!(value.as_deref(), *wanted, "`{words} --{long}`");
        }
    }
}

#[test]
fn every_command_has_the_common_flags_unchanged() {
    let top = Cli::command();
    for (words, command) in commands() {
        for name in GLOBAL {
            let help = |command: &Command| {
                let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name));
                arg.and_then(Arg::get_help).map(ToString::to_string)
            };
            assert_eq!(help(&command), help(&top), "`{words} --{name}`");
        }
    }
}

#[test]
fn value_names_and_letters_come_from_one_list() {
    for (words, command) in commands() {
        for arg in command.get_arguments() {
            if let Some(value) = value(arg) {
                assert!(VALUES.contains(&value.as_str()), "`{words}`: {value}");
            }
            let short = arg.get_short();
            let known = |short: char| SHORT.iter().find(|(letter, _)| *letter == short);
            let wanted = short.map(|short| known(short).unwrap_or_else(|| panic!("`{words} -{short}`")).1);
            assert!(wanted.is_none() || wanted == arg.get_long(), "`{words}`: {short:?}");
        }
    }
}

#[test]
fn a_flag_has_the_same_default_on_every_command() {
    for (words, command) in commands() {
        for arg in command.get_arguments() {
            let defaults: Vec<String> =
                arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
            let Some(default) = defaults.first() else { continue };
            match arg.get_long() {
                Some("seed") => assert_eq!(default, "1", "{words}"),
                Some("sampling") => assert_eq!(default, "swarm", "{words}"),
                Some("out") if words == "treefall corpus import" => assert_eq!(default, "fuzz/corpus"),
                Some("out") => assert!(default.starts_with("reports"), "{words}: {default}"),
                _ => {}
            }
        }
    }
}

#[test]
fn published_spellings_still_parse() {
    for line in [
        "treefall corpus import a.toml --into corpus",
        "treefall corpus export a -o finds",
        "treefall corpus minimise corpus --into less",
        "treefall conform --jobs 3",
        "treefall import log --window 10m",
        "treefall import log --window 10min",
        "treefall hunt --for 10m",
        "treefall hunt --for 10min",
    ] {
        if let Err(error) = Cli::try_parse_from(line.split(' ')) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn the_guide_names_every_shared_flag() {
    let guide = include_str!("../../../guide/command-line.md");
    for (long, _) in SHARED.iter().filter(|(long, _)| *long != "help") {
        assert!(guide.contains(&format!("`--{long}")), "--{long}");
    }
    for name in GLOBAL {
        assert!(guide.contains(&format!("`--{name}")), "--{name}");
    }
}
