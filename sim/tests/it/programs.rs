//! Tests the engine on our own programs: a small scheduler (`subject/scheduler.c`) with keepalived's interface,
//! compiled here in many ways, correct or with one fault.
//!
//! The tests need no keepalived, only the C compiler that Rust links with. If the compiler lacks a feature (a
//! sanitizer's library, a static libc), the test prints that and passes.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::programs_built::{Built, EXPORTED, build, faulty, program, try_build};
use treefall::model::event::SubjectKind;
use treefall::model::id::ConfigId;
use treefall::model::law::Law;
use treefall::model::release::{Release, Rules};
use treefall::model::signal::Signal;
use treefall::model::time::Span;
use treefall::model::trace::{Config, HeapPolicy, Name, Script, Setup, Trace, Wake};
use treefall::model::verdict::Outcome;
use treefall::model::violation::Detail;
use treefall::subject::backtrace::{Frame, Home, innermost};
use treefall::subject::engine::{Engine, EngineError};
use treefall::subject::program::Program;
use treefall::subject::replica::run_replica;
use treefall::subject::{Options, Ran};
use treefall::world::calls::Fate;
use treefall::world::wire::RulesAs;

/// A scenario in which the correct program does exactly what is expected of 2.3.4.
const SCENARIO: &str = "scenarios/queued-timeout-and-reload/timer-first.toml";

/// A script that starts each 3 s and times out after 2 s; its timeout and a reload fall into one wake.
fn one_wake() -> Trace {
    let script = Script {
        interval: Span::from_secs(3),
        timeout: Span::from_secs(2),
        ..Script::new(Name::numbered(0))
    };
    let setup = Setup { configs: vec![Config { scripts: vec![script] }], ..Setup::default() };
    Trace::new(setup, vec![Wake::next_timer().hup(ConfigId(0))]).unwrap()
}

fn run_on(built: &Built, traces: &[Trace]) -> Result<Vec<Ran>, EngineError> {
    let program = program(built);
    let rules = RulesAs::of(program.release());
    Engine::start(&program)?.run(traces, &rules, Options::COMPARE)
}

/// Runs the one wake, then once more in the same process, which must give the same result.
fn outcome(built: &Built) -> Ran {
    let ran = run_on(built, &[one_wake(), one_wake()]).unwrap();
    assert_eq!(ran[0], ran[1], "the second run differs");
    // Frames are not part of the comparison, but must be the same too.
    assert_eq!(ran[0].backtrace, ran[1].backtrace);
    ran[0].clone()
}

fn refusal(built: &Built) -> String {
    let program = Program::open(&built.path, None).map_err(|error| error.to_string());
    let started = program.and_then(|it| {
        let rules = RulesAs::of(it.release());
        let mut engine = Engine::start(&it).map_err(|error| error.to_string())?;
        engine.run(&[one_wake()], &rules, Options::VERDICT).map_err(|error| error.to_string())
    });
    started.map(|ran| ran[0].verdict.clone()).expect_err("it cannot be driven")
}

fn treefall(arguments: &[&OsStr]) -> Output {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Command::new(env!("CARGO_BIN_EXE_treefall")).args(arguments).current_dir(top).output().unwrap()
}

/// Runs `treefall replay` on the scenario; returns its exit status and output.
fn replay(built: &Built) -> (Option<i32>, String) {
    let target = format!("engine:{}", built.path.display());
    let output = treefall(&["replay", SCENARIO, "--target", &target].map(OsStr::new));
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "no `{part}` in: {text}"));
}

#[test]
fn a_correct_program_agrees_with_the_replica() {
    let built = build(&[EXPORTED]);
    let ran = outcome(&built);
    let replica = run_replica(&one_wake(), Rules::of(program(&built).release()), Options::COMPARE);
    assert_eq!(ran.records, replica.records);
    assert_eq!(ran.verdict, replica.verdict);
    assert_eq!(replay(&built).0, Some(0));
}

/// Builds the program with another version of the same length, such as `9.9.9`.
fn renamed(version: &str) -> Built {
    let built = build(&[EXPORTED]);
    let mut bytes = fs::read(&built.path).unwrap();
    let place = bytes.windows(BANNER.len()).position(|window| window == BANNER).unwrap() + BANNER.len();
    bytes[place..place + version.len()].copy_from_slice(version.as_bytes());
    fs::write(&built.path, bytes).unwrap();
    built
}

/// Text before the version in the program's banner.
const BANNER: &[u8] = b"Keepalived v";

/// Runs a command, checks its exit status, and returns its output.
#[track_caller]
fn output_of(arguments: &[&str], status: i32) -> (String, String) {
    let output = treefall(&arguments.iter().map(OsStr::new).collect::<Vec<_>>());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {stdout}{stderr}");
    (stdout, stderr)
}

/// Every command drives a program of an unknown release as `release`, with one warning.
#[track_caller]
fn driven_as(version: &str, release: Release) {
    let built = renamed(version);
    let target = format!("engine:{}", built.path.display());
    let folder = built.folder.path().join("reports").display().to_string();
    let warned = |arguments: &[&str], status: i32| {
        let (stdout, stderr) = output_of(arguments, status);
        let warnings: Vec<&str> = stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(warnings.len(), 1, "{arguments:?}: {stderr}");
        says(warnings[0], &[&format!("says `Keepalived v{version}"), &format!("driven as {release}")]);
        stdout
    };
    says(&warned(&["targets", "--target", &target], 0), &[&format!("can be driven as {release}")]);
    warned(&["replay", SCENARIO, "--target", &target, "--quiet"], 0);
    warned(&["matrix", SCENARIO, "--target", &target], 0);
    warned(&["hunt", "--target", &target, "--traces", "20", "--all", "--out", &folder], 1);
    // The campaign records the release that it was driven as.
    warned(&["hunt", "--resume", &folder, "--traces", "20"], 1);
    // This scheduler's log differs from keepalived's, but it is compared with the right replica.
    let said = warned(&["conform", "--target", &target, "--traces", "20"], 1);
    says(&said, &[&format!("replica:{release}: 20 traces")]);
    // A named release gives no warning.
    let (_, stderr) = output_of(&["replay", SCENARIO, "--target", &target, "--as", "2.3.4"], 0);
    assert!(!stderr.contains("warning"), "{stderr}");
}

#[test]
fn a_program_newer_than_the_tables_is_driven_as_the_newest_release() {
    let newest = Release::NEWEST;
    let next = format!("{}.{}.{}", newest.major(), newest.minor(), newest.patch() + 1);
    driven_as(&next, newest);
    driven_as("9.9.9", newest);
}

#[test]
fn a_program_between_two_releases_is_driven_as_the_one_before() {
    driven_as("2.3.9", Release::new(2, 3, 4).unwrap());
}

#[test]
fn a_program_older_than_the_tables_needs_as() {
    let built = renamed("2.0.7");
    refused(&built, &["older than 2.0.8, the oldest release", "`--as RELEASE`"]);
    let target = format!("engine:{}", built.path.display());
    output_of(&["replay", SCENARIO, "--target", &target, "--as", "2.3.4"], 0);
    // The release in the target's name overrides --as.
    output_of(&["replay", SCENARIO, "--target", &format!("{target},as=2.3.4"), "--as", "2.0.8"], 0);
    let (_, error) = output_of(&["replay", SCENARIO, "--target", &target, "--as", "9.9.9"], 2);
    says(&error, &["no release that treefall knows; name one of 2.0.8 to"]);
}

#[test]
fn a_survey_takes_a_program_that_is_named() {
    let built = renamed("9.9.9");
    let target = format!("engine:{}", built.path.display());
    let folder = built.folder.path().join("reports").display().to_string();
    let arguments = ["survey", "--target", &target, "--json", "--out", &folder];
    let output = treefall(&arguments.map(OsStr::new));
    // Whether it shows the known defects of its release does not matter here.
    assert!(output.status.code().is_some_and(|status| status < 2), "{:?}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    let row = said.lines().find(|line| line.contains(&format!("\"target\":\"{target}\",\"releases\"")));
    says(row.expect("its row"), &[&format!("as {} (real) Keepalived v9.9.9", Release::NEWEST)]);
}

/// A build works like the plain one: the scenario shows what is expected.
#[track_caller]
fn works(options: &[&str]) {
    let Some(built) = try_build(options) else { return };
    let (status, said) = replay(&built);
    assert_eq!(status, Some(0), "{options:?}: {said}");
}

#[test]
fn builds_that_work() {
    // A build tree: unstripped, nothing exported.
    works(&["-g"]);
    works(&["-no-pie", "-fno-pie"]);
    works(&["-flto", EXPORTED]);
    works(&["-O3", "-fstack-protector-all", "-fcf-protection=full", "-Wl,-z,now,-z,relro"]);
    works(&["-s", EXPORTED]);
    works(&["--coverage", EXPORTED]);
}

#[test]
fn builds_with_a_sanitizer_as_a_library_work() {
    works(&["-fsanitize=address", EXPORTED]);
    works(&["-fsanitize=undefined", EXPORTED]);
    works(&["-fsanitize=thread"]);
}

#[test]
fn a_report_of_the_address_sanitizer_is_a_crash() {
    let Some(built) = try_build(&["-fsanitize=address", EXPORTED, "-DFAULT=OVERFLOW"]) else { return };
    let ran = outcome(&built);
    assert_eq!(ran.verdict.outcome, crash(abort(), "thread_add_child"));
}

fn abort() -> Signal {
    Signal::new(6).unwrap()
}

fn crash(signal: Signal, function: &str) -> Outcome {
    Outcome::Crashed { signal, function: Some(function.to_owned()) }
}

/// The file is refused as a target: exit status 2, and an error with its name and the remedy.
#[track_caller]
fn refused(built: &Built, parts: &[&str]) {
    let (status, said) = replay(built);
    assert_eq!(status, Some(2), "{said}");
    says(&said, parts);
    says(&said, &["error: ", &built.path.display().to_string()]);
    assert_eq!(said.trim().lines().count(), 1, "one paragraph: {said}");
}

#[test]
fn a_static_program_is_refused_with_the_remedy() {
    if let Some(built) = try_build(&["-static"]) {
        refused(&built, &["is linked statically, ", "without `-static` in LDFLAGS"]);
    }
    if let Some(built) = try_build(&["-static-pie", "-fPIE"]) {
        refused(&built, &["is linked statically (static-pie), ", "without `-static-pie` in LDFLAGS"]);
    }
}

#[test]
fn a_stripped_program_is_refused_with_the_remedy() {
    refused(
        &build(&["-s"]),
        &["17 missing, of which `main`; it is stripped", "not `bin/keepalived`", "-Wl,-E", "debug symbols"],
    );
}

#[test]
fn a_link_time_optimised_program_is_refused_with_the_remedy() {
    let Some(built) = try_build(&["-flto", "-O2"]) else { return };
    refused(
        &built,
        &["missing, of which `", "link-time optimisation took them apart", "add `-Wl,-E` to LDFLAGS"],
    );
}

#[test]
fn symbols_beside_a_stripped_program_are_read() {
    let built = build(&["-g", "-Wl,--build-id"]);
    let debug = built.folder.path().join("keepalived.debug");
    let run = |tool: &str, arguments: &[&OsStr]| {
        Command::new(tool).args(arguments).status().is_ok_and(|it| it.success())
    };
    if !run("objcopy", &["--only-keep-debug".as_ref(), built.path.as_ref(), debug.as_ref()]) {
        return;
    }
    assert!(run("strip", &[built.path.as_ref()]));
    assert_eq!(replay(&built).0, Some(0));
    // Symbols of another build are not used.
    let other = build(&["-g", "-O2", "-Wl,--build-id"]);
    fs::copy(&other.path, &debug).unwrap();
    refused(&built, &["it is stripped"]);
}

#[test]
fn a_program_for_another_c_library_is_refused_with_the_remedy() {
    let built = build(&["-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"]);
    refused(&built, &["is linked against /lib/ld-musl-x86_64.so.1 (musl, as on Alpine)", "Debian's package"]);
}

#[test]
fn a_program_with_its_own_allocator_is_refused() {
    let built = build(&[EXPORTED, "-DOWN_MALLOC"]);
    refused(&built, &["has an allocator of its own linked into it", "link the allocator as a library"]);
    if let Some(built) = try_build(&["-fsanitize=address", "-static-libasan", EXPORTED]) {
        refused(&built, &["has a sanitizer's runtime linked into it", "-shared-libasan"]);
    }
}

#[test]
fn a_program_of_another_machine_is_refused_with_its_name() {
    let built = build(&[EXPORTED]);
    let whole = fs::read(&built.path).unwrap();
    let table: [(usize, u8, &str); 6] = [
        (18, 183, "is built for 64-bit ARM (arm64), and the engine drives x86-64 programs alone"),
        (18, 243, "is built for RISC-V"),
        (18, 9, "is built for machine number 9, 64 bits"),
        (4, 1, "is built for x86-64 with 32-bit pointers (x32)"),
        (16, 1, "is an object file, not a program"),
        (16, 4, "is a core dump, not a program"),
    ];
    for (place, byte, part) in table {
        let mut changed = whole.clone();
        changed[place] = byte;
        fs::write(&built.path, changed).unwrap();
        refused(&built, &[part]);
    }
    refused(
        &build(&["-shared", "-fPIC"]),
        &["is a shared library, not a program; name the linked keepalived"],
    );
}

#[test]
fn a_privileged_program_is_started_by_its_loader() {
    use std::os::unix::fs::PermissionsExt as _;
    let built = build(&[EXPORTED]);
    assert!(program(&built).needs_environment());
    fs::set_permissions(&built.path, fs::Permissions::from_mode(0o4755)).unwrap();
    let words = program(&built).command_line("/library");
    assert!(words[0].to_str().unwrap().contains("ld-linux"), "{words:?}");
    assert_eq!(replay(&built).0, Some(0));
}

#[test]
fn a_hang_in_the_programs_own_code_is_a_verdict() {
    let ran = outcome(&faulty("HANG"));
    assert_eq!(ran.verdict.outcome, Outcome::Hung { function: Some("thread_add_child".to_owned()) });
    assert!(ran.verdict.breaks_law(Law::Progress));
}

/// Two scripts start, on a program that violates a memory law with the first and takes long with the second. No freed
/// block is reused and nothing else happens, so nothing else can go wrong.
fn after_a_break(fault: &str) -> Ran {
    let scripts = vec![Script::new(Name::numbered(0)), Script::new(Name::numbered(1))];
    let setup = Setup { configs: vec![Config { scripts }], heap: HeapPolicy::NeverAgain, ..Setup::default() };
    let trace = Trace::new(setup, Vec::new()).unwrap();
    let ran = run_on(&faulty(fault), &[trace.clone(), trace]).unwrap();
    assert_eq!(ran[0], ran[1], "the second run differs");
    assert!(ran[0].verdict.memory_break().is_some(), "{:?}", ran[0].verdict);
    ran[0].clone()
}

#[test]
fn a_hang_after_a_memory_violation_is_the_same_verdict() {
    let outcome = after_a_break("BREAK_AND_HANG").verdict.outcome;
    assert_eq!(outcome, Outcome::Hung { function: Some("thread_add_child".to_owned()) });
}

#[test]
fn computation_after_a_memory_violation_is_no_hang() {
    assert_eq!(after_a_break("BREAK_AND_WORK").verdict.outcome, Outcome::Survived);
}

#[test]
fn an_endless_log_is_a_hang() {
    let ran = outcome(&faulty("LOG_FOR_EVER"));
    assert_eq!(ran.verdict.outcome, Outcome::Hung { function: Some("log_line".to_owned()) });
}

#[test]
fn a_loop_that_never_blocks_is_a_hang() {
    let ran = outcome(&faulty("EVENTS_FOR_EVER"));
    assert!(matches!(ran.verdict.outcome, Outcome::Hung { .. }), "{:?}", ran.verdict);
}

#[test]
fn endless_memory_use_is_a_hang() {
    let ran = outcome(&faulty("EAT_MEMORY"));
    assert!(matches!(ran.verdict.outcome, Outcome::Hung { .. }), "{:?}", ran.verdict);
}

#[test]
fn crashes_are_verdicts_that_name_signal_and_function() {
    let table = [
        ("NULL_DEREFERENCE", Signal::SEGV, "thread_add_child"),
        ("DEEP", Signal::SEGV, "deepest_of_three"),
        ("BAD_JUMP", Signal::SEGV, "thread_add_child"),
        ("ABORT", abort(), "thread_add_child"),
        ("FREE_TWICE", abort(), "thread_add_child"),
    ];
    for (fault, signal, function) in table {
        assert_eq!(outcome(&faulty(fault)).verdict.outcome, crash(signal, function), "{fault}");
    }
}

#[test]
fn a_backtrace_names_every_function_that_led_to_the_crash() {
    let names = |built: &Built| {
        let frames = outcome(built).backtrace;
        frames
            .into_iter()
            .filter(|it| it.home == Home::Program)
            .flat_map(|it| it.function)
            .collect::<Vec<_>>()
    };
    // Our library lies between the program's functions: it is called by handlers and calls them.
    let deep =
        ["deepest_of_three", "middle_of_three", "first_of_three", "thread_add_child", "process_threads"];
    // Without frame pointers, with another layout, with only a symbol table, with a sanitizer.
    for options in
        [&["-O2"][..], &["-no-pie", "-fno-pie"], &["-fno-omit-frame-pointer"], &["-fsanitize=address"]]
    {
        let options = [options, &["-DFAULT=DEEP", "-fno-optimize-sibling-calls"]].concat();
        if let Some(built) = try_build(&options) {
            assert_eq!(names(&built), deep, "{options:?}");
        }
    }
    let abort = outcome(&faulty("ABORT")).backtrace;
    let raised = abort.iter().find(|it| it.function.as_deref() == Some("abort"));
    assert!(raised.is_some_and(|it| matches!(it.home, Home::Library(_))), "{abort:?}");
}

/// Returns the one wake with another heap.
fn with_heap(heap: HeapPolicy) -> Trace {
    let (setup, wakes) = one_wake().into_parts();
    Trace::new(Setup { heap, ..setup }, wakes).unwrap()
}

#[test]
fn a_guarded_heap_finds_a_stored_pointer_at_its_first_use() {
    let built = faulty("STORED_POINTER");
    let plain = outcome(&built);
    assert!(plain.verdict.outcome.survived() && plain.used_after_free.is_none(), "{:?}", plain.verdict);
    let ran = run_on(&built, &[HeapPolicy::Guarded; 2].map(with_heap)).unwrap();
    assert_eq!(ran[0], ran[1], "the second run differs");
    assert_eq!(ran[0].life, ran[1].life);
    assert_eq!(ran[0].verdict.outcome, crash(Signal::SEGV, "thread_add_child"));
    let broken = ran[0].verdict.memory_break().expect("it uses what was freed");
    assert_eq!(broken.signature.law, Law::NoUseAfterFree);
    assert_eq!(broken.detail, Detail::UsedAfterFree { entry: ran[0].used_after_free.unwrap() });
    let named = |frames: &[Frame], name: &str| frames.iter().any(|it| it.function.as_deref() == Some(name));
    let life = &ran[0].life;
    assert!(named(&ran[0].backtrace, "thread_add_child"), "{:?}", ran[0].backtrace);
    assert!(named(&life.handed_out, "thread_add_child"), "{:?}", life.handed_out);
    assert!(named(&life.freed, "thread_cleanup_master"), "{:?}", life.freed);
}

#[test]
fn a_guarded_heap_changes_nothing_for_a_correct_program() {
    let sound = build(&[EXPORTED]);
    let traces = [HeapPolicy::NeverAgain, HeapPolicy::Guarded].map(with_heap);
    let ran = run_on(&sound, &traces).unwrap();
    assert_eq!(ran[0], ran[1]);
    assert!(ran[1].used_after_free.is_none());
}

#[test]
fn a_signal_to_every_process_is_blocked_and_reported() {
    let ran = outcome(&faulty("KILL_ALL"));
    assert!(ran.verdict.breaks_law(Law::SignalsOnlyItsChildren));
}

#[test]
fn a_forbidden_call_ends_the_run_with_its_name() {
    let built = faulty("CONNECT");
    let parts = ["the program called connect, which", "let through (in thread_add_child)"];
    says(&refusal(&built), &parts);
    assert_eq!(replay(&built).0, Some(2));
}

#[test]
fn unexpected_actions_are_a_verdict() {
    for (fault, words) in [
        ("FORK", "the program called fork where it starts no script"),
        ("EXIT", "the program called exit, and nothing had asked it to end"),
    ] {
        let ran = outcome(&faulty(fault));
        let broken = ran.verdict.memory_break().expect("judging ends there");
        assert_eq!(broken.signature.to_string(), "expected-actions/ended/none");
        assert_eq!(broken.detail.to_string(), words);
        assert_eq!(innermost(&ran.backtrace), Some("thread_add_child"));
    }
}

#[test]
fn the_ledger_has_each_call_and_only_on_request() {
    let built = build(&[EXPORTED]);
    let program = program(&built);
    let rules = RulesAs::of(program.release());
    let mut engine = Engine::start(&program).unwrap();
    let mut ledger = |on| {
        engine.keep_ledger(on);
        let ran = engine.run(&[one_wake(), one_wake()], &rules, Options::COMPARE).unwrap();
        assert_eq!(ran[0].ledger, ran[1].ledger, "the second run makes other calls");
        ran[0].ledger.clone()
    };
    assert_eq!(ledger(false), []);
    let calls = ledger(true);
    let times = |name: &str| calls.iter().find(|call| call.name == name).map_or(0, |call| call.times);
    // The wake and the end of the trace.
    assert_eq!(times("epoll_wait"), 2);
    assert!(times("clock_gettime") > 2 && times("timerfd_settime") >= 2);
    assert!(calls.iter().all(|call| call.fate == Fate::Virtual), "{calls:?}");
}

#[test]
fn an_unlisted_import_is_named() {
    let named = |fault: &str, kind: SubjectKind| {
        let built = faulty(fault);
        let program = program(&built);
        let imports = program.imports(kind);
        assert!(imports.virtuals.contains(&"epoll_wait") && imports.let_through.contains(&"strcmp"));
        let owned = |names: &[&str]| names.join(" ");
        (owned(&imports.forbidden), owned(&imports.unknown))
    };
    assert_eq!(named("SOUND", SubjectKind::Daemon), (String::new(), String::new()));
    assert_eq!(named("SOUND", SubjectKind::Engine), ("fork".to_owned(), String::new()));
    assert_eq!(named("EXEC", SubjectKind::Daemon), ("execl".to_owned(), String::new()));
    assert_eq!(named("CLONE_FOR_EVER", SubjectKind::Daemon), (String::new(), "syscall".to_owned()));
    let built = faulty("CLONE_FOR_EVER");
    let target = format!("daemon:{}", built.path.display());
    let output = treefall(&["targets", "--target", &target].map(OsStr::new));
    says(&String::from_utf8_lossy(&output.stdout), &["it imports ", "unknown: syscall"]);
}

#[test]
fn a_failed_calibration_is_refused_with_the_mismatch() {
    let table: [(&str, &[&str]); 6] = [
        ("LARGE_ENTRY", &["an entry of 200 bytes is larger than any known (128 at most)"]),
        ("NO_PID", &["a child's pid could not be found in memory"]),
        (
            "CRASH_EARLY",
            &["its functions crash when they are called as this release has them (in thread_add_child)"],
        ),
        ("HANG_EARLY", &["its functions do not return when they are called as this release has them (in"]),
        ("FORK_EARLY", &["the program called fork"]),
        ("EXIT_EARLY", &["the program called exit"]),
    ];
    for (fault, parts) in table {
        let built = faulty(fault);
        let text = refusal(&built);
        says(&text, parts);
        says(&text, &["the engine cannot drive this program: ", "use `replica:RELEASE`"]);
        assert_eq!(replay(&built).0, Some(2), "{fault}");
    }
}

#[test]
fn a_program_that_exits_at_once_is_refused_with_its_status() {
    let built = build(&[EXPORTED, "-DFAULT_BEFORE_MAIN", "-no-pie", "-fno-pie"]);
    refused(&built, &["cannot be taken over: it ended with status 7"]);
}

#[test]
fn a_program_whose_libraries_are_missing_is_refused_with_their_names() {
    let built = build(&[EXPORTED]);
    let library = built.folder.path().join("libgone.so");
    let options = ["-shared", "-fPIC", "-x", "c", "/dev/null", "-o"].map(OsStr::new);
    assert!(Command::new("cc").args(options).arg(&library).status().unwrap().success());
    let linked = format!("-L{}", built.folder.path().display());
    let lacking = build(&[EXPORTED, "-Wl,--no-as-needed", &linked, "-lgone"]);
    refused(&lacking, &["libgone.so: cannot open shared object file", "install them"]);
}
