//! Reads from the manifests what cargo can build here, and checks `cargo` commands against it.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Table;

/// Kinds of target: the name of the option (and, without dashes, of the manifest's table), and the default folder.
const KINDS: [(&str, &str); 4] =
    [("--bin", "src/bin"), ("--example", "examples"), ("--test", "tests"), ("--bench", "benches")];

/// Argument of an option.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    /// A package of the workspace.
    Package,
    /// A target of the option's kind.
    Target,
    /// A folder with a manifest.
    Folder,
    /// A word that only the tool itself knows.
    Word,
}

/// Options, with their arguments.
const OPTIONS: [(&str, Takes); 16] = [
    ("--all", Takes::Nothing),
    ("--all-targets", Takes::Nothing),
    ("--check", Takes::Nothing),
    ("--workspace", Takes::Nothing),
    ("--release", Takes::Nothing),
    ("--locked", Takes::Nothing),
    ("--open", Takes::Nothing),
    ("--no-trace-compares", Takes::Nothing),
    ("-p", Takes::Package),
    ("--package", Takes::Package),
    ("--bin", Takes::Target),
    ("--example", Takes::Target),
    ("--test", Takes::Target),
    ("--bench", Takes::Target),
    ("--path", Takes::Folder),
    ("-s", Takes::Word),
];

/// Subcommands of cargo, with their options.
const DOES: [(&str, &[&str]); 8] = [
    ("run", &["--release", "--locked", "-p", "--package", "--bin", "--example"]),
    ("test", &["--release", "--locked", "-p", "--package", "--bin", "--example", "--test", "--bench"]),
    ("bench", &["--locked", "-p", "--package", "--bench"]),
    ("doc", &["--locked", "-p", "--package", "--open"]),
    ("install", &["--locked", "--path"]),
    ("fmt", &["--all", "--check"]),
    ("clippy", &["--workspace", "--all-targets", "--locked", "-p", "--package"]),
    ("fuzz", &["-s", "--no-trace-compares"]),
];

/// Commands that are installed from elsewhere.
const PUBLISHED: [&str; 1] = ["cargo-fuzz"];

struct Package {
    name: String,
    /// Used if no package is named.
    default: bool,
    /// Kind and name.
    targets: BTreeSet<(&'static str, String)>,
}

/// The packages of the repository.
pub(crate) struct Packages {
    members: Vec<Package>,
    fuzz: Package,
}

/// What a valid `cargo` command runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing of this repository.
    Nothing,
    /// The command, with these arguments.
    Treefall(Vec<String>),
    /// The example of this name, with these arguments.
    Example(String, Vec<String>),
}

impl Packages {
    /// Reads the manifests below `top`.
    pub(crate) fn read(top: &Path) -> Self {
        let whole = manifest(top);
        let listed = |key: &str| -> Vec<String> {
            let list = whole["workspace"][key].as_array().expect("a list");
            list.iter().map(|it| it.as_str().expect("a folder").to_owned()).collect()
        };
        let defaults = listed("default-members");
        let members = listed("members");
        let members = members.iter().map(|folder| package(&top.join(folder), defaults.contains(folder)));
        Self { members: members.collect(), fuzz: package(&top.join("fuzz"), false) }
    }

    /// Checks that the words after `cargo` name existing packages and targets, and returns what they run.
    ///
    /// # Errors
    /// A missing package or target, or an unknown part of cargo.
    pub(crate) fn check(&self, top: &Path, words: &[String]) -> Result<Then, String> {
        let (cargo, behind) = match words.iter().position(|word| word == "--") {
            Some(place) => (&words[..place], &words[place + 1..]),
            None => (words, &[][..]),
        };
        let mut cargo = cargo.iter().skip_while(|word| word.starts_with('+'));
        let does = cargo.next().map(String::as_str).unwrap_or_default();
        let options = DOES.iter().find(|(name, _)| *name == does).map(|(_, options)| *options);
        let options = options.ok_or_else(|| format!("`cargo {does}` is not known here"))?;
        let (mut asked, mut package, mut names) = (Vec::new(), None, Vec::new());
        while let Some(word) = cargo.next() {
            if !word.starts_with('-') {
                names.push(word.as_str());
                continue;
            }
            let takes = OPTIONS.iter().find(|(option, _)| option == word && options.contains(option));
            let (option, takes) = takes.ok_or_else(|| format!("`cargo {does}` has no `{word}` here"))?;
            if matches!(takes, Takes::Nothing) {
                continue;
            }
            let value = cargo.next().ok_or_else(|| format!("nothing follows `{word}`"))?;
            match takes {
                Takes::Package => package = Some(self.named(value)?),
                Takes::Target => asked.push((*option, value.clone())),
                Takes::Folder if !top.join(value).join("Cargo.toml").is_file() => {
                    return Err(format!("`{value}` is no folder of a package"));
                }
                Takes::Nothing | Takes::Folder | Takes::Word => {}
            }
        }
        for target in &asked {
            let mut among = self.members.iter().filter(|it| package.map_or(it.default, |one| one == it.name));
            if !among.any(|it| it.targets.contains(target)) {
                return Err(format!(
                    "no `{} {}` in {}",
                    target.0,
                    target.1,
                    package.unwrap_or("the workspace")
                ));
            }
        }
        self.names(does, &names)?;
        then(does, &asked, behind)
    }

    fn named(&self, name: &str) -> Result<&str, String> {
        let found = self.members.iter().find(|it| it.name == name);
        found.map(|it| it.name.as_str()).ok_or_else(|| format!("no package `{name}` in the workspace"))
    }

    /// Checks the words without options.
    fn names(&self, does: &str, names: &[&str]) -> Result<(), String> {
        let right = match (does, names) {
            (_, []) => does != "fuzz",
            ("fuzz", ["run", target] | ["fmt", target, _]) => {
                self.fuzz.targets.contains(&("--bin", (*target).to_owned()))
            }
            ("install", [name]) => PUBLISHED.contains(name),
            ("test", [filter]) => is_test_module(filter),
            _ => false,
        };
        right.then_some(()).ok_or_else(|| format!("`cargo {does} {}` names nothing here", names.join(" ")))
    }
}

/// Returns what is run, with the words after `--`.
fn then(does: &str, asked: &[(&str, String)], behind: &[String]) -> Result<Then, String> {
    match (does, asked) {
        ("run", []) => Ok(Then::Treefall(behind.to_vec())),
        ("run", [("--example", name)]) => Ok(Then::Example(name.clone(), behind.to_vec())),
        // Options of the compiler itself.
        ("clippy", _) if matches!(behind, [option, lint] if option == "-D" && lint == "warnings") => {
            Ok(Then::Nothing)
        }
        // Options of the fuzzer itself.
        ("fuzz", _) if behind.iter().all(|word| word.starts_with('-')) => Ok(Then::Nothing),
        _ if behind.is_empty() => Ok(Then::Nothing),
        _ => Err(format!("`{}` behind `cargo {does} --` is not known here", behind.join(" "))),
    }
}

fn manifest(folder: &Path) -> Table {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn package(folder: &Path, default: bool) -> Package {
    let manifest = manifest(folder);
    let name = manifest["package"]["name"].as_str().expect("a name").to_owned();
    let mut targets = BTreeSet::new();
    if folder.join("src/main.rs").exists() {
        targets.insert(("--bin", name.clone()));
    }
    for (option, lies) in KINDS {
        let listed = manifest.get(option.trim_start_matches('-')).and_then(toml::Value::as_array);
        let listed = listed.into_iter().flatten().filter_map(|it| it["name"].as_str().map(str::to_owned));
        targets.extend(listed.map(|name| (option, name)));
        for entry in std::fs::read_dir(folder.join(lies)).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let is_target = path.extension().is_some_and(|it| it == "rs") || path.join("main.rs").exists();
            let stem = path.file_stem().and_then(|it| it.to_str()).filter(|_| is_target);
            targets.extend(stem.map(|stem| (option, stem.to_owned())));
        }
    }
    Package { name, default, targets }
}

/// Reports whether `filter` begins with a module of the integration tests: `daemons::` or `daemons::a_name`.
fn is_test_module(filter: &str) -> bool {
    let Some((module, _)) = filter.split_once("::") else { return false };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    ["it", "suites"].iter().any(|binary| tests.join(binary).join(module).with_extension("rs").is_file())
}
