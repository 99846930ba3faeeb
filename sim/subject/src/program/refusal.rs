//! Why a file is no program that treefall can drive.
//!
//! Invariant: each message names the place and the remedy. These are errors of the command line, never verdicts about
//! a program.

use std::path::PathBuf;

/// The remedy where there is no keepalived, as a part of a message.
pub const INSTALL: &str = "install one (`apt-get install keepalived`) or fetch Debian's (`treefall roots fetch sid`, \
    which needs mmdebstrap; `treefall targets` then names it)";

/// Largest accepted program, in bytes; more than any keepalived with debug information.
pub(super) const FILE_MAX: u64 = 256 << 20;

/// Why a file is no program that treefall can drive. Each message states the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; check the path, or {INSTALL}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The path is a folder.
    #[error("{path} is a folder; name the keepalived program in it, as `usr/sbin/keepalived`")]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The file is larger than any keepalived.
    #[error("{path} has {size} bytes, more than any keepalived ({FILE_MAX} at most)")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// The file is a script.
    #[error("{path} is a script; name the program that it starts")]
    Script {
        /// The file.
        path: PathBuf,
    },
    /// The file is no ELF file, or a broken one.
    #[error("{path} is no x86-64 ELF program ({why}); name a keepalived built for this kind of machine")]
    NotElf {
        /// The file.
        path: PathBuf,
        /// The error of the ELF reader.
        why: String,
    },
    /// It is an ELF file for another kind of machine.
    #[error(
        "{path} is built for {machine}, and the engine drives x86-64 programs alone, without an emulator; name the \
         amd64 build of the same release, or use `replica:RELEASE`, which is the same on every machine"
    )]
    OtherMachine {
        /// The file.
        path: PathBuf,
        /// The kind of machine.
        machine: String,
    },
    /// It is an ELF file that is not executable.
    #[error("{path} is {what}, not a program; name the linked keepalived")]
    NotProgram {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// It is linked statically, so that nothing can be preloaded.
    #[error(
        "{path} is linked statically{}, so that no library can be preloaded into it; build keepalived with dynamic \
         linking: without `{}` in LDFLAGS", if *.pie { " (static-pie)" } else { "" }, if *.pie { "-static-pie" } else { "-static" }
    )]
    Static {
        /// The file.
        path: PathBuf,
        /// It is position-independent.
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
    /// It has no banner of keepalived.
    #[error(
        "{path} is no keepalived: the text `Keepalived v` with a version is nowhere in it; name the keepalived \
         program itself, as `/usr/sbin/keepalived`"
    )]
    NotKeepalived {
        /// The file.
        path: PathBuf,
    },
    /// Its release is older than any in the tables.
    #[error(
        "{path} says `{banner}`: older than {}, the oldest release that treefall knows; `,as=RELEASE` behind its name, or \
         `--as RELEASE`, drives it as another all the same",
        treefall_model::release::Release::OLDEST
    )]
    UnknownRelease {
        /// The file.
        path: PathBuf,
        /// Its banner.
        banner: String,
    },
    /// It contains an allocator, or a sanitizer's.
    #[error(
        "{path} ({banner}) has {what} linked into it, so that the engine cannot hand out its entries; {remedy}"
    )]
    OwnAllocator {
        /// The file.
        path: PathBuf,
        /// Its banner.
        banner: String,
        /// What it contains.
        what: &'static str,
        /// The remedy.
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
        /// Its banner.
        banner: String,
        /// The missing names; not empty.
        missing: Vec<&'static str>,
        /// Why they are missing, with the remedy.
        why: Hidden,
    },
}

/// Why a program's functions cannot be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hidden {
    /// The only symbol table is that of exported symbols.
    Stripped,
    /// The linker optimised the whole program and changed its functions.
    Optimised,
    /// The symbol table does not contain them.
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
