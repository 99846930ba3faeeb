//! Fate of each call that a driven program makes: one list for the preloaded library, for the ledger of a run, and for
//! checking a program's imports before it runs.
//!
//! Invariants: a name is on the list once. The library counts each call that it intercepts. Calls that it lets through
//! or does not intercept meet the kernel's filter of system calls (`sim/preload`, `filter`).

/// Fate of a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// The world answers it.
    Virtual,
    /// The real function is called.
    LetThrough,
    /// It ends the run with its name.
    Forbidden,
}

impl Fate {
    /// Returns the fate in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::LetThrough => "let through",
            Self::Forbidden => "forbidden",
        }
    }
}

/// Calls with the same fate.
#[derive(Debug)]
pub struct Row {
    /// The reason.
    pub why: &'static str,
    /// Fate in a program whose scheduler alone is driven.
    pub engine: Fate,
    /// Fate in a whole daemon.
    pub daemon: Fate,
    /// Whether the library intercepts and counts them.
    pub counted: bool,
    /// The names; one that ends in `*` is a prefix.
    pub names: &'static [&'static str],
}

const fn row(
    why: &'static str,
    engine: Fate,
    daemon: Fate,
    counted: bool,
    names: &'static [&'static str],
) -> Row {
    Row { why, engine, daemon, counted, names }
}

use Fate::{Forbidden, LetThrough, Virtual};

/// The list; counted rows come first.
pub const ROWS: [Row; 18] = [
    row(
        "the world's own clock, children, signals, descriptors and memory",
        Virtual,
        Virtual,
        true,
        &[
            "__libc_start_main",
            "clock_gettime",
            "gettimeofday",
            "time",
            "epoll_create",
            "epoll_create1",
            "epoll_ctl",
            "epoll_wait",
            "timerfd_create",
            "timerfd_settime",
            "signalfd",
            "read",
            "close",
            "fcntl",
            "fcntl64",
            "waitpid",
            "kill",
            "getpgid",
            "sigaction",
            "sigprocmask",
            "pthread_sigmask",
            "__vsyslog_chk",
            "vsyslog",
            "random",
            "srandom",
            "malloc",
            "calloc",
            "free",
            "realloc",
            "magic_open",
        ],
    ),
    row(
        "a daemon has descriptors of its own beside the virtual ones",
        Forbidden,
        LetThrough,
        true,
        &["read (real)", "close (real)", "fcntl (real)", "fcntl64 (real)"],
    ),
    row(
        "makes or ends a process, or waits: the world does it for a daemon, and nothing real comes of it",
        Forbidden,
        Virtual,
        true,
        &["fork", "execve", "execv", "execvp", "exit", "_exit", "popen", "sleep", "usleep", "nanosleep"],
    ),
    row(
        "changes what a process is to the machine: a daemon is told that it was done",
        Forbidden,
        Virtual,
        true,
        &[
            "setpgid",
            "setgroups",
            "setgid",
            "setuid",
            "setegid",
            "seteuid",
            "setrlimit",
            "setsid",
            "setpriority",
            "sched_setscheduler",
            "prctl",
            "mlockall",
            "munlockall",
            "closelog",
            "openlog",
        ],
    ),
    row(
        "reads a daemon's own files, below its root",
        Forbidden,
        LetThrough,
        true,
        &["fopen", "fopen64", "open", "open64", "stat", "access"],
    ),
    row(
        "opens sockets and descriptors in a daemon's own namespaces, and writes where it alone can",
        Forbidden,
        LetThrough,
        true,
        &[
            "socket",
            "connect",
            "bind",
            "send",
            "sendto",
            "sendmsg",
            "recv",
            "recvfrom",
            "recvmsg",
            "eventfd",
            "inotify_init1",
            "pipe",
            "pipe2",
            "openat",
            "creat",
            "unlink",
            "rename",
        ],
    ),
    row(
        "asks which process it is: a daemon gets the same answer in each trace",
        LetThrough,
        Virtual,
        true,
        &["getpid", "getppid"],
    ),
    row("a file in memory, the process's own", LetThrough, LetThrough, true, &["memfd_create", "rewind"]),
    row(
        "makes processes or threads, waits, signals, or leaves the namespaces",
        Forbidden,
        Forbidden,
        true,
        &[
            "vfork",
            "execl",
            "execlp",
            "execle",
            "execvpe",
            "execveat",
            "fexecve",
            "posix_spawn",
            "posix_spawnp",
            "system",
            "daemon",
            "clone",
            "pthread_create",
            "waitid",
            "wait",
            "wait3",
            "wait4",
            "clock_nanosleep",
            "select",
            "pselect",
            "poll",
            "ppoll",
            "epoll_pwait",
            "epoll_pwait2",
            "pause",
            "sigsuspend",
            "sem_wait",
            "sem_timedwait",
            "pthread_cond_wait",
            "mount",
            "umount",
            "umount2",
            "setns",
            "unshare",
            "sched_setaffinity",
            "raise",
        ],
    ),
    // No call from here on is intercepted.
    row(
        "works on its arguments and on memory alone",
        LetThrough,
        LetThrough,
        false,
        &[
            "_ITM_*",
            "__ctype_*",
            "__cxa_finalize",
            "__errno_location",
            "__fdelt_chk",
            "__gmon_start__",
            "__isoc23_str*",
            "__isoc23_sscanf",
            "__isoc99_sscanf",
            "sscanf",
            "__libc_current_sigrt*",
            "__memcpy_chk",
            "__memmove_chk",
            "__memset_chk",
            "__sched_cpu*",
            "__snprintf_chk",
            "__sprintf_chk",
            "__stack_chk_fail",
            "__strcat_chk",
            "__strcpy_chk",
            "__strncat_chk",
            "__strncpy_chk",
            "__vsnprintf_chk",
            "__assert_fail",
            "asctime_r",
            "bsearch",
            "qsort",
            "ctime_r",
            "gmtime_r",
            "mktime",
            "timegm",
            "strftime",
            "strptime",
            "localtime",
            "localtime_r",
            "dirname",
            "basename",
            "gai_strerror",
            "getopt_long",
            "optarg",
            "optind",
            "opterr",
            "optopt",
            "inet_*",
            "memchr",
            "memcmp",
            "memcpy",
            "memmem",
            "memmove",
            "memrchr",
            "memset",
            "mempcpy",
            "snprintf",
            "vsnprintf",
            "sprintf",
            "stpcpy",
            "str*",
            "sigaddset",
            "sigdelset",
            "sigemptyset",
            "sigfillset",
            "sigismember",
            "abort",
            "environ",
            "__environ",
            "stdin",
            "stdout",
            "stderr",
            "setjmp",
            "longjmp",
            "sysconf",
            "confstr",
            "in6addr_*",
        ],
    ),
    row(
        "files: what is mounted can only be read, but for a file system in memory",
        LetThrough,
        LetThrough,
        false,
        &[
            "__dprintf_chk",
            "__fprintf_chk",
            "__printf_chk",
            "__vfprintf_chk",
            "__fxstat*",
            "__lxstat*",
            "__xstat*",
            "__isoc99_fscanf",
            "__isoc23_fscanf",
            "chdir",
            "chmod",
            "chown",
            "closedir",
            "dprintf",
            "fchdir",
            "fchmod",
            "fchown",
            "fclose",
            "fdopen",
            "fflush",
            "fgets",
            "fileno",
            "fprintf",
            "fputc",
            "fputs",
            "fread",
            "fseek*",
            "fstat*",
            "ftell*",
            "ftruncate*",
            "fwrite",
            "getcwd",
            "getline",
            "glob*",
            "lseek*",
            "lstat*",
            "mkdir",
            "mkfifo",
            "mkostemp*",
            "opendir",
            "pclose",
            "perror",
            "printf",
            "putc",
            "putchar",
            "puts",
            "readdir*",
            "readlink",
            "realpath",
            "rmdir",
            "statfs*",
            "truncate*",
            "umask",
            "vfprintf",
            "write",
            "writev",
            "openat64",
            "creat64",
            "stat64",
        ],
    ),
    row(
        "asks or sets up descriptors and sockets, which are the process's own or a namespace's",
        LetThrough,
        LetThrough,
        false,
        &[
            "close_range",
            "dup",
            "dup2",
            "dup3",
            "getsockname",
            "getsockopt",
            "inotify_add_watch",
            "inotify_rm_watch",
            "ioctl",
            "setsockopt",
        ],
    ),
    row(
        "looks names up in files; no server can be reached",
        LetThrough,
        LetThrough,
        false,
        &[
            "endprotoent",
            "endpwent",
            "freeaddrinfo",
            "getaddrinfo",
            "getgrnam*",
            "getgrgid*",
            "getprotobyname",
            "getpwnam*",
            "getpwuid*",
            "if_nametoindex",
            "if_indextoname",
        ],
    ),
    row(
        "asks what the process is, or changes its own environment",
        LetThrough,
        LetThrough,
        false,
        &[
            "getegid",
            "getenv",
            "geteuid",
            "getgid",
            "getgroups",
            "getpriority",
            "getrlimit",
            "getrlimit64",
            "setrlimit64",
            "getrusage",
            "getuid",
            "sched_get_priority_*",
            "setenv",
            "unsetenv",
            "secure_getenv",
            "uname",
        ],
    ),
    row(
        "locks, which nothing holds in a process of one thread",
        LetThrough,
        LetThrough,
        false,
        &[
            "pthread_cond_signal",
            "pthread_exit",
            "pthread_mutex_*",
            "pthread_self",
            "sem_destroy",
            "sem_init",
            "sem_post",
        ],
    ),
    row(
        "builds messages to the kernel, which answers at once, in a network namespace of its own",
        LetThrough,
        LetThrough,
        false,
        &["nl_*", "nla_*", "nlmsg_*", "genl*", "mnl_*", "nftnl_*", "ipset_*", "libnfnetlink_*"],
    ),
    row(
        "libraries for what a daemon of a trace does not do (TLS, SNMP, D-Bus, systemd, JSON); what of theirs reaches \
         outside meets the filter",
        LetThrough,
        LetThrough,
        false,
        &[
            "BIO_*",
            "ERR_*",
            "EVP_*",
            "MD5_*",
            "OPENSSL_*",
            "SSL_*",
            "TLS_*",
            "CRYPTO_*",
            "g_*",
            "header_generic",
            "header_simple_table",
            "init_agent",
            "init_snmp",
            "netsnmp_*",
            "register_mib",
            "register_sysORTable",
            "unregister_sysORTable",
            "run_alarms",
            "send_v2trap",
            "shutdown_agent",
            "snmp_*",
            "sd_*",
            "magic_*",
            "json_*",
        ],
    ),
    row("regular expressions", LetThrough, LetThrough, false, &["pcre2_*", "regcomp", "regexec", "regfree"]),
];

/// Number of counted names.
pub const COUNTED: usize = {
    let (mut count, mut row) = (0, 0);
    while row < ROWS.len() {
        if ROWS[row].counted {
            count += ROWS[row].names.len();
        }
        row += 1;
    }
    count
};

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Returns the number of a counted name, below [`COUNTED`].
///
/// # Panics
/// When no counted row has the name; in a `const`, the build fails.
#[must_use]
pub const fn number(name: &str) -> usize {
    let (mut number, mut row) = (0, 0);
    while row < ROWS.len() && ROWS[row].counted {
        let mut at = 0;
        while at < ROWS[row].names.len() {
            if is_same(ROWS[row].names[at].as_bytes(), name.as_bytes()) {
                return number;
            }
            number += 1;
            at += 1;
        }
        row += 1;
    }
    panic!("a call that the library stands before is not on the list")
}

/// Returns the row and the name of a counted call, by its number.
#[must_use]
pub fn counted(number: usize) -> Option<(&'static str, &'static Row)> {
    let all = ROWS.iter().filter(|row| row.counted);
    let mut all = all.flat_map(|row| row.names.iter().map(move |name| (*name, row)));
    all.nth(number)
}

/// Returns the row of a call; `None` when it is on no row.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    let is_meant = |meant: &&str| match meant.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *meant,
    };
    // A whole name is preferred to a prefix.
    let whole = ROWS.iter().find(|row| row.names.contains(&name));
    whole.or_else(|| ROWS.iter().find(|row| row.names.iter().any(is_meant)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn a_name_is_on_the_list_once_and_counted_rows_come_first() {
        let names = || ROWS.iter().flat_map(|row| row.names);
        assert_eq!(names().collect::<BTreeSet<_>>().len(), names().count());
        let first = ROWS.iter().take_while(|row| row.counted).count();
        assert_eq!(first, ROWS.iter().filter(|row| row.counted).count());
    }

    #[test]
    fn numbers_and_names_lead_to_each_other() {
        for number in 0..COUNTED {
            let (name, row) = counted(number).unwrap();
            assert_eq!(super::number(name), number);
            assert!(core::ptr::eq(find(name).unwrap(), row), "{name}");
        }
        assert!(counted(COUNTED).is_none());
    }

    #[test]
    fn an_unknown_call_is_on_no_list() {
        assert!(find("io_uring_setup").is_none());
        assert!(find("strlen").is_some_and(|row| row.engine == LetThrough));
        assert!(find("fork").is_some_and(|row| row.engine == Forbidden && row.daemon == Virtual));
    }
}
