//! Files as people write them, and as they must not be written.

use treefall_model::time::Span;

use super::{Conf, Tracked, load_as, read};

const WHOLE: &str = r#"
! Configuration File for keepalived
global_defs {
    router_id node1   # where it stands
}
vrrp_script chk_haproxy {
    script "/usr/bin/killall -0 haproxy"  # cheaper than pidof
    interval 2 ! seconds
    weight -4
    fall 2
    rise 3
}
vrrp_script chk.nginx-2
{
    script /usr/local/bin/check_nginx
    interval 1.5
    timeout 0.25
    user nobody nogroup
    init_fail
}
vrrp_script unused {
    script 'sh -c "exit 1 # no comment"'
}
vrrp_sync_group VG {
    group {
        VI_1
    }
    track_script {
        chk.nginx-2
    }
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        192.0.2.18/25
    }
    track_script {
        chk_haproxy weight 2 reverse
    }
}
virtual_server 192.0.2.18 80 {
    real_server 192.0.2.19 80 {
        MISC_CHECK {
            misc_path "/bin/check"
        }
    }
}
"#;

fn whole() -> Conf {
    read(WHOLE).unwrap()
}

#[test]
fn scripts_are_read_with_their_values_or_keepaliveds_defaults() {
    let conf = whole();
    let [haproxy, nginx, unused] = conf.scripts.as_slice() else { panic!("{:?}", conf.scripts) };
    assert_eq!((haproxy.name.as_str(), haproxy.line), ("chk_haproxy", 6));
    assert_eq!(haproxy.command, "/usr/bin/killall -0 haproxy");
    assert_eq!((haproxy.interval(), haproxy.timeout()), (Span::from_secs(2), Span::from_secs(2)));
    assert_eq!((haproxy.rise(), haproxy.fall(), haproxy.weight.as_deref()), (3, 2, Some("-4")));
    assert_eq!((nginx.name.as_str(), nginx.line), ("chk.nginx-2", 13));
    assert_eq!((nginx.interval(), nginx.timeout()), (Span::from_millis(1_500), Span::from_millis(250)));
    assert_eq!((nginx.user.as_deref(), nginx.init_fail), (Some("nobody nogroup"), true));
    assert_eq!((nginx.rise(), nginx.fall()), (1, 1));
    assert_eq!(unused.command, "sh -c \"exit 1 # no comment\"");
    assert_eq!((unused.interval, unused.interval(), unused.init_fail), (None, Span::from_secs(1), false));
}

#[test]
fn what_tracks_scripts_is_read_and_all_else_is_counted() {
    let conf = whole();
    let [group, instance] = conf.trackers.as_slice() else { panic!("{:?}", conf.trackers) };
    assert!(group.is_group && !instance.is_group);
    assert_eq!((instance.name.as_str(), instance.line), ("VI_1", 32));
    let tracked = Tracked { name: "chk_haproxy".into(), line: 40, rest: "weight 2 reverse".into() };
    assert_eq!(instance.tracked, [tracked]);
    let keywords = |others: &[super::Other]| -> Vec<(String, usize)> {
        others.iter().map(|other| (other.keyword.clone(), other.line)).collect()
    };
    assert_eq!(keywords(&conf.others), [("global_defs".to_owned(), 3), ("virtual_server".to_owned(), 43)]);
    assert_eq!(keywords(&group.others), [("group".to_owned(), 25)]);
    assert_eq!(instance.others.len(), 4);
    // keepalived runs only what is tracked.
    let tracked: Vec<_> = conf.tracked().map(|script| script.name.as_str()).collect();
    assert_eq!(tracked, ["chk_haproxy", "chk.nginx-2"]);
}

#[test]
fn quotes_comments_and_lines_that_go_on_are_as_keepalived_has_them() {
    let command = |line: &str| {
        let conf = read(&format!("vrrp_script a {{\n{line}\n}}\n")).unwrap();
        conf.scripts[0].command.clone()
    };
    for (line, expected) in [
        ("script /bin/a b c", "/bin/a b c"),
        ("script \"/bin/a # b ! c\"", "/bin/a # b ! c"),
        ("script \"say \\\"no\\\"\"", "say \"no\""),
        ("script 'a \\ b'", "a \\ b"),
        ("script /bin/a#b", "/bin/a"),
        ("script /bin/a \\\n  b", "/bin/a b"),
        ("  script\t/bin/a   ", "/bin/a"),
        ("script /bin/{a,b}", "/bin/{a,b}"),
    ] {
        assert_eq!(command(line), expected, "{line}");
    }
    let brace = read("vrrp_script a{\nscript x\n}\nvrrp_script b { script y }\n").unwrap();
    assert_eq!(brace.scripts.iter().map(|it| it.command.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(read("").unwrap(), Conf::default());
    assert_eq!(read("# nothing\r\n!\r\n").unwrap(), Conf::default());
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_a_remedy() {
    let script = |line: &str| format!("\nvrrp_script a {{\nscript x\n{line}\n}}\n");
    let table = [
        (script("interval"), 4, "takes one value, and has 0"),
        (script("interval 1 2"), 4, "takes one value, and has 2"),
        (script("interval 0"), 4, "is no time in seconds"),
        (script("interval soon"), 4, "is no time in seconds"),
        (script("timeout 1.2345678"), 4, "is no time in seconds"),
        (script("timeout -1"), 4, "is no time in seconds"),
        (script("interval 99999999999999999999"), 4, "is no time in seconds"),
        (script("rise 0"), 4, "is no whole number from 1 on"),
        (script("fall many"), 4, "is no whole number from 1 on"),
        (script("weight"), 4, "`weight` has no value"),
        (script("intervall 1"), 4, "`intervall` is nothing that a vrrp_script has"),
        (script("script \"x"), 4, "begins with \" has no end"),
        ("vrrp_script a {\n}\n".into(), 1, "executes nothing"),
        ("vrrp_script a\n".into(), 1, "has no block"),
        ("vrrp_script {\nscript x\n}\n".into(), 1, "has one name, and this has 0"),
        ("vrrp_script a b {\nscript x\n}\n".into(), 1, "has one name, and this has 2"),
        (format!("{}{}", script(""), script("")), 7, "is a vrrp_script already, from line 2 on"),
        ("a {\nb {\n}\n".into(), 1, "the block of `a` has no end"),
        ("}\n".into(), 1, "closes nothing"),
        ("\n{\n}\n".into(), 2, "belongs to nothing"),
        ("a {\n}\n{\n}\n".into(), 3, "belongs to nothing"),
        ("x {\n".repeat(20), 16, "more than 16 deep"),
        ("\ninclude /etc/keepalived/conf.d/*.conf\n".into(), 2, "brings in another file"),
        ("a {\nincluder b\n}\n".into(), 2, "brings in another file"),
        (script("interval $T"), 4, "is no time in seconds"),
        ("~SEQ(i, x) y\n".into(), 1, "does not say what it repeats"),
        ("$A=$A x\n$A\n".into(), 2, "have no end"),
    ];
    for (text, line, what) in table {
        let error = read(&text).unwrap_err();
        assert_eq!(error.line, line, "{error} in {text}");
        assert!(error.what.contains(what), "{error} in {text}");
        assert!(error.to_string().contains("; ") && !error.remedy.is_empty());
    }
}

#[test]
fn a_mistyped_key_of_a_script_is_answered_with_the_one_that_was_meant() {
    for (typed, offer) in [
        ("intervall 2", "; did you mean `interval`?"),
        ("Timeout 2", "; did you mean `timeout`?"),
        ("init-fail", "; did you mean `init_fail`?"),
        ("rsie 2", "; did you mean `rise`?"),
        ("vrrp_version 3", ""),
    ] {
        let keyword = typed.split(' ').next().unwrap_or_default();
        let expected = format!(
            "line 3: `{keyword}` is nothing that a vrrp_script has; it has script, interval, timeout, weight, rise, \
             fall, user and init_fail{offer}"
        );
        let text = format!("vrrp_script a {{\nscript x\n{typed}\n}}\n");
        assert_eq!(read(&text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_slip_of_the_pen_in_what_tracks_a_script_is_told_with_its_line() {
    let slips =
        |text: &str| -> Vec<String> { read(text).unwrap().slips().iter().map(ToString::to_string).collect() };
    assert_eq!(slips(WHOLE), [""; 0]);
    for (right, wrong, told) in [
        (
            "vrrp_script chk_haproxy",
            "vrrp_scirpt chk_haproxy",
            "line 6: `vrrp_scirpt`, perhaps `vrrp_script` was meant",
        ),
        ("vrrp_instance", "vrrp_instnace", "line 32: `vrrp_instnace`, perhaps `vrrp_instance` was meant"),
        (
            "vrrp_sync_group",
            "vrrp_sync_gruop",
            "line 24: `vrrp_sync_gruop`, perhaps `vrrp_sync_group` was meant",
        ),
        (
            "    chk_haproxy weight",
            "    chk_haprxy weight",
            "line 40: `chk_haprxy`, perhaps `chk_haproxy` was meant",
        ),
    ] {
        assert!(WHOLE.contains(right), "{right}");
        assert_eq!(slips(&WHOLE.replacen(right, wrong, 1)).first().map(String::as_str), Some(told));
    }
    let block = |keyword: &str| format!("vrrp_instance a {{\n{keyword} {{\nx\n}}\n}}\n");
    assert_eq!(slips(&block("track_scripts")), ["line 2: `track_scripts`, perhaps `track_script` was meant"]);
    // What keepalived has besides is no slip, however alike.
    for keyword in
        ["track_file", "track_process", "track_interface", "track_bfd", "track_src_ip", "notify_master"]
    {
        assert_eq!(slips(&block(keyword)), [""; 0], "{keyword}");
    }
    for keyword in ["vrrp_track_file", "vrrp_track_process", "bfd_instance", "virtual_server", "track_file"] {
        assert_eq!(slips(&format!("{keyword} a {{\n}}\n")), [""; 0], "{keyword}");
    }
}

#[test]
fn no_text_is_too_much_for_it() {
    // Every prefix, and every text with one character gone or doubled: an answer, never a panic.
    for end in (0..WHOLE.len()).filter(|end| WHOLE.is_char_boundary(*end)) {
        let _ = read(&WHOLE[..end]);
        let _ = read(&format!("{}{}", &WHOLE[..end], &WHOLE[(end + 1).min(WHOLE.len())..]));
        let _ = read(&format!("{}{}", &WHOLE[..end], &WHOLE[end.saturating_sub(1)..]));
    }
    assert!(read(&"a {\n".repeat(100_000)).is_err());
    assert!(read(&"a\\\n".repeat(100_000)).is_ok());
}

#[test]
fn parameters_conditions_repetitions_and_included_files_are_worked_out() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("conf.d/10-scripts.conf", "vrrp_script chk {\n@a script /bin/a\n@^a script /bin/b\n $DEFS\n}\n");
    write("conf.d/20-more.conf", "include deeper.inc\n");
    write("conf.d/deeper.inc", "~SEQ(n, 1, 2) vrrp_script s$n { script \"/bin/s ${n} $HOME\" }\n");
    write(
        "keepalived.conf",
        "$DEFS=\\\n    interval 7\\\n    timeout ${T}\n$T=3\ninclude conf.d/*.conf\n\
         vrrp_instance i {\n track_script {\n ~LST(x, chk, s1) $x weight 2\n }\n}\n",
    );
    let path = folder.path().join("keepalived.conf");
    let conf = load_as(&path, Some("a")).unwrap();
    let names: Vec<&str> = conf.scripts.iter().map(|script| script.name.as_str()).collect();
    assert_eq!(names, ["chk", "s1", "s2"]);
    let chk = &conf.scripts[0];
    assert_eq!(
        (chk.command.as_str(), chk.interval(), chk.timeout()),
        ("/bin/a", Span::from_secs(7), Span::from_secs(3))
    );
    assert!(conf.scripts[1].command.starts_with("/bin/s 1 $HOME"), "what nothing defines stays");
    assert_eq!(conf.tracked().count(), 2);
    assert_eq!(load_as(&path, None).unwrap().scripts[0].command, "/bin/b");
}

#[test]
fn releases_before_fractions_ignore_them() {
    let conf = read("vrrp_script a {\nscript /x\ninterval 3\ntimeout 2.5\n}\n").unwrap();
    let timeout = |version: &str| {
        conf.clone().as_read_by(treefall_model::release::Release::parse(version).unwrap()).scripts[0]
            .timeout()
    };
    assert_eq!(timeout("2.2.7"), Span::from_secs(3));
    assert_eq!(timeout("2.3.2"), Span::from_micros(2_500_000));
}
