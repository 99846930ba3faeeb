//! Tests the whole real daemon with a user's configuration file.
//!
//! Needs a keepalived and a kernel that lets users create namespaces; without either, every test is ignored, with the
//! reason. Uses the programs of the suite `equality`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use treefall::generator::Source;
use treefall::model::event::SubjectKind;
use treefall::model::observe::Options;
use treefall::model::release::{Release, Rules};
use treefall::model::signal::ExitStatus;
use treefall::model::time::Span;
use treefall::model::trace::{Advance, Config, Name, Script, Setup, Trace, Wake, run};
use treefall::oracle::{Agreement, Census, compare};
use treefall::scenario::{self, Scenario};
use treefall::subject::daemon::Own;
use treefall::subject::replica::run_replica_as;
use treefall::subject::target::{Place, Target};
use treefall::subject::{Subject, build};

use crate::real::{self, Test};

const SEED: u64 = 20_260_301;
/// Traces of one comparison.
const TRACES: u64 = 30;
const KEPT: Options = Options { keep: true, ..Options::DIGESTED };

/// A typical user's file, with many statements that the daemon cannot have.
const FILE: &str = r#"! Configuration File for keepalived
global_defs {
    router_id node1
    enable_script_security
}
vrrp_script chk_haproxy {
    script "/usr/bin/killall -0 haproxy"
    interval 3
    timeout 2
    weight -20
    fall 2
    rise 3
    user nobody
}
vrrp_script unused {
    script "/bin/false"
}
vrrp_script chk_dns {
    script /usr/local/bin/check_dns
}
vrrp_script chk_disk {
    script '/usr/local/bin/check_disk / 90'
    timeout 5
    interval 2
}
vrrp_sync_group BOTH {
    group {
        VI_1
        VI_2
    }
    track_script {
        chk_disk
    }
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 150
    virtual_ipaddress {
        192.0.2.18/25
    }
    notify "/usr/local/bin/tell_everyone"
    track_script {
        chk_haproxy
    }
}
vrrp_instance VI_2 {
    interface eth1
    virtual_router_id 52
    priority 90
    track_script {
        chk_dns weight 10
        chk_haproxy weight 2
    }
}
virtual_server 192.0.2.18 80 {
    delay_loop 6
}
"#;

pub(crate) fn trials() -> Vec<Trial> {
    real::trials(module_path!(), &TESTS, Target::Daemon)
}

const TESTS: [(&str, Test); 7] = [
    ("replica and daemon agree on random traces of a user's file", agree),
    ("values of the file are the daemon's own", values_are_read),
    ("a trace may omit scripts of the file", fewer_scripts),
    ("a trace that does not fit the file is refused by name", misfits),
    ("replay takes a file and lists what it leaves out", replay),
    ("hunt takes its scripts from a file", hunt),
    ("hunt shrinks and explains within the file", within),
];

/// Writes the file; returns it with its folder.
fn written(text: &str) -> Result<(tempfile::TempDir, PathBuf), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("keepalived.conf");
    std::fs::write(&path, text)?;
    Ok((folder, path))
}

fn daemon(place: &Place, text: &str) -> Result<Box<dyn Subject>, Failed> {
    let (_folder, path) = written(text)?;
    Ok(build(&Target::Configured(place.clone(), path))?)
}

fn own(text: &str) -> Result<Own, Failed> {
    let (_folder, path) = written(text)?;
    Ok(Own::load(&path)?)
}

/// Compares with a replica by `rules`.
fn census(daemon: &mut dyn Subject, rules: Rules) -> Result<(Census, Option<String>), Failed> {
    let traces: Vec<Trace> =
        (0..TRACES).map(|number| Source::swarm(SEED).trace_for(&*daemon, number)).collect();
    let (mut census, mut first) = (Census::default(), None);
    for (number, (trace, mut ran)) in traces.iter().zip(daemon.run(&traces, KEPT)?).enumerate() {
        let copy = run_replica_as(SubjectKind::Daemon, trace, rules, KEPT);
        let agreement = compare(SubjectKind::Daemon, &copy, &ran);
        ran.counts.timeouts = copy.counts.timeouts;
        census.add(trace, &agreement, &ran);
        if let Agreement::Differs(difference) = agreement {
            first.get_or_insert_with(|| format!("trace {number} of seed {SEED}: {difference}"));
        }
    }
    Ok((census, first))
}

fn agree(place: &Place, release: Release) -> Result<(), Failed> {
    let mut daemon = daemon(place, FILE)?;
    let trace = Source::swarm(SEED).trace_for(&*daemon, 0);
    let names: Vec<_> = trace.setup().configs[0].scripts.iter().map(|it| it.name.to_string()).collect();
    if names != ["chk_haproxy", "chk_dns", "chk_disk"] {
        return Err(format!("the scripts of a trace are {names:?}").into());
    }
    let (census, first) = census(daemon.as_mut(), Rules::of(release))?;
    println!("{release}: {census:?}");
    match first {
        Some(first) => Err(format!("{} of {TRACES} traces differ; {first}", census.different).into()),
        // A comparison without the interesting events proves nothing.
        None if census.with_all_three * 2 < TRACES => {
            Err(format!("only {} hold a reload, a timeout and an exit", census.with_all_three).into())
        }
        None => Ok(()),
    }
}

type Change = (&'static str, fn(&mut Script));

/// A replica with other values than the file's differs from the daemon, so the daemon uses the file.
fn values_are_read(place: &Place, release: Release) -> Result<(), Failed> {
    let changes: [Change; 4] = [
        ("interval", |script| script.interval = script.interval + Span::from_secs(1)),
        ("timeout", |script| script.timeout = script.timeout + Span::from_secs(1)),
        ("rise", |script| script.rise += 1),
        ("fall", |script| script.fall += 1),
    ];
    let rules = Rules::of(release);
    let play = |trace: &Trace| run_replica_as(SubjectKind::Daemon, trace, rules, KEPT);
    let mut daemon = daemon(place, FILE)?;
    for (what, change) in changes {
        let changed = |trace: &Trace| {
            let (mut setup, wakes) = trace.clone().into_parts();
            setup.configs.iter_mut().for_each(|config| change(&mut config.scripts[0]));
            Trace::new(setup, wakes).expect("only values of scripts were changed")
        };
        let mut drawn = (0..1_000).map(|number| Source::swarm(SEED).trace_for(&*daemon, number));
        let shows = |trace: &Trace| {
            let (right, wrong) = (play(trace), play(&changed(trace)));
            right.first_use.is_none() && wrong.first_use.is_none() && right.records != wrong.records
        };
        let trace = drawn.find(shows).ok_or_else(|| format!("another {what} makes no difference"))?;
        let ran = daemon.run_one(&trace, KEPT)?;
        let agrees = |copy| !matches!(compare(SubjectKind::Daemon, &copy, &ran), Agreement::Differs(_));
        if !agrees(play(&trace)) || agrees(play(&changed(&trace))) {
            return Err(format!("the daemon does not side with the {what} of the file").into());
        }
    }
    Ok(())
}

fn one_script(script: Script) -> Trace {
    let setup = Setup { configs: vec![Config { scripts: vec![script] }], ..Setup::default() };
    let half = Wake::new(Advance::By(Span::from_millis(500))).exit(run(0, 0, 1), ExitStatus::SUCCESS);
    Trace::new(setup, vec![half, Wake::next_timer()]).expect("a valid trace")
}

fn script(name: &str) -> Script {
    Script::new(Name::new(name).expect("a name"))
}

fn fewer_scripts(place: &Place, release: Release) -> Result<(), Failed> {
    let trace = one_script(script("chk_dns"));
    let ran = daemon(place, FILE)?.run_one(&trace, KEPT)?;
    let copy = run_replica_as(SubjectKind::Daemon, &trace, Rules::of(release), KEPT);
    if compare(SubjectKind::Daemon, &copy, &ran) != Agreement::Whole || ran.counts.starts == 0 {
        return Err(format!("{:?}", ran.records).into());
    }
    Ok(())
}

fn misfits(place: &Place, _: Release) -> Result<(), Failed> {
    let mut daemon = daemon(place, FILE)?;
    let table = [
        (script("chk_haproxy"), "the interval of script chk_haproxy is 1s, and 3s at line 6 of "),
        (Script { rise: 2, ..script("chk_dns") }, "the rise of script chk_dns is 2, and 1 at line 18 of "),
        (
            script("unused"),
            "has no script unused that something tracks; it has chk_haproxy, chk_dns, chk_disk",
        ),
        (script("s0"), "has no script s0 that"),
    ];
    for (script, says) in table {
        let refused = daemon.run_one(&one_script(script), KEPT).expect_err("it does not fit");
        if !refused.is_unfit() || !refused.to_string().contains(says) {
            return Err(refused.to_string().into());
        }
    }
    Ok(())
}

fn treefall(arguments: &[&str]) -> Result<Output, Failed> {
    Ok(Command::new(env!("CARGO_BIN_EXE_treefall")).args(arguments).output()?)
}

fn said(output: &Output) -> String {
    let bytes = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ensure(output: &Output, status: i32, parts: &[&str]) -> Result<(), Failed> {
    let said = said(output);
    let lacking = parts.iter().find(|part| !said.contains(**part));
    if output.status.code() == Some(status) && lacking.is_none() {
        return Ok(());
    }
    Err(format!("status {:?}, lacking {lacking:?}: {said}", output.status.code()).into())
}

fn replay(place: &Place, _: Release) -> Result<(), Failed> {
    let (folder, config) = written(FILE)?;
    let scenario = |name: &str, script: Script| -> Result<String, Failed> {
        let path = folder.path().join(name);
        std::fs::write(&path, scenario::write(&Scenario::new(name, one_script(script))))?;
        Ok(path.display().to_string())
    };
    let (good, bad) = (scenario("good.toml", script("chk_dns"))?, scenario("bad.toml", script("chk_ntp"))?);
    let (target, config) = (format!("daemon:{place}"), config.display().to_string());
    let play =
        |file: &str, target: &str| treefall(&["replay", file, "--target", target, "--config", &config]);
    let left_out = "left out, because there is no network and no other process: global_defs (line 2), virtual_server \
                    (line 57), vrrp_script unused, which nothing tracks (line 15), group BOTH: group (line 27), \
                    instance VI_1: state (line 36)";
    ensure(&play(&good, &target)?, 0, &["3 scripts with interval", left_out, "1 as expected"])?;
    ensure(&play(&bad, &target)?, 1, &["none ", "has no script chk_ntp that something tracks"])?;
    ensure(&play(&good, "replica:2.3.1")?, 2, &["replica:2.3.1 reads no configuration"])?;
    // The same target, named with its configuration.
    let named = format!("{target},config={config}");
    ensure(&treefall(&["replay", &good, "--target", &named])?, 0, &["1 as expected"])?;
    let broken = folder.path().join("broken.conf");
    std::fs::write(&broken, "\ninclude conf.d/*\n")?;
    let broken = broken.display().to_string();
    let refused = treefall(&["replay", &good, "--target", &target, "--config", &broken])?;
    // A pattern that matches no file includes nothing.
    ensure(
        &refused,
        2,
        &["broken.conf: nothing tracks a script in it", "name one in the `track_script` block"],
    )?;
    let gone = treefall(&["hunt", "--target", &target, "--config", "/no/such/file"])?;
    ensure(&gone, 2, &["/no/such/file: "])
}

fn hunt(place: &Place, _: Release) -> Result<(), Failed> {
    let (folder, config) = written(FILE)?;
    let (target, config) = (format!("daemon:{place}"), config.display().to_string());
    let out = folder.path().join("out").display().to_string();
    let arguments =
        ["hunt", "--target", &target, "--config", &config, "--traces", "40", "--json", "--out", &out];
    let output = treefall(&arguments)?;
    // Every release up to the newest forgets a child sooner or later.
    ensure(&output, 1, &["\"target\":\"daemon:", ",config=", "\"steps\":"])?;
    let text = String::from_utf8(output.stdout.clone())?;
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
    let file = first["scenario"].as_str().ok_or("no scenario")?;
    let found = scenario::load(Path::new(file)).map_err(|error| error.to_string())?;
    let own = own(FILE)?;
    let is_own = |script: &Script| own.scripts().iter().any(|own| own.name == script.name);
    if !found.trace.setup().configs.iter().flat_map(|config| &config.scripts).all(is_own) {
        return Err(format!("not a script of the file: {:?}", found.trace.setup()).into());
    }
    // The failure is replayed by the target's name alone.
    let named = format!("{target},config={config}");
    ensure(&treefall(&["replay", file, "--target", &named])?, 0, &["1 as expected"])
}

/// Timeouts well below the interval: a shorter interval, or a longer timeout, would make a smaller trace.
fn within(place: &Place, release: Release) -> Result<(), Failed> {
    for (interval, timeout) in [(5, 2), (10, 3)] {
        let script = format!(
            "vrrp_script chk_nat {{\n script /usr/bin/chk\n interval {interval}\n timeout {timeout}\n}}\n"
        );
        let instance =
            "vrrp_instance nat {\n interface eth0\n virtual_router_id 30\n track_script {\n chk_nat\n }\n}\n";
        let (folder, config) = written(&(script + instance))?;
        let (target, config) = (format!("daemon:{place}"), config.display().to_string());
        let out = folder.path().join("out").display().to_string();
        let arguments = [
            "hunt", "--target", &target, "--config", &config, "--traces", "60", "--all", "--json", "--out",
            &out,
        ];
        let output = treefall(&arguments)?;
        ensure(&output, 1, &["\"minimal\":true"])?;
        let text = String::from_utf8(output.stdout.clone())?;
        for line in text.lines().filter(|line| line.contains("\"wakes_minimal\"")) {
            let finding: serde_json::Value = serde_json::from_str(line)?;
            let read = |field: &str| std::fs::read_to_string(finding[field].as_str().unwrap_or_default());
            let (scenario, report) = (read("scenario")?, read("report")?);
            let has = |what: &str, seconds: u32| scenario.contains(&format!("{what} = \"{seconds}s\""));
            let mut windows = report.lines().filter(|line| line.contains("within ["));
            let moves = ["interval of chk_nat", "timeout of chk_nat"];
            let moved = windows.any(|line| moves.iter().any(|it| line.contains(it)));
            // A trace may omit scripts of the file; the others have the file's values.
            let fits = !scenario.contains("interval") || has("interval", interval) && has("timeout", timeout);
            if !fits || moved {
                return Err(format!("{release}: {scenario}\n{report}").into());
            }
        }
    }
    Ok(())
}
