//! The laws of the layout.

use super::bytes::HALF;
use super::*;
use crate::id::LinkId;
use crate::strategies;
use crate::time::Span;
use crate::trace::{Link, Rank, run};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn a_trace_survives_the_way_through_bytes(trace in strategies::trace()) {
        prop_assert_eq!(decode(&encode(&trace)), trace);
    }

    #[test]
    fn any_bytes_decode_and_their_encoding_is_canonical(bytes in any::<Vec<u8>>()) {
        let canonical = encode(&decode(&bytes));
        prop_assert_eq!(encode(&decode(&canonical)), canonical);
    }

    #[test]
    fn a_mutated_trace_still_decodes(
        trace in strategies::trace(),
        at in any::<prop::sample::Index>(),
        by in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = encode(&trace);
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= by }
        let canonical = encode(&decode(&bytes));
        prop_assert_eq!(encode(&decode(&canonical)), canonical);
    }

    #[test]
    fn every_span_survives(micros in 0..=Span::MAX.as_micros(), near in 0_u64..40, beside in -200_i64..200) {
        let near = (near * HALF).saturating_add_signed(beside);
        for span in [Span::from_micros(micros), Span::from_micros(near)] {
            let mut out = Writer::with_capacity(0);
            out.span(span);
            prop_assert_eq!(Reader::new(&out.into_bytes()).span(), span);
        }
    }
}

#[test]
fn no_bytes_are_a_trace_of_one_empty_configuration() {
    let trace = decode(&[]);
    assert_eq!((trace.setup().configs.len(), trace.wakes().len()), (1, 0));
}

#[test]
fn the_trace_of_the_field_report_takes_seven_bytes() {
    let mut script = Script::new(Name::numbered(0));
    (script.interval, script.timeout) = (Span::from_secs(3), Span::from_secs(2));
    let setup = Setup { configs: alloc::vec![Config { scripts: alloc::vec![script] }], ..Setup::default() };
    let trace = Trace::new(setup, alloc::vec![Wake::next_timer().hup(ConfigId(0))]).expect("valid");
    assert_eq!(encode(&trace), [VERSION, 0, 1, OWN_TIMEOUT, 12, 8, HUP_FIRST << 2]);
}

#[test]
fn version_2_bytes_are_read_as_they_were_written() {
    let kind = |version| decode(&[version, 0, 1, 3, 4, 0]).setup().configs[0].scripts[0].kind;
    assert_eq!([1, 2, 3].map(kind), [ScriptKind::Cancelling, ScriptKind::Track, ScriptKind::Cancelling]);
    let bytes = |script: u8| encode(&decode(&[2, 0, 1, script, 4, 0]));
    assert_eq!(bytes(3), bytes(0), "in version 2 both were a track script");
}

#[test]
fn a_trace_without_extensions_keeps_the_bytes_of_version_3() {
    let plain = [VERSION, 2 << 4, 1, 0, 4, 0];
    assert_eq!(encode(&decode(&plain)), plain);
    let guarded = [EXTENDED, GUARDED, 2 << 4, 1, 0, 4, 0];
    assert_eq!(decode(&guarded).setup().heap, HeapPolicy::Guarded);
    assert_eq!(encode(&decode(&guarded)), guarded);
    // An extension that is not known, and none at all.
    for none in [0, 0x80] {
        assert_eq!(encode(&decode(&[EXTENDED, none, 2 << 4, 1, 0, 4, 0])), plain);
    }
}

#[test]
fn a_count_beyond_the_input_allocates_nothing() {
    let mut bytes = alloc::vec![VERSION, FAILURES];
    bytes.extend([0xff; 9]);
    bytes.extend([1, MANY, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(decode(&bytes).setup().configs[0].scripts.len() < bytes.len());
}

#[test]
fn names_made_equal_by_reading_become_distinct() {
    let script = [NAME, 4, 2, b's', b'1'];
    let bytes = [&[VERSION, 0, 3][..], &script, &script, &script].concat();
    let names: Vec<_> = decode(&bytes).setup().configs[0].scripts.iter().map(|s| s.name.clone()).collect();
    assert_eq!(names.iter().map(Name::as_str).collect::<Vec<_>>(), ["s1", "s4097", "s2"]);
}

#[test]
fn an_exit_names_the_next_run_of_its_script_in_one_byte() {
    let script = Script::new(Name::numbered(0));
    let setup = Setup { configs: alloc::vec![Config { scripts: alloc::vec![script] }], ..Setup::default() };
    let exit = |nth| Wake::next_timer().exit(run(0, 0, nth), ExitStatus::SUCCESS);
    let trace = Trace::new(setup, alloc::vec![exit(1), exit(2), exit(3)]).expect("valid");
    assert_eq!(encode(&trace), [VERSION, 0, 1, 0, 4, 16, 0, 16, 0, 16, 0]);
}

#[test]
fn a_trace_at_its_limits_survives() {
    let script = |place| Script::new(Name::numbered(place));
    let wide = Config { scripts: (0..SCRIPTS_MAX).map(script).collect() };
    let mut configs = alloc::vec![Config::default(); CONFIGS_MAX];
    configs[CONFIGS_MAX - 1] = wide;
    let last = u16::try_from(SCRIPTS_MAX - 1).expect("it fits");
    let failures = (0..FORK_FAILURES_MAX - 1).map(|n| StartNo(u32::try_from(n).expect("it fits") * 3));
    let setup = Setup {
        configs,
        fork_failures: failures.chain([StartNo(START_NO_MAX)]).collect(),
        costs: Costs { log: Span::ZERO, ..Costs::of([COST_MAX; 5]) },
        ..Setup::default()
    };
    let mut crowd = Wake::new(Advance::By(Span::MAX)).term();
    crowd.exits = (1..=u32::try_from(EXITS_MAX).expect("it fits"))
        .map(|nth| Exit { run: run(last, 0, u32::MAX - nth), status: ExitStatus::Code(u8::MAX) })
        .collect();
    let hup = Wake::next_timer().hup(ConfigId(15));
    let trace = Trace::new(setup, alloc::vec![hup.clone(), hup, crowd]).expect("valid");
    assert_eq!(decode(&encode(&trace)), trace);
}

#[test]
fn interfaces_and_their_events_survive_and_make_the_trace_extended() {
    let name = |name| Name::new(name).expect("a name");
    let eth = Link { down_delay: Span::from_secs(3), ..Link::new(name("eth0")) };
    let links = alloc::vec![eth, Link::new(name("lo"))];
    let setup = Setup { configs: alloc::vec![Config::default()], links, ..Setup::default() };
    let wakes = alloc::vec![
        Wake::next_timer().link(LinkId(1), false).link(LinkId(0), true).ranked(Rank::First),
        Wake::next_timer().hup(ConfigId(0)).ranked(Rank::Between),
        Wake::next_timer(),
    ];
    let trace = Trace::new(setup, wakes).expect("valid");
    let bytes = encode(&trace);
    assert_eq!(bytes[..2], [EXTENDED, LINKS]);
    assert_eq!(decode(&bytes), trace);
}

#[test]
fn a_rank_without_interfaces_means_nothing() {
    let setup = Setup { configs: alloc::vec![Config::default()], ..Setup::default() };
    let trace = Trace::new(setup, alloc::vec![Wake::next_timer().ranked(Rank::First)]).expect("valid");
    assert_eq!(trace.wakes(), [Wake::next_timer()]);
    assert_eq!(encode(&trace)[0], VERSION);
}
