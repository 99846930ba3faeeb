//! Imports logs that real keepalived builds wrote, with their configurations, and other formats of one of them.
//!
//! `logs/genuine`: scripts that hang, that end within milliseconds of their timeout, or that ignore SIGTERM, on
//! releases 2.0.10 to 2.4.3, with time stamps in seconds or (`sl-`) microseconds. The name up to the first `-` is
//! that of the configuration. The events are real, so a story that fits each log exists. `logs/cases`: small inputs.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use treefall::import::{Bounds, ImportError, Imported, import, load};
use treefall::keepalived_conf;
use treefall::model::release::Defect;
use treefall_base::control::Control;

use Defect::{ExitErasesTwice, ReloadFreesQueuedTimeout, TimeoutLeavesPidEntry};

/// Each log with the defect that corrupted memory in it, if any.
const LOGS: [(&str, Option<Defect>); 31] = [
    ("edge-2.3.2", Some(ExitErasesTwice)),
    ("sl-d1-d2.2.7", None),
    ("sl-d1-v2.0.10", Some(TimeoutLeavesPidEntry)),
    ("sl-d1-v2.0.18", None),
    ("sl-e1-v2.0.10", Some(TimeoutLeavesPidEntry)),
    ("sl-e1-v2.0.18", None),
    ("sl-e1-v2.0.19", None),
    ("sl-e2-v2.0.10", Some(TimeoutLeavesPidEntry)),
    ("sl-e2-v2.0.18", None),
    ("sl-e2-v2.0.19", None),
    ("sl-edge-2.3.2", None),
    ("sl-t1-2.2.7", None),
    ("sl-t2-2.2.7", None),
    ("sl-t2-2.4.3", None),
    ("stuck-2.2.8", Some(ReloadFreesQueuedTimeout)),
    ("t1-d2.2.7", None),
    ("t1-v2.0.18", None),
    ("t1-v2.0.20", None),
    ("t1-v2.3.2", None),
    ("t2-d2.2.7", None),
    ("t2-v2.0.18", None),
    ("t2-v2.0.20", None),
    ("t2-v2.3.2", None),
    ("t3-d2.2.7", None),
    ("t3-v2.0.18", None),
    ("t3-v2.0.20", None),
    ("t3-v2.3.2", None),
    ("t4-d2.2.7", None),
    ("t4-v2.0.18", None),
    ("t4-v2.0.20", None),
    ("t4-v2.3.2", None),
];

fn imported(log: &Path, conf: &Path) -> Result<Imported, ImportError> {
    let conf = keepalived_conf::load(conf).expect("a configuration");
    import("x.log", &load(log)?, Some(&conf), None, Bounds::default(), Control::none())
}

/// Returns the leading causes of memory violations, each once.
fn memory_causes(imported: &Imported) -> Vec<Defect> {
    let memory = imported.found.iter().filter(|found| found.breaks_memory());
    let mut causes: Vec<Defect> = memory.filter_map(|found| found.cause.leading()).collect();
    causes.sort_unstable();
    causes.dedup();
    causes
}

fn genuine(name: &str) -> PathBuf {
    Path::new("tests/logs/genuine").join(name)
}

#[test]
fn every_genuine_log_is_accepted_with_its_own_cause() {
    for (log, cause) in LOGS {
        let conf = log.trim_start_matches("sl-").split('-').next().unwrap_or(log);
        let imported = imported(&genuine(&format!("{log}.log")), &genuine(&format!("{conf}.conf")));
        let imported = imported.unwrap_or_else(|error| panic!("{log}: {error}"));
        assert!(imported.searched.tried <= Bounds::default().tries, "{log}: {}", imported.searched.tried);
        assert_eq!(memory_causes(&imported), cause.into_iter().collect::<Vec<_>>(), "{log}");
        assert!(imported.windows_fitting > 0, "{log}");
    }
}

#[test]
fn runs_that_are_slow_stubborn_or_late_are_followed() {
    let cases: [(&str, &[&str], Option<Defect>); 4] = [
        ("00-ignores-term", &["log"], None),
        ("00-late-tick", &["log", "log2"], None),
        ("00-slow-run", &["log", "log4", "log5", "log6"], None),
        ("00-far-from-start", &["log-60", "log-86400"], Some(TimeoutLeavesPidEntry)),
    ];
    for (case, logs, cause) in cases {
        let folder = Path::new("tests/logs/cases").join(case);
        for log in logs {
            let imported = imported(&folder.join(log), &folder.join("keepalived.conf"));
            let imported = imported.unwrap_or_else(|error| panic!("{case}/{log}: {error}"));
            assert_eq!(memory_causes(&imported), cause.into_iter().collect::<Vec<_>>(), "{case}/{log}");
        }
    }
}

#[test]
fn a_configuration_without_track_scripts_excludes_the_class() {
    let folder = Path::new("tests/logs/cases/05-bfd");
    let error = imported(&folder.join("log"), &folder.join("keepalived.conf")).unwrap_err();
    assert!(error.is_acquittal(), "{error}");
    assert!(error.to_string().contains("no track script in the configuration"), "{error}");
}

/// A function that formats a line from its time of day, process and message.
type Rendering = fn(time: &str, tag: &str, message: &str) -> String;

const RENDERINGS: [(&str, Rendering); 10] = [
    ("journal", |time, tag, said| format!("Nov 30 {time} lb-a {tag}[7]: {said}")),
    ("unit", |time, _, said| format!("Mon 2026-11-30 {time} CET lb-a keepalived.service[7]: {said}")),
    ("docker", |time, _, said| {
        format!("{{\"log\":\"{said}\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-30T{time}.5Z\"}}")
    }),
    ("json", |time, tag, said| {
        let seconds: u64 = time.split(':').fold(0, |so_far, part| so_far * 60 + part.parse::<u64>().unwrap());
        format!(
            "{{\"__REALTIME_TIMESTAMP\":\"{}000000\",\"SYSLOG_IDENTIFIER\":\"{tag}\",\"_PID\":\"7\",\"MESSAGE\":\"{said}\"}}",
            1_796_000_400 + seconds
        )
    }),
    ("cri", |time, _, said| format!("2026-11-30T{time}.000000000Z stderr F Mon Nov 30 {time} 2026: {said}")),
    ("compose", |time, _, said| format!("\u{1b}[36mlb_1  |\u{1b}[0m Mon Nov 30 {time} 2026: {said}")),
    ("french", |time, tag, said| format!("> nov. 30 {time} lb-a {tag}[7]: {said}")),
    ("viewer", |time, tag, said| format!("2026-11-30T{time}.104 lb-a   {tag} {said}")),
    ("time", |time, _, said| format!("{time} lb-a {said}")),
    ("bare", |_, _, said| said.to_owned()),
];

#[test]
fn every_rendering_of_a_log_gives_the_same_cause() {
    let text = load(&genuine("edge-2.3.2.log")).unwrap();
    let conf = keepalived_conf::load(&genuine("edge.conf")).unwrap();
    let cause = |text: &str, which: &str| {
        let imported = import("x.log", text, Some(&conf), None, Bounds::default(), Control::none());
        memory_causes(&imported.unwrap_or_else(|error| panic!("{which}: {error}")))
    };
    for (which, rendering) in RENDERINGS {
        let lines = text.lines().filter_map(|line| {
            let (stamp, said) = line.split_once(" 2026: ")?;
            let of_parent =
                ["Starting", "pid ", "VRRP child", "  "].iter().any(|words| said.starts_with(words));
            let tag = if of_parent { "Keepalived" } else { "Keepalived_vrrp" };
            Some(rendering(stamp.rsplit(' ').next()?, tag, &said.replace('"', "'")))
        });
        let rendered: Vec<String> = lines.collect();
        assert_eq!(cause(&rendered.join("\n"), which), [ExitErasesTwice], "{which}");
    }
    let reversed: Vec<&str> = text.lines().rev().collect();
    assert_eq!(cause(&reversed.join("\n"), "newest first"), [ExitErasesTwice]);
}

#[test]
fn a_compressed_log_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, plain) = (folder.path().join("x.log.gz"), genuine("edge.conf"));
    let text = std::fs::read(&plain).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&text).unwrap();
    std::fs::write(&path, packed.finish().unwrap()).unwrap();
    assert_eq!(load(&path).unwrap().as_bytes(), text);
    let packed =
        ruzstd::encoding::compress_to_vec(&text[..], ruzstd::encoding::CompressionLevel::Uncompressed);
    std::fs::write(&path, packed).unwrap();
    assert_eq!(load(&path).unwrap().as_bytes(), text);
}
