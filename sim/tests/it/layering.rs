//! Checks the layers of the source tree: reads the imports from the sources and compares them with the tables below.
//!
//! - Between crates: a manifest depends only on crates that the table allows.
//! - Within a crate: no cycle among its files, and no import against the crate's order of modules, if it has one.
//!
//! An import is a path that names an item or a module of another file of the crate, in a `use` or in code. A path
//! through a re-export counts as an import of the file that defines the name. Code under `#[cfg(test)]` does not
//! count.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use imports::{Imports, read};

/// A crate of the project.
struct Layer {
    name: &'static str,
    /// Its folder, from the top of the repository.
    folder: &'static str,
    /// Crates of the project that it may depend on, tests aside.
    may_import: &'static [&'static str],
    /// Number of groups of files with cyclic imports that are still allowed; the goal is 0 for every crate.
    cycles: usize,
    /// Modules from the lowest to the highest: a module imports only from its own row and earlier ones. Empty: no
    /// order is fixed.
    order: &'static [&'static [&'static str]],
}

/// The crates, from the lowest to the highest.
static LAYERS: [Layer; 12] = [
    Layer { name: "treefall-model", folder: "model", may_import: &[], cycles: 0, order: &[] },
    Layer { name: "treefall-base", folder: "sim/base", may_import: &[], cycles: 0, order: &[] },
    Layer {
        name: "treefall-world",
        folder: "sim/world",
        may_import: &["treefall-model"],
        cycles: 0,
        order: &[],
    },
    Layer {
        name: "treefall-preload",
        folder: "sim/preload",
        may_import: &["treefall-model", "treefall-world"],
        cycles: 0,
        order: &[
            &["sys", "single", "libc", "clocks", "descriptors", "registers", "ledger", "blocks"],
            &["sanitizer", "escape", "stopped", "fatal", "progress"],
            &["arena", "heap", "program", "callbacks", "filter"],
            &["crash", "single_step", "asleep", "watchdog"],
            &["layout", "probe", "search", "calibrate", "drive", "daemon"],
            &["signals", "serve"],
            &["start", "log", "hooks"],
        ],
    },
    Layer {
        name: "treefall-scenario",
        folder: "sim/scenario",
        may_import: &["treefall-base", "treefall-model"],
        cycles: 0,
        order: &[],
    },
    Layer {
        name: "treefall-subject",
        folder: "sim/subject",
        may_import: &["treefall-base", "treefall-model", "treefall-world"],
        cycles: 4,
        order: &[],
    },
    Layer {
        name: "treefall-search",
        folder: "sim/search",
        may_import: &[
            "treefall-base",
            "treefall-model",
            "treefall-scenario",
            "treefall-subject",
            "treefall-world",
        ],
        cycles: 0,
        order: &[],
    },
    Layer {
        name: "treefall-report",
        folder: "sim/report",
        may_import: &[
            "treefall-base",
            "treefall-model",
            "treefall-scenario",
            "treefall-subject",
            "treefall-world",
            "treefall-search",
        ],
        cycles: 0,
        order: &[],
    },
    Layer {
        name: "treefall-field",
        folder: "sim/field",
        may_import: &[
            "treefall-base",
            "treefall-model",
            "treefall-scenario",
            "treefall-subject",
            "treefall-world",
            "treefall-search",
            "treefall-report",
        ],
        cycles: 0,
        order: &[],
    },
    Layer {
        name: "treefall",
        folder: "sim",
        may_import: &[
            "treefall-base",
            "treefall-model",
            "treefall-scenario",
            "treefall-subject",
            "treefall-world",
            "treefall-search",
            "treefall-report",
            "treefall-field",
        ],
        cycles: 1,
        order: &[],
    },
    Layer { name: "treefall-peers", folder: "sim/peers", may_import: &["treefall"], cycles: 0, order: &[] },
    Layer { name: "treefall-fuzz", folder: "fuzz", may_import: &["treefall"], cycles: 0, order: &[] },
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads the imports of a crate, file by file.
fn imports_of(layer: &Layer) -> Imports {
    let src = top().join(layer.folder).join("src");
    read(&|path| fs::read_to_string(src.join(path)).ok())
        .unwrap_or_else(|why| panic!("{}: {why}", layer.folder))
}

/// Returns the folders of all manifests, without build output.
fn packages() -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        if top().join(&folder).join("Cargo.toml").is_file() && folder != Path::new("") {
            folders.insert(folder.display().to_string());
        }
        for entry in fs::read_dir(top().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && name != "target" && name != "src" && !name.starts_with('.') {
                waiting.push(folder.join(name));
            }
        }
    }
    folders
}

#[test]
fn every_package_has_a_layer() {
    let listed: BTreeSet<String> = LAYERS.iter().map(|layer| layer.folder.to_owned()).collect();
    assert_eq!(packages(), listed, "folders of packages, and those of the table of layers");
}

#[test]
fn manifests_depend_only_on_lower_layers() {
    for layer in &LAYERS {
        let path = top().join(layer.folder).join("Cargo.toml");
        let text = fs::read_to_string(&path).expect("a manifest");
        let manifest: toml::Table = text.parse().expect("a manifest");
        assert_eq!(manifest["package"]["name"].as_str(), Some(layer.name));
        let own: Vec<&str> = LAYERS.iter().map(|layer| layer.name).collect();
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        for name in
            dependencies.into_iter().flat_map(toml::Table::keys).filter(|name| own.contains(&name.as_str()))
        {
            assert!(layer.may_import.contains(&name.as_str()), "{} must not depend on {name}", layer.name);
        }
    }
}

#[test]
fn no_crate_has_more_cycles_than_the_table_says() {
    for layer in &LAYERS {
        let imports = imports_of(layer);
        let cycles = imports.cycles();
        let listed: Vec<String> = cycles.iter().map(|files| files.join(", ")).collect();
        assert_eq!(
            cycles.len(),
            layer.cycles,
            "{}: cycles among files; remove the new one, or lower the number in the table:\n{}",
            layer.name,
            listed.join("\n")
        );
    }
}

#[test]
fn files_import_only_in_their_crates_order() {
    for layer in LAYERS.iter().filter(|layer| !layer.order.is_empty()) {
        assert_eq!(against(layer.order, &imports_of(layer)), Vec::<String>::new(), "{}", layer.name);
    }
}

/// Returns the imports against an order, and the modules without a row.
fn against(order: &[&[&str]], imports: &Imports) -> Vec<String> {
    let rows: BTreeMap<&str, usize> = order
        .iter()
        .enumerate()
        .flat_map(|(row, modules)| modules.iter().map(move |name| (*name, row)))
        .collect();
    // The root may import everything; nothing may import the root.
    let row =
        |file: &str| if file == imports.root { Some(usize::MAX) } else { rows.get(module_of(file)).copied() };
    let mut wrong = Vec::new();
    for (from, to) in &imports.arrows {
        match (row(from), row(to)) {
            (Some(from_row), Some(to_row)) if to_row <= from_row => {}
            (None, _) => wrong.push(format!("{from}: on no row of the order")),
            (_, None) => wrong.push(format!("{to}: on no row of the order")),
            _ => wrong.push(format!("{from} imports {to}, which is on a higher row")),
        }
    }
    wrong
}

/// Returns the top-level module of a file.
fn module_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.trim_end_matches(".rs")
}

fn of(sources: &[(&str, &str)]) -> Imports {
    let sources: BTreeMap<&str, &str> = sources.iter().copied().collect();
    read(&|path| sources.get(path).map(|text| (*text).to_owned())).expect("a crate")
}

#[test]
fn a_cycle_is_found_through_use_code_and_re_exports() {
    let root = ("lib.rs", "mod a; mod b;");
    for (a, b) in [
        ("use crate::b::B; pub struct A;", "use super::a::A; pub struct B;"),
        ("use crate::{b, other::X}; fn f() { b::g() }", "pub fn g() { crate::a::f() }"),
        ("fn f(_: super::b::B) {}", "use crate::a::*;"),
    ] {
        assert_eq!(of(&[root, ("a.rs", a), ("b.rs", b)]).cycles(), [["a.rs", "b.rs"]], "{a} {b}");
    }
    let facade = [
        ("lib.rs", "mod a; mod f;"),
        ("f/mod.rs", "mod inner; pub use inner::{Deep as Renamed, *};"),
        ("f/inner.rs", "use crate::a::A; pub struct Deep;"),
        ("a.rs", "use crate::f::Renamed; pub struct A;"),
    ];
    assert_eq!(of(&facade).cycles(), [["a.rs", "f/inner.rs"]]);
}

#[test]
fn tests_comments_and_strings_import_nothing() {
    let sources = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod tests;"),
        ("a.rs", "use crate::b::B; /* crate::a */ fn f() -> char { '\\'' }"),
        (
            "b.rs",
            "//! [`crate::a`]\nfn f<'a>() -> &'a str { \"crate::a\" } const R: &str = r#\"crate::a \" \"#;
             #[cfg(test)]\nmod tests { use crate::a; } #[cfg(test)] use crate::a::A;",
        ),
    ];
    let imports = of(&sources);
    assert_eq!(imports.cycles(), Vec::<Vec<String>>::new());
    assert_eq!(imports.arrows, [("a.rs".to_owned(), "b.rs".to_owned())].into());
}

#[test]
fn an_import_against_the_order_is_named() {
    let sources = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b;"),
        ("b.rs", ""),
        ("c.rs", "use crate::a;"),
    ];
    let imports = of(&sources);
    assert_eq!(against(&[&["b"], &["a"], &["c"]], &imports), Vec::<String>::new());
    assert_eq!(against(&[&["a"], &["b"], &["c"]], &imports), ["a.rs imports b.rs, which is on a higher row"]);
    assert_eq!(against(&[&["b"], &["a"]], &imports), ["c.rs: on no row of the order"]);
    let root = of(&[("lib.rs", "mod a; pub struct R;"), ("a.rs", "use crate::R;")]);
    assert_eq!(against(&[&["a"]], &root), ["a.rs imports lib.rs, which is on a higher row"]);
}
