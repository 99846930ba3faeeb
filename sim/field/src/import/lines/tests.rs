//! Tests of [`lines`](super): renderings of one message.

use super::stamps::micros_of;
use super::*;

fn read(line: &str) -> (Option<(i64, i64)>, Writer, String) {
    let line = lines(line).0.remove(0);
    let when = line.when.map(|when| (when.start, when.end - when.start));
    (when, line.writer, line.text)
}

const SECOND: i64 = 1_000_000;

#[test]
fn every_rendering_gives_moment_process_and_message() {
    let ten = micros_of("2026-11-25T10:00:00");
    let table = [
        ("Wed Nov 25 10:00:00 2026: Reloading", SECOND, Writer::Unspecified),
        ("Wed Nov 25 10:00:00.000000 2026: Reloading", 1, Writer::Unspecified),
        ("2026-11-25T10:00:00+0000 lb1 Keepalived_vrrp[77]: Reloading", SECOND, Writer::Vrrp),
        ("2026-11-25T11:00:00.000000+01:00 lb1 Keepalived_vrrp[77]: Reloading", 1, Writer::Vrrp),
        ("2026-11-25 10:00:00 lb1 Keepalived[77]: Reloading", SECOND, Writer::Parent),
        ("2026-11-25 10:00:00,000 lb1 Keepalived[77]: Reloading", 1_000, Writer::Parent),
        ("<30>1 2026-11-25T10:00:00.000Z lb1 Keepalived_vrrp 77 - - Reloading", 1_000, Writer::Vrrp),
        ("<30>1 2026-11-25T10:00:00Z lb1 Keepalived_vrrp 77 - [a b=\"c\"] Reloading", SECOND, Writer::Vrrp),
        ("Wed 2026-11-25 10:00:00 CET lb1 Keepalived_vrrp[77]: Reloading", SECOND, Writer::Vrrp),
        ("Wed 2026-11-25 10:00:00 CET lb1 keepalived.service[77]: Reloading", SECOND, Writer::Unspecified),
        ("2026 Nov 25 10:00:00 lb1 Keepalived_vrrp[77]: Reloading", SECOND, Writer::Vrrp),
        ("Wed Nov 25 10:00:00 2026 daemon.info Keepalived_vrrp[77]: Reloading", SECOND, Writer::Vrrp),
        ("[pod/k/k] Wed Nov 25 10:00:00 2026: Reloading", SECOND, Writer::Unspecified),
        ("keepalived_1  | Wed Nov 25 10:00:00 2026: Reloading", SECOND, Writer::Unspecified),
        (
            "2026-11-25T10:00:00.000000001Z stderr F Wed Nov 25 10:00:00 2026: Reloading",
            1,
            Writer::Unspecified,
        ),
        (
            "    > \u{1b}[32m2026-11-25 10:00:00\u{1b}[0m lb1 \u{1b}[1mKeepalived_vrrp[77]\u{1b}[0m: Reloading",
            SECOND,
            Writer::Vrrp,
        ),
        ("2026-11-25T10:00:00 lb1   Keepalived_vrrp Reloading", SECOND, Writer::Vrrp),
        (
            "\"2026-11-25T10:00:00Z\",\"lb1\",\"Keepalived_vrrp[77]\",\"Reloading\"",
            SECOND,
            Writer::Unspecified,
        ),
        ("nov. 25 2026 10:00:00 lb1 Keepalived_vrrp[77]: Reloading", SECOND, Writer::Vrrp),
        ("25 listopada 2026 10:00:00 lb1 Keepalived_vrrp[77]: Reloading", SECOND, Writer::Vrrp),
        ("11月 25 2026 10:00:00 lb1 Keepalived_vrrp[77]: Reloading", SECOND, Writer::Vrrp),
        ("1795600800.000000 lb1 Keepalived_vrrp[77]: Reloading", 1, Writer::Vrrp),
        ("level=info ts=2026-11-25T10:00:00.000Z msg=\"Reloading\"", 1_000, Writer::Unspecified),
    ];
    for (line, width, writer) in table {
        assert_eq!(read(line), (Some((ten, width)), writer, "Reloading".to_owned()), "{line}");
    }
}

#[test]
fn stamps_without_a_date_or_a_year_are_in_order() {
    let text = "Dec 31 23:59:59 lb1 Keepalived_vrrp[7]: Reloading\nJan  1 00:00:01 lb1 Keepalived_vrrp[7]: Reloading\n";
    let at: Vec<i64> = lines(text).0.iter().filter_map(|line| Some(line.when.clone()?.start)).collect();
    assert_eq!(at[1] - at[0], 2 * SECOND);
    let at: Vec<i64> =
        lines("23:59:59 lb1 Reloading\n00:00:01 lb1 Reloading\n[52114.304000] lb1 Keepalived_vrrp[7]: x")
            .0
            .iter()
            .filter_map(|line| Some(line.when.clone()?.start))
            .collect();
    assert_eq!((at[1] - at[0], at[2]), (2 * SECOND, 52_114_304_000));
}

#[test]
fn what_is_no_time_stamp_is_none() {
    for line in [
        "",
        "-- Boot 1234 --",
        "Nov 25 99:00:00 h Keepalived: x",
        "Nov 25 10:00:00.",
        "é",
        "Wed Nov",
        "<30",
        "v10.304000 x",
    ] {
        assert_eq!(read(&format!("{line}\n")).0, None, "{line}");
    }
}

#[test]
fn both_copies_of_a_line_are_one_line() {
    let text = "\
Nov 30 16:46:25 lb-a keepalived[711]: Mon Nov 30 16:46:25 2026: VRRP_Script(a) succeeded
Nov 30 16:46:25 lb-a Keepalived_vrrp[711]: VRRP_Script(a) succeeded
Nov 30 16:46:25 lb-a keepalived[711]: Mon Nov 30 16:46:25 2026: VRRP_Script(b) succeeded
Nov 30 16:46:25 lb-a Keepalived_vrrp[711]: VRRP_Script(b) succeeded
";
    let (lines, copies) = lines(text);
    assert_eq!((lines.len(), copies), (2, 2));
    assert!(lines.iter().all(|line| line.writer == Writer::Vrrp));
}

#[test]
fn a_line_that_stands_for_several_is_each_of_them() {
    let text = "\
Nov 30 16:46:25 lb-a Keepalived_vrrp[7]: VRRP_Script(a) timed_out
Nov 30 16:46:29 lb-a Keepalived_vrrp[7]: message repeated 2 times: [ VRRP_Script(a) timed_out]
Nov 30 16:46:30 lb-a last message repeated 3 times
";
    let lines = lines(text).0;
    assert_eq!(lines.len(), 6);
    assert!(lines.iter().all(|line| line.text == "VRRP_Script(a) timed_out" && line.writer == Writer::Vrrp));
}

#[test]
fn the_kernel_and_the_service_manager_are_outside() {
    for line in [
        "[52141.304000] keepalived[74]: segfault at 8 ip 0 sp 0 error 6 in keepalived[5581]",
        "Nov 25 10:00:00 lb1 kernel: keepalived[74]: segfault at 8 ip 0 sp 0 error 6",
        "[52141.304000] traps: keepalived[74] general protection fault ip:5581 sp:7ffd error:0",
        "Nov 25 10:00:00 lb1 systemd[1]: keepalived.service: Main process exited, code=dumped, status=11/SEGV",
    ] {
        let (when, writer, _) = read(line);
        assert!(when.is_some() && writer == Writer::Outside, "{line}: {writer:?}");
    }
    assert_eq!(read("Nov 25 10:00:00 lb1 sshd[7]: Accepted").1, Writer::Foreign);
}
