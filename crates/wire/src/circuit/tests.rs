use super::*;
use proptest::prelude::*;

const START: Instant = Instant::from_unix_micros(1_790_000_000_000_000);
const CEILING: u32 = 10;

fn at(seconds: u64) -> Instant {
    START + Duration::from_secs(seconds)
}

/// An attempt of no duration, and a probe when the circuit is open.
fn ended(seconds: u64, result: Answered) -> Observed {
    Observed {
        began_at: at(seconds),
        ended_at: at(seconds),
        result,
        is_probe: true,
        ceiling: CEILING,
        asked: None,
    }
}

fn opened() -> Circuit {
    let mut circuit = Circuit::default();
    for _ in 0..9 {
        assert_eq!(circuit.observe(ended(0, Answered::Badly), 0.5), Turn::None);
        assert_eq!(circuit.state, CircuitState::Closed);
    }
    assert_eq!(circuit.observe(ended(0, Answered::Badly), 0.5), Turn::Opened);
    circuit
}

#[test]
fn ten_failures_in_a_row_open_it_and_nine_do_not() {
    let circuit = opened();
    assert_eq!(circuit.state, CircuitState::Open);
    assert_eq!((circuit.opened_at, circuit.probe_at), (Some(at(0)), Some(at(15))));
}

#[test]
fn a_success_between_them_lets_the_count_begin_anew() {
    let mut circuit = Circuit::default();
    for second in 0..200 {
        let result = if second % 10 == 9 {
            Answered::Well
        } else {
            Answered::Badly
        };
        // A minute apart, so that no share of a minute opens it.
        circuit.observe(ended(second * 61, result), 0.5);
        assert_eq!(circuit.state, CircuitState::Closed, "{second}");
    }
}

#[test]
fn seven_of_ten_in_a_minute_open_it_and_six_do_not() {
    for (failures, expected) in [(7, CircuitState::Open), (6, CircuitState::Closed)] {
        let mut circuit = Circuit::default();
        circuit.observe(ended(0, Answered::Badly), 0.5);
        for _ in failures..10 {
            circuit.observe(ended(1, Answered::Well), 0.5);
        }
        for _ in 1..failures {
            circuit.observe(ended(2, Answered::Badly), 0.5);
        }
        assert_eq!(circuit.state, expected, "{failures} of 10");
    }
}

#[test]
fn pauses_double_up_to_ten_minutes() {
    let mut circuit = opened();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let probe = circuit.probe_at.unwrap();
        let failed = Observed {
            began_at: probe,
            ended_at: probe,
            ..ended(0, Answered::Badly)
        };
        assert_eq!(circuit.observe(failed, 0.5), Turn::None);
        pauses.push(circuit.probe_at.unwrap().since(probe).as_secs());
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 600, 600, 600]);
    assert_eq!(circuit.opened_at, Some(at(0)), "it is the same outage");
}

#[test]
fn no_probe_goes_before_the_receiver_asked_for_it() {
    for (asked, pause) in [(0, 15), (14, 15), (120, 120), (7_200, 3_600)] {
        let asks = |second| Observed {
            asked: Some(Duration::from_secs(asked)),
            ..ended(second, Answered::Overloaded)
        };
        let mut circuit = Circuit::default();
        for _ in 0..10 {
            circuit.observe(asks(0), 0.5);
        }
        assert_eq!(
            circuit.probe_at,
            Some(at(pause)),
            "opened by one that asked for {asked} s"
        );
        circuit.observe(asks(pause), 0.5);
        let again = pause + pause.max(30);
        assert_eq!(
            circuit.probe_at,
            Some(at(again)),
            "a probe that was asked for {asked} s"
        );
    }
}

#[test]
fn what_began_before_it_opened_neither_probes_nor_closes_it() {
    let mut circuit = opened();
    let before = circuit.clone();
    let slow = Observed {
        began_at: at(0) - Duration::from_secs(5),
        ..ended(3, Answered::Badly)
    };
    circuit.observe(slow, 0.5);
    assert_eq!((circuit.state, circuit.probe_at), (before.state, before.probe_at));
    circuit.observe(
        Observed {
            result: Answered::Well,
            ..slow
        },
        0.5,
    );
    assert_eq!((circuit.state, circuit.probe_at), (before.state, before.probe_at));
}

#[test]
fn only_a_probe_tests_an_open_circuit() {
    let mut circuit = opened();
    let before = circuit.clone();
    for result in [Answered::Badly, Answered::Overloaded, Answered::Well] {
        // It was on its way to another worker when the circuit opened.
        let stray = Observed {
            is_probe: false,
            ..ended(1, result)
        };
        assert_eq!(circuit.observe(stray, 0.5), Turn::None);
        assert_eq!((circuit.state, circuit.probe_at), (before.state, before.probe_at));
    }
    circuit.observe(ended(15, Answered::Badly), 0.5);
    assert_eq!(circuit.probe_at, Some(at(15 + 30)), "the first probe that failed");
}

#[test]
fn the_wait_is_counted_from_the_opening_and_anew_when_an_operator_lets_them_go() {
    let mut circuit = opened();
    assert_eq!(circuit.waits_since, Some(at(0)));
    circuit.observe(ended(20, Answered::Badly), 0.5);
    assert_eq!(circuit.waits_since, Some(at(0)));
    circuit.try_again(at(90));
    circuit.observe(ended(91, Answered::Badly), 0.5);
    assert_eq!(
        (circuit.state, circuit.waits_since),
        (CircuitState::Open, Some(at(90)))
    );
    assert_eq!(circuit.opened_at, Some(at(0)), "it is the same outage");
    assert_eq!(circuit.failing_since, Some(at(91)), "five days from now on");
}

#[test]
fn after_a_probe_that_succeeds_one_two_four_and_then_all_are_let_in() {
    let mut circuit = opened();
    let mut limits = vec![];
    let mut second = 20;
    loop {
        second += 1;
        let turn = circuit.observe(ended(second, Answered::Well), 0.5);
        if turn == (Turn::Recovered { opened_at: at(0) }) {
            break;
        }
        assert_eq!((turn, circuit.state), (Turn::None, CircuitState::HalfOpen));
        limits.push(circuit.limit.unwrap());
    }
    limits.dedup();
    assert_eq!(limits, [1, 2, 4, 8]);
    assert!(circuit.is_pristine(), "{circuit:?}");
}

#[test]
fn an_endpoint_that_takes_one_at_a_time_is_recovered_by_its_probe() {
    let mut circuit = opened();
    let probe = Observed {
        ceiling: 1,
        ..ended(20, Answered::Well)
    };
    assert_eq!(circuit.observe(probe, 0.5), Turn::Recovered { opened_at: at(0) });
}

#[test]
fn a_relapse_opens_it_for_longer() {
    let mut circuit = opened();
    circuit.observe(ended(20, Answered::Well), 0.5);
    assert_eq!(circuit.observe(ended(21, Answered::Badly), 0.5), Turn::None);
    assert_eq!(circuit.state, CircuitState::Open);
    assert_eq!(circuit.probe_at, Some(at(21 + 30)));
    assert_eq!(circuit.opened_at, Some(at(0)));
}

#[test]
fn overload_halves_the_limit_once_for_all_that_were_under_way() {
    let mut circuit = Circuit::default();
    for _ in 0..3 {
        circuit.observe(ended(10, Answered::Overloaded), 0.5);
    }
    // The three ended at the moment of the first halving, so only the first two after it count anew.
    assert!(circuit.limit.unwrap() < CEILING);
    let mut circuit = Circuit::default();
    let slow = |second| Observed {
        began_at: at(0),
        ..ended(second, Answered::Overloaded)
    };
    circuit.observe(slow(15), 0.5);
    circuit.observe(slow(16), 0.5);
    assert_eq!(circuit.limit, Some(5));
    circuit.observe(ended(17, Answered::Overloaded), 0.5);
    assert_eq!(circuit.limit, Some(2));
    circuit.observe(ended(18, Answered::Badly), 0.5);
    assert_eq!(circuit.limit, Some(2), "a 404 is not helped by fewer requests");
}

#[test]
fn successes_raise_the_limit_by_one_and_lift_it_at_the_ceiling() {
    let mut circuit = Circuit::default();
    circuit.observe(ended(0, Answered::Overloaded), 0.5);
    assert_eq!(circuit.limit, Some(5));
    let mut limits = vec![];
    for _ in 0..60 {
        circuit.observe(ended(1, Answered::Well), 0.5);
        limits.push(circuit.limit);
    }
    limits.dedup();
    assert_eq!(limits, [Some(5), Some(6), Some(7), Some(8), Some(9), None]);
}

#[test]
fn five_days_of_nothing_but_failures_give_it_up_and_a_success_between_does_not() {
    let mut circuit = Circuit::default();
    let day = 86_400;
    let mut turns = vec![];
    for hour in 0..=(24 * 5) {
        turns.push(circuit.observe(ended(hour * 3_600, Answered::Badly), 0.5));
    }
    assert_eq!(turns.iter().position(|turn| *turn == Turn::GivenUp), Some(120));
    let mut circuit = Circuit::default();
    for hour in 0..=(24 * 6) {
        let result = if hour == 24 * 4 {
            Answered::Well
        } else {
            Answered::Badly
        };
        assert_ne!(circuit.observe(ended(hour * 3_600, result), 0.5), Turn::GivenUp);
    }
    // Two failures five days apart are no five days of failures.
    let mut circuit = Circuit::default();
    circuit.observe(ended(0, Answered::Badly), 0.5);
    assert_eq!(circuit.observe(ended(6 * day, Answered::Badly), 0.5), Turn::None);
}

#[test]
fn a_healthy_endpoint_has_nothing_to_remember() {
    let mut circuit = Circuit::default();
    circuit.observe(ended(0, Answered::Badly), 0.5);
    circuit.observe(ended(1, Answered::Well), 0.5);
    assert!(!circuit.is_pristine(), "its minute is not over");
    circuit.observe(ended(61, Answered::Well), 0.5);
    assert!(circuit.is_pristine(), "{circuit:?}");
}

#[test]
fn an_operator_lets_them_go_again_little_by_little() {
    let mut circuit = opened();
    circuit.try_again(at(5));
    assert_eq!((circuit.state, circuit.limit), (CircuitState::HalfOpen, Some(1)));
    assert_eq!(circuit.observe(ended(6, Answered::Badly), 0.5), Turn::None);
    assert_eq!(circuit.state, CircuitState::Open);
}

#[test]
fn what_was_only_held_goes_on_little_by_little_and_one_failure_opens_nothing() {
    let mut circuit = Circuit::default();
    circuit.ease_in(at(5));
    assert_eq!((circuit.state, circuit.limit), (CircuitState::Closed, Some(1)));
    assert_eq!(circuit.observe(ended(6, Answered::Badly), 0.5), Turn::None);
    assert_eq!(circuit.state, CircuitState::Closed);
    for second in 7..60 {
        assert_eq!(
            circuit.observe(ended(second, Answered::Well), 0.5),
            Turn::None,
            "there is no outage to tell of"
        );
    }
    assert!(circuit.is_free(), "{circuit:?}");
}

#[test]
fn it_is_the_same_after_it_was_written_and_read() {
    let circuit = opened();
    let text = serde_json::to_string(&circuit).unwrap();
    assert_eq!(serde_json::from_str::<Circuit>(&text).unwrap(), circuit);
    assert_eq!(serde_json::from_str::<Circuit>("{}").unwrap(), Circuit::default());
}

fn any_observed() -> impl Strategy<Value = (u64, u64, u8, u32, f64)> {
    (0_u64..40_000, 0_u64..60_000, 0_u8..3, 1_u32..40, 0.0..1.0)
}

proptest! {
    #[test]
    fn whatever_happens_it_stays_within_its_bounds(steps in proptest::collection::vec(any_observed(), 0..200)) {
        let mut circuit = Circuit::default();
        let mut now = START;
        for (wait, took, result, ceiling, random) in steps {
            now = now + Duration::from_millis(wait);
            let before = circuit.clone();
            let observed = Observed {
                began_at: now - Duration::from_millis(took),
                ended_at: now,
                result: [Answered::Well, Answered::Badly, Answered::Overloaded][usize::from(result)],
                is_probe: took % 2 == 0,
                ceiling,
                asked: None,
            };
            let turn = circuit.observe(observed, random);
            // The least is one in flight, whatever the state.
            prop_assert!(circuit.limit.is_none_or(|limit| limit >= 1));
            prop_assert_eq!(circuit.probe_at.is_some(), circuit.state == CircuitState::Open);
            prop_assert_eq!(circuit.opened_at.is_some(), circuit.state != CircuitState::Closed);
            prop_assert_eq!(circuit.waits_since.is_some(), circuit.opened_at.is_some());
            if before.state == CircuitState::Open && !observed.is_probe {
                prop_assert_eq!((circuit.state, circuit.probe_at), (before.state, before.probe_at));
            }
            prop_assert_eq!(circuit.failing_since.is_some(), circuit.in_a_row > 0);
            if let Some(probe_at) = circuit.probe_at && before.probe_at != circuit.probe_at {
                let pause = probe_at.since(now);
                prop_assert!(pause >= Duration::from_secs(12) && pause <= Duration::from_mins(12), "{:?}", pause);
            }
            let has_opened = before.state == CircuitState::Closed && circuit.state == CircuitState::Open;
            prop_assert_eq!(turn == Turn::Opened, has_opened);
            let has_closed = before.state != CircuitState::Closed && circuit.state == CircuitState::Closed;
            prop_assert_eq!(matches!(turn, Turn::Recovered { .. }), has_closed);
            if observed.result == Answered::Well {
                prop_assert!(circuit.state != CircuitState::Open || before.state == CircuitState::Open);
            } else if before.state == CircuitState::Open {
                prop_assert_eq!(circuit.state, CircuitState::Open);
            }
        }
    }

    #[test]
    fn from_every_state_enough_successes_close_it(
        steps in proptest::collection::vec(any_observed(), 0..100), ceiling in 1_u32..100,
    ) {
        let mut circuit = Circuit::default();
        let mut now = START;
        for (wait, took, result, ceiling, random) in steps {
            now = now + Duration::from_millis(wait);
            let result = [Answered::Well, Answered::Badly, Answered::Overloaded][usize::from(result)];
            circuit.observe(Observed { began_at: now - Duration::from_millis(took), ended_at: now, result, is_probe: took % 2 == 0, ceiling, asked: None }, random);
        }
        now = now + WINDOW;
        for _ in 0..10_000 {
            now = now + Duration::from_millis(50);
            circuit.observe(Observed { began_at: now, ended_at: now, result: Answered::Well, is_probe: true, ceiling, asked: None }, 0.5);
            if circuit.is_pristine() {
                break;
            }
        }
        prop_assert!(circuit.is_pristine(), "{circuit:?}");
    }
}
