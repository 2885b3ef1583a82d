//! The workspaces' shares of the slots.

use super::*;

fn of_workspace(workspace: &str, endpoint: &str, now: Instant) -> Ticket {
    Ticket {
        workspace: WorkspaceId::from_stored(format!("ws_{workspace}")),
        ..ticket(endpoint, now + Duration::from_mins(1))
    }
}

/// As a worker has them.
const AT_WORK: Bounds = Bounds {
    slots: 256,
    reserve: 32,
    window: 2,
    line: 256,
    patience: Duration::from_secs(10),
    waiting: 4_096,
    waiting_each: 3_072,
    recording: 1_024,
    bytes: 64 << 20,
};

const TEN_AT_A_TIME: Limits = Limits {
    concurrency: 10,
    rate: None,
};

#[test]
fn a_workspace_with_a_hundred_thousand_first_attempts_keeps_no_small_one_waiting() {
    let now = Instant::now();
    let mut lines = Lines::new(AT_WORK);
    let (mut under_way, mut turned_away) = (Vec::new(), 0);
    for number in 0..100_000 {
        let large = of_workspace("large", &format!("large{}", number % 5_000), now);
        match lines.admit(large, TEN_AT_A_TIME, ()) {
            Admission::Held => {}
            Admission::NoRoom => turned_away += 1,
            Admission::Twice => unreachable!("each is new"),
        }
        under_way.extend(start_all(&mut lines, now));
    }
    // All of its receivers hang.
    assert_eq!(under_way.len(), AT_WORK.slots - AT_WORK.reserve);
    assert_eq!(turned_away, 100_000 - under_way.len() - AT_WORK.waiting_each);
    assert_eq!(lines.full(), [WorkspaceId::from_stored("ws_large")]);
    assert!(lines.room_for_swept() > 0, "the others' retries are looked for");
    for number in 0..20 {
        let name = format!("small{number}");
        assert_eq!(
            lines.admit(of_workspace(&name, &name, now), TEN_AT_A_TIME, ()),
            Admission::Held
        );
        assert_eq!(
            names(&start_all(&mut lines, now)),
            [format!("ep_{name}")],
            "at once"
        );
    }
}

#[test]
fn a_slot_that_comes_free_goes_to_the_workspace_that_holds_the_fewest() {
    let now = Instant::now();
    let bounds = Bounds {
        waiting: 200,
        waiting_each: 150,
        recording: 100,
        ..BOUNDS
    };
    let mut lines = Lines::new(bounds);
    for number in 0..40 {
        lines.admit(
            of_workspace("large", &format!("large{number}"), now),
            THREE_AT_A_TIME,
            (),
        );
    }
    let first = start_all(&mut lines, now);
    assert_eq!(
        first.len(),
        bounds.slots,
        "nobody else waits, and nothing is kept"
    );
    for name in ["a", "b"] {
        for _ in 0..3 {
            lines.admit(of_workspace(name, name, now), THREE_AT_A_TIME, ());
        }
    }
    let mut next = Vec::new();
    for ticket in &first[..6] {
        lines.finish(ticket);
        next.extend(start_all(&mut lines, now));
    }
    assert_eq!(names(&next)[..4], ["ep_a", "ep_b", "ep_a", "ep_b"]);
}

proptest! {
    /// However deliveries come and end, nobody holds more than it may, the counts agree with the lines, and when somebody
    /// could start and a slot is free, somebody does.
    #[test]
    fn workspaces_share_the_slots_and_none_is_passed_by(
        steps in proptest::collection::vec((0_u8..4, 0_u8..6, any::<prop::sample::Index>()), 1..300),
    ) {
        let now = Instant::now();
        let bounds = Bounds { reserve: 2, waiting: 60, waiting_each: 40, recording: 100, ..BOUNDS };
        let mut lines = Lines::new(bounds);
        let mut running: Vec<Ticket> = Vec::new();
        for (workspace, action, index) in steps {
            if action < 4 {
                // Most are of one workspace.
                let name = workspace.min(1).to_string();
                let line = format!("{name}{}", index.index(5));
                lines.admit(of_workspace(&name, &line, now), THREE_AT_A_TIME, ());
            } else if !running.is_empty() {
                lines.finish(&running.swap_remove(index.index(running.len())));
            }
            running.extend(start_all(&mut lines, now));
            for name in ["0", "1"] {
                let id = WorkspaceId::from_stored(format!("ws_{name}"));
                let held = running.iter().filter(|ticket| ticket.workspace == id).count();
                prop_assert!(held <= bounds.slots - bounds.reserve);
                let waiting = lines.by_endpoint.values().filter(|line| line.workspace == id);
                prop_assert_eq!(lines.tenants.waiting(&id), waiting.map(|line| line.waiting.len()).sum::<usize>());
            }
            prop_assert!(lines.tenants.claims() == 0 || running.len() == bounds.slots, "a slot is left empty");
        }
    }
}
