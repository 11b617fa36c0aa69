//! Compares the circuit breaker with the rule.

use super::*;
use proptest::prelude::*;

const SPEC: BreakerSettings = BreakerSettings {
    failing: Duration::from_secs(60),
    open: Duration::from_secs(300),
    probe_lease: Duration::from_secs(11),
};

/// An instant of the instance's clock, in milliseconds.
const fn at(ms: u64) -> Mono {
    Mono::new(Duration::from_millis(ms))
}

/// An instant of the store's clock, in milliseconds.
const fn stored_at(ms: u64) -> StoreTime {
    StoreTime::from_millis(ms)
}

const fn open(until: u64) -> Circuit {
    Circuit::Open {
        until: stored_at(until),
    }
}

const fn half_open(until: u64) -> Circuit {
    Circuit::HalfOpen {
        until: stored_at(until),
    }
}

const fn failing(since: u64, last: u64) -> Circuit {
    Circuit::Failing {
        since: stored_at(since),
        last: stored_at(last),
    }
}

/// A store and one instance, whose clocks differ by a thousand seconds.
struct World {
    breaker: Breaker,
    stored: Circuit,
    writes: u64,
}

impl World {
    fn new() -> Self {
        let mut breaker = Breaker::new(SPEC);
        breaker.observe(0, "", stored_at(1_000_000), at(0));
        Self {
            breaker,
            stored: Circuit::Closed,
            writes: 0,
        }
    }

    fn store(&mut self, mono: u64, next: Option<Circuit>) {
        if let Some(next) = next {
            (self.stored, self.writes) = (next, self.writes + 1);
            self.breaker.observe(
                self.writes,
                &next.to_json(),
                stored_at(1_000_000 + mono),
                at(mono),
            );
        }
    }

    fn fail(&mut self, mono: u64) -> &mut Self {
        let next = self.breaker.on_failure(at(mono), false);
        self.store(mono, next);
        self
    }

    fn succeed(&mut self, mono: u64) -> &mut Self {
        let next = self.breaker.on_success();
        self.store(mono, next);
        self
    }
}

#[test]
fn opens_after_failures_that_span_60_seconds_for_300() {
    let mut world = World::new();
    world.fail(0).fail(20_000).fail(59_999);
    assert!(matches!(world.stored, Circuit::Failing { .. }));
    world.fail(60_000);
    assert_eq!(world.stored, open(1_360_000));
    assert_eq!(world.breaker.admit(at(359_999)), Admission::Refuse);
    assert!(matches!(
        world.breaker.admit(at(360_000)),
        Admission::Probe(_)
    ));
}

#[test]
fn two_failures_at_the_ends_of_the_window_are_enough_but_one_is_not() {
    let mut world = World::new();
    assert_eq!(world.fail(0).stored, failing(1_000_000, 1_000_000));
    assert_eq!(world.fail(60_000).stored, open(1_360_000));
}

#[test]
fn a_gap_or_a_success_begins_anew() {
    let mut world = World::new();
    world.fail(0).fail(60_001);
    assert_eq!(world.stored, failing(1_060_001, 1_060_001));
    world.succeed(70_000).fail(80_000).fail(121_000);
    assert!(
        matches!(world.stored, Circuit::Failing { .. }),
        "{:?}",
        world.stored
    );
}

#[test]
fn the_first_failure_transitions_and_every_half_window_are_written_and_no_more() {
    let mut world = World::new();
    for second in 0..60 {
        world.fail(second * 1_000);
    }
    assert_eq!(
        world.writes, 2,
        "the first failure, and one sign of life at 30 s"
    );
    world.fail(60_000);
    assert_eq!(world.writes, 3);
    for second in 61..100 {
        world.fail(second * 1_000);
    }
    assert_eq!(world.writes, 3, "late failures of old attempts");
}

#[test]
fn one_probe_holds_a_lease_that_ends() {
    let mut world = World::new();
    world.fail(0).fail(60_000);
    let Admission::Probe(probing) = world.breaker.admit(at(360_000)) else {
        panic!("should probe");
    };
    assert_eq!(probing, half_open(1_371_000));
    world.store(360_000, Some(probing));
    assert_eq!(
        world.breaker.admit(at(360_001)),
        Admission::Refuse,
        "somebody probes"
    );
    assert!(
        matches!(world.breaker.admit(at(371_000)), Admission::Probe(_)),
        "the prober was killed"
    );
    assert_eq!(
        world.breaker.on_failure(at(361_000), false),
        None,
        "an old attempt"
    );
    let reopened = open(1_661_000);
    assert_eq!(world.breaker.on_failure(at(361_000), true), Some(reopened));
    assert_eq!(probing.transition(reopened), Some(Transition::Opened));
    assert_eq!(world.breaker.on_success(), Some(Circuit::Closed));
    assert_eq!(
        probing.transition(Circuit::Closed),
        Some(Transition::Closed)
    );
}

/// The decision of an instance that reads `circuit` when the store's clock shows `now`.
fn admission(circuit: Circuit, now: u64) -> Admission {
    let mut breaker = Breaker::new(SPEC);
    breaker.observe(1, &circuit.to_json(), stored_at(now), at(0));
    breaker.admit(at(0))
}

#[test]
fn a_state_that_would_end_later_than_its_length_allows_begins_anew() {
    const DAY: u64 = 86_400_000;
    // Both were stored while the clock was a day ahead.
    let opened = open(DAY + 300_000);
    let probing = half_open(DAY + 11_000);
    let anew = open(300_000);
    assert_eq!(admission(opened, 0), Admission::Renew(anew));
    assert_eq!(admission(probing, 0), Admission::Renew(half_open(11_000)));
    assert_eq!(
        opened.transition(anew),
        None,
        "nothing that others must hear"
    );

    assert_eq!(admission(anew, 0), Admission::Refuse);
    assert!(matches!(admission(anew, 300_000), Admission::Probe(_)));
    // Instances estimate the store's clock between two reads, with an error of some milliseconds.
    assert_eq!(admission(open(301_000), 0), Admission::Refuse);
}

#[test]
fn a_run_of_failures_from_a_time_that_has_not_come_begins_anew() {
    const DAY: u64 = 86_400_000;
    for (since, last) in [(DAY, DAY), (1_000, DAY)] {
        let mut breaker = Breaker::new(SPEC);
        let ahead = failing(since, last);
        breaker.observe(1, &ahead.to_json(), stored_at(2_000), at(0));
        let next = breaker.on_failure(at(0), false);
        let (since, last) = (2_000, 2_000);
        assert_eq!(next, Some(failing(since, last)));
    }
    // The instance itself saw failures while the clock was ahead.
    let mut breaker = Breaker::new(SPEC);
    breaker.observe(1, "", stored_at(DAY), at(0));
    let _ = breaker.on_failure(at(0), false);
    let (since, last) = (2_000, 2_000);
    let stored = failing(since, last);
    breaker.observe(2, &stored.to_json(), stored_at(92_000), at(90_000));
    let next = breaker.on_failure(at(90_000), false);
    assert!(
        next == Some(failing(92_000, 92_000)),
        "a gap of 90 s: {next:?}"
    );
}

#[test]
fn a_run_that_ends_by_itself_is_no_news() {
    let ended = failing(0, 0);
    assert_eq!(ended.transition(Circuit::Closed), None);
    assert_eq!(Circuit::Closed.transition(ended), None);
    assert_eq!(open(1).transition(half_open(2)), None);
}

#[test]
fn the_view_is_fresh_for_a_second_and_unreadable_state_is_closed() {
    let mut breaker = Breaker::new(SPEC);
    assert!(breaker.is_stale(at(0)) && !breaker.is_known());
    assert_eq!(breaker.on_failure(at(0), false), None);
    breaker.observe(7, "from the future", stored_at(5), at(100));
    assert_eq!((breaker.circuit(), breaker.version()), (Circuit::Closed, 7));
    assert!(!breaker.is_stale(at(1_099)));
    assert!(breaker.is_stale(at(1_100)));
    breaker.keep(at(1_100));
    assert!(!breaker.is_stale(at(2_099)));
}

#[test]
fn a_state_is_stored_in_words_that_every_release_reads() {
    let at = StoreTime::from_millis;
    for (circuit, text) in [
        (Circuit::Closed, r#"{"state":"closed"}"#),
        (
            Circuit::Failing {
                since: at(1),
                last: at(2),
            },
            r#"{"state":"failing","since":1,"last":2}"#,
        ),
        (
            Circuit::Open {
                until: at(u64::MAX),
            },
            r#"{"state":"open","until":18446744073709551615}"#,
        ),
        (
            Circuit::HalfOpen { until: at(3) },
            r#"{"state":"half-open","until":3}"#,
        ),
    ] {
        assert_eq!(circuit.to_json(), text);
        assert_eq!(Circuit::from_json(text), circuit);
    }
    for text in [
        "",
        "{}",
        r#"{"state":"open"}"#,
        r#"{"state":"ajar","until":3}"#,
    ] {
        assert_eq!(Circuit::from_json(text), Circuit::Closed, "{text}");
    }
}

proptest! {
    /// Compares with the rule, for any run of failures and successes of one instance.
    #[test]
    fn opens_exactly_when_the_rule_says(steps in prop::collection::vec((1_u64..50_000, any::<bool>()), 1..60)) {
        let mut world = World::new();
        let (mut now, mut run) = (0, Vec::<u64>::new());
        for (wait, fails) in steps {
            now += wait;
            if fails {
                if run.last().is_some_and(|last| now - last > crate::millis(SPEC.failing)) {
                    run.clear();
                }
                run.push(now);
                world.fail(now);
            } else {
                run.clear();
                world.succeed(now);
            }
            let must_open = run.len() >= 2 && now - run[0] >= crate::millis(SPEC.failing);
            prop_assert_eq!(matches!(world.stored, Circuit::Open { .. }), must_open);
            if must_open {
                break;
            }
        }
    }
}
