//! Why a file is no program that treefall can drive.
//!
//! Always: a text names the place and the remedy. What is told here is an error of the command line, never a
//! verdict about a program.

use std::path::PathBuf;

use super::{FILE_MAX, INSTALL};

/// Why a file is no program that treefall can drive. Each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}; check the path, or {INSTALL}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is a folder.
    #[error("{path} is a folder; name the keepalived program in it, as `usr/sbin/keepalived`")]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// It is far larger than any keepalived.
    #[error("{path} has {size} bytes, more than any keepalived ({FILE_MAX} at most)")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// It is a script.
    #[error("{path} is a script; name the program that it starts")]
    Script {
        /// The file.
        path: PathBuf,
    },
    /// It is no ELF file, or a broken one.
    #[error("{path} is no x86-64 ELF program ({why}); name a keepalived built for this kind of machine")]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What the reader found.
        why: String,
    },
    /// It is an ELF file of another kind of machine.
    #[error(
        "{path} is built for {machine}, and the engine drives x86-64 programs alone, without an emulator; name the \
         amd64 build of the same release, or use `replica:RELEASE`, which is the same on every machine"
    )]
    OtherMachine {
        /// The file.
        path: PathBuf,
        /// Which.
        machine: String,
    },
    /// It is an ELF file that is not to be executed.
    #[error("{path} is {what}, not a program; name the linked keepalived")]
    NotProgram {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// It is linked statically: nothing can be preloaded.
    #[error(
        "{path} is linked statically{}, so that no library can be preloaded into it; build keepalived with dynamic \
         linking: without `{}` in LDFLAGS", if *.pie { " (static-pie)" } else { "" }, if *.pie { "-static-pie" } else { "-static" }
    )]
    Static {
        /// The file.
        path: PathBuf,
        /// It can be loaded anywhere.
        pie: bool,
    },
    /// It is linked against another C library.
    #[error(
        "{path} is linked against {interpreter}{}; the engine's library stands before glibc's functions and knows \
         no other: take a build against glibc, as Debian's package of the same release, or use `replica:RELEASE`",
        if .interpreter.contains("musl") { " (musl, as on Alpine)" } else { "" }
    )]
    OtherLoader {
        /// The file.
        path: PathBuf,
        /// Its loader.
        interpreter: String,
    },
    /// It says nowhere that it is a keepalived.
    #[error(
        "{path} is no keepalived: the text `Keepalived v` with a version is nowhere in it; name the keepalived \
         program itself, as `/usr/sbin/keepalived`"
    )]
    NotKeepalived {
        /// The file.
        path: PathBuf,
    },
    /// Its release is older than any that the tables know.
    #[error(
        "{path} says `{banner}`: older than {}, the oldest release that treefall knows; `,as=RELEASE` behind its name, or \
         `--as RELEASE`, drives it as another all the same",
        treefall_model::release::Release::OLDEST
    )]
    UnknownRelease {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        banner: String,
    },
    /// It has an allocator of its own, or a sanitizer's.
    #[error(
        "{path} ({banner}) has {what} linked into it, so that the engine cannot hand out its entries; {remedy}"
    )]
    OwnAllocator {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        banner: String,
        /// What is in it.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Its scheduler's functions cannot be found.
    #[error(
        "{path} ({banner}) does not show its scheduler's functions: {} missing, of which `{}`; {why}",
        missing.len(), missing[0]
    )]
    NoSymbols {
        /// The file.
        path: PathBuf,
        /// What it says of itself.
        banner: String,
        /// What is missing. Not empty.
        missing: Vec<&'static str>,
        /// Why they are missing, and what to do.
        why: Hidden,
    },
}

/// Why the functions of a program are not to be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hidden {
    /// There is no symbol table besides what the program exports.
    Stripped,
    /// The linker saw the whole program and made other functions of them.
    Optimised,
    /// There is a symbol table, and they are not in it.
    Elsewhere,
}

impl std::fmt::Display for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stripped => {
                "it is stripped: take the unstripped program of the build tree (`keepalived/keepalived`, not \
                 `bin/keepalived`), or one linked with `-Wl,-E` as Debian's is, or install its debug symbols \
                 (/usr/lib/debug/.build-id, or PROGRAM.debug beside it)"
            }
            Self::Optimised => {
                "link-time optimisation took them apart: add `-Wl,-E` to LDFLAGS beside `-flto`, or build \
                 without it"
            }
            Self::Elsewhere => {
                "it has symbols, but not these: take a build of keepalived itself, or one linked with `-Wl,-E` \
                 as Debian's is"
            }
        })
    }
}
