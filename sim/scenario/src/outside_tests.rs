//! Interfaces and their events in files: the canonical form, and what a slip is answered with.

use treefall_model::id::LinkId;
use treefall_model::time::Span;
use treefall_model::trace::{Link, Name, Order, Rank, Wake};

use super::*;

const FILE: &str = r#"format = 2
title = "Interfaces"

[[config]]

# above
[[link]]
name = "eth0"
down-delay = "3s"
up-delay = "500ms"  # beside

[[link]]
name = "lo"

[[wake]]
after = "+1s"
order = ["netlink", "signals", "timer"]
signals = ["HUP"]
events = [{ link = "lo", is = "down" }, { link = "eth0", is = "up" }]

[[wake]]
after = "next-timer"
order = "signals-first"
"#;

#[test]
fn interfaces_and_events_are_read_written_and_formatted() {
    let scenario = read("file.toml", FILE).map_err(|problems| problems.to_string()).expect("a scenario");
    let name = |name| Name::new(name).expect("a name");
    let eth =
        Link { down_delay: Span::from_secs(3), up_delay: Span::from_millis(500), ..Link::new(name("eth0")) };
    assert_eq!(scenario.trace.setup().links, [eth, Link::new(name("lo"))]);
    let [first, second] = scenario.trace.wakes() else { panic!("two wakes") };
    let expected = Wake::new(treefall_model::trace::Advance::By(Span::from_secs(1)));
    let expected = expected.hup(treefall_model::id::ConfigId(0)).link(LinkId(1), false).link(LinkId(0), true);
    assert_eq!(*first, expected.signals_first().ranked(Rank::First));
    assert_eq!((second.order, second.rank), (Order::SignalsFirst, Rank::Last));
    assert_eq!(format("file.toml", FILE).map_err(|problems| problems.to_string()).as_deref(), Ok(FILE));
    let plain = FILE.replace("# above\n", "").replace("  # beside", "");
    assert_eq!(write(&scenario), plain);
}

#[test]
fn an_order_as_a_list_becomes_the_word_that_says_the_same() {
    let listed = FILE.replace("\"signals-first\"", "[\"signals\", \"timer\", \"netlink\"]");
    assert_eq!(format("file.toml", &listed).map_err(|problems| problems.to_string()).as_deref(), Ok(FILE));
    assert_eq!(read("a", &listed).ok(), read("b", FILE).ok());
}

#[test]
fn every_slip_about_interfaces_is_told_with_a_remedy() {
    for (from, to, told) in [
        ("format = 2", "format = 1", &["an interface cannot be said in format 1", "`format = 2`"][..]),
        ("link = \"lo\"", "link = \"eth1\"", &["no interface `eth1`", "did you mean `eth0`?"]),
        ("is = \"down\"", "is = \"dwon\"", &["`is` cannot be \"dwon\"", "did you mean `down`?"]),
        ("is = \"down\"", "state = \"down\"", &["an event has no key \"state\"", "needs the key `is`"]),
        ("name = \"lo\"", "name = \"eth0\"", &["two interfaces are called eth0"]),
        ("name = \"lo\"", "name = \"sixteen-letters-\"", &["too long", "15 characters at most"]),
        ("\"3s\"", "\"256s\"", &["this delay is too long", "at most 255s"]),
        ("\"netlink\", \"signals\"", "\"signals\"", &["no order of all descriptors"]),
        ("\"netlink\", \"signals\"", "\"netlnk\", \"signals\"", &["did you mean `netlink`?"]),
        ("down-delay", "downdelay", &["an interface has no key \"downdelay\"", "did you mean `down-delay`?"]),
    ] {
        let text = FILE.replacen(from, to, 1);
        assert_ne!(text, FILE, "{from}");
        let message = read("file.toml", &text).expect_err(to).to_string();
        for part in told {
            assert!(message.contains(part), "{to}: {message}");
        }
    }
    let none = "format = 2\ntitle = \"x\"\n[[config]]\n[[wake]]\nafter = \"next-timer\"\n";
    let event = format!("{none}events = [{{ link = \"lo\", is = \"up\" }}]\n");
    let message = read("none.toml", &event).expect_err("no interface").to_string();
    assert!(message.contains("no interface `lo`") && message.contains("[[link]]"), "{message}");
    let order = format!("{none}order = [\"netlink\", \"timer\", \"signals\"]\n");
    let message = read("none.toml", &order).expect_err("no interface").to_string();
    assert!(message.contains("no interface that `netlink` could tell of"), "{message}");
}
