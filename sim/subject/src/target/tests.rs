//! Tests of [`target`](super).

use super::*;

fn written(text: &str) -> String {
    parse(text, &[PathBuf::from("/usr/sbin/keepalived")]).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn a_target_is_written_as_it_was_typed() {
    for text in [
        "replica:2.3.1",
        "replica:mended",
        "replica:mended+ExitErasesTwice",
        "replica:2.3.1-ReloadFreesQueuedTimeout-StaleArgumentAfterReload",
        "engine:/usr/sbin/keepalived",
        "engine:/usr/sbin/keepalived@/var/roots/sid",
        "daemon:/usr/sbin/keepalived@/var/roots/sid",
        "daemon:/usr/sbin/keepalived@/var/roots/sid,config=/etc/keepalived/keepalived.conf",
        "engine:./keepalived,as=2.3.4",
        "daemon:/usr/sbin/keepalived@/var/roots/sid,as=2.3.4,config=/etc/keepalived/keepalived.conf",
    ] {
        assert_eq!(written(text), text);
    }
    assert_eq!(written("daemon:/x,config=my.conf,as=2.3.4"), "daemon:/x,as=2.3.4,config=my.conf");
    assert_eq!(written("engine"), "engine:/usr/sbin/keepalived");
}

#[test]
fn a_slip_of_the_pen_is_answered_with_the_target_that_was_meant() {
    for (typed, meant) in [
        ("replca:2.3.1", "replica:2.3.1"),
        ("enigne", "engine"),
        ("engin:/usr/sbin/keepalived", "engine:/usr/sbin/keepalived"),
        ("deamon:/usr/sbin/keepalived", "daemon:/usr/sbin/keepalived"),
        ("/usr/sbin/keepalived", "engine:/usr/sbin/keepalived"),
        ("2.3.1", "replica:2.3.1"),
        ("replica:2.3.11", "replica:2.3.1"),
        ("replica:2.3.11+ExitErasesTwice", "replica:2.3.1+ExitErasesTwice"),
        ("replica:2.2.9", "replica:2.2.8"),
        ("engine:/x,as=2.3.11", "engine:/x,as=2.3.1"),
        ("replica:mendd", "replica:mended"),
        ("replica:al", "replica:all"),
        ("replica:mended+ExitErasesTwise", "replica:mended+ExitErasesTwice"),
        ("replica:2.3.2-exiterasestwice", "replica:2.3.2-ExitErasesTwice"),
        ("daemon:/usr/sbin/keepalived,conf=my.conf", "daemon:/usr/sbin/keepalived,config=my.conf"),
    ] {
        let error = parse(typed, &[]).expect_err(typed).to_string();
        assert!(error.contains(&format!("`{typed}`")), "{typed} is not quoted: {error}");
        assert!(error.ends_with(&format!("; did you mean `{meant}`?")), "{typed}: {error}");
    }
}

#[test]
fn what_is_like_no_target_is_told_what_targets_are() {
    for (typed, says) in [
        ("keepalived", "`keepalived` names no target; targets are"),
        ("replica", "target `replica` names no release; write one of 2.0.8 to"),
        ("replica:+ExitErasesTwice", "target `replica:+ExitErasesTwice` names no release"),
        ("replica:", "target `replica:` names no release; write one of"),
        ("replica:9.9", "`9.9` is no release that treefall knows; there are 2.0.8 to"),
        ("replica:2.9.0", "target `replica:2.9.0`: `2.9.0` is newer than"),
        ("replica:3.0.0+ExitErasesTwice", "`3.0.0` is newer than"),
        ("engine:/x,as=2.99.0", "target `engine:/x,as=2.99.0`: `2.99.0` is newer than"),
        ("replica:2.0.7", "`2.0.7` is older than 2.0.8, the oldest release"),
        ("replica:2.3.1+", "target `replica:2.3.1+`: `` is no known defect"),
        ("engine:", "no program is named after the colon of `engine:`"),
        ("daemon:/x,config=", "target `daemon:/x,config=` names no file"),
        ("engine", "apt-get install keepalived"),
        ("daemon", "treefall roots fetch sid`, which needs mmdebstrap"),
    ] {
        let error = parse(typed, &[]).expect_err(typed).to_string();
        assert!(error.contains(says) && !error.contains("did you mean"), "{typed}: {error}");
    }
    // A comma and an equals sign alone make no option of a path.
    assert!(parse("daemon:/opt/a,b=c/keepalived", &[]).is_ok());
}
