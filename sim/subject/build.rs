//! Builds the preload library for the real program, to be embedded in the command.
//!
//! Always: it is built the same way whatever the command itself is built as: optimised, panics aborting,
//! without the C library on its link line, in a target folder of its own, free of what the outer build sets.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What an outer build sets for its own compilations.
const STRIPPED: [&str; 14] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_TARGET_DIR",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "MFLAGS",
    "CLIPPY_ARGS",
    "CLIPPY_CONF_DIR",
];

/// The library's profile, over the workspace's own.
const PROFILE: [&str; 7] = [
    "profile.release.opt-level=3",
    "profile.release.panic=\"abort\"",
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.debug=\"line-tables-only\"",
    "profile.release.debug-assertions=false",
    "profile.release.overflow-checks=false",
];

/// Its unwinding tables show who called whom through it. `dlsym` lived in a library of its own before glibc 2.34; later ones keep it, empty.
const RUSTFLAGS: [&str; 3] =
    ["-Cforce-unwind-tables=yes", "-Clink-arg=-Wl,--no-as-needed", "-Clink-arg=-l:libdl.so.2"];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let sim = here.parent().expect("this crate lies below sim/").to_path_buf();
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    for source in ["preload", "world/src", "world/Cargo.toml", "../model/src", "../model/Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", sim.join(source).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let fits = |name: &str, value: &str| env::var(name).as_deref() == Ok(value);
    let supported = fits("CARGO_CFG_TARGET_ARCH", "x86_64") && fits("CARGO_CFG_TARGET_OS", "linux");
    let library = if supported {
        build(&sim, &out.join("preload"))
    } else {
        // The engine says at run time that this machine is not one that it knows.
        let empty = out.join("no-preload");
        fs::write(&empty, []).expect("the build's own folder can be written to");
        empty
    };
    println!("cargo::rustc-env=PRELOAD_SO={}", library.display());
}

fn build(sim: &Path, target: &Path) -> PathBuf {
    // All that is needed was fetched for the outer build already, unless that resolved its own versions.
    let offline = run(sim, target, true);
    let output = if offline.status.success() { offline } else { run(sim, target, false) };
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        panic!("the preload library does not build:\n{errors}");
    }
    target.join("release/libtreefall_preload.so")
}

fn run(sim: &Path, target: &Path, offline: bool) -> Output {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    for name in STRIPPED {
        command.env_remove(name);
    }
    let settings = env::vars_os().map(|(name, _)| name);
    for name in settings.filter(|name| name.to_str().is_some_and(|name| name.starts_with("CARGO_PROFILE_"))) {
        command.env_remove(name);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"));
    command
        .args(["build", "--release", "--quiet"])
        .arg("--manifest-path")
        .arg(sim.join("preload/Cargo.toml"));
    command.arg("--target-dir").arg(target);
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    if offline {
        command.arg("--offline");
    }
    command.current_dir(sim).output().expect("cargo, which runs this build, can be run")
}
