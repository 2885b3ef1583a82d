//! Allocations of hot functions, as checked numbers: what they cost on a machine too noisy for times.
//!
//! *Motivation.* A copy too many on the path of every event shows in no time that a busy machine can measure, but the
//! allocator counts it, the same each time. The numbers are in `allocations.txt` beside this crate's manifest.
//!
//! *Theory of operation.* The allocator counts for each thread by itself, so tests may run beside each other. The operation
//! runs on the calling thread, a few times before it counts: what is allocated once and kept is no cost of an event.

use allocation_counter::AllocationInfo;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Where the numbers are.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/allocations.txt");

/// Set to write what is counted instead of checking it.
const BLESS: &str = "HOOKYARD_BLESS_ALLOCATIONS";

/// What other versions of the standard library and of dependencies may differ by.
const TOLERANCE_PERCENT: u64 = 10;

/// Runs that do not count.
const WARM_UP: usize = 8;

/// Runs that count; the one with the fewest allocations is compared, since a map that grows does so in one of many.
const COUNTED: usize = 8;

/// Tests of one program bless at the same time.
static BLESSING: Mutex<()> = Mutex::new(());

/// What one run of an operation allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    allocations: u64,
    bytes: u64,
}

/// Checks that `operation` allocates no more than is written down for `name`, and not much less either.
///
/// `input` makes what each run takes; that is not counted.
///
/// # Panics
///
/// When it allocates more or much less, or when nothing is written down. The message says how to write it down.
pub fn check<T, R>(name: &str, mut input: impl FnMut() -> T, mut operation: impl FnMut(T) -> R) {
    for _ in 0..WARM_UP {
        operation(input());
    }
    let runs = (0..COUNTED).map(|_| {
        let taken = input();
        let mut given = None;
        let AllocationInfo {
            count_total,
            bytes_total,
            ..
        } = allocation_counter::measure(|| given = Some(operation(taken)));
        Counted {
            allocations: count_total,
            bytes: bytes_total,
        }
    });
    let counted = runs
        .min_by_key(|counted| counted.allocations)
        .expect("there are runs, because their number is a constant");
    if is_blessing() {
        bless(name, counted);
        return;
    }
    let text = std::fs::read_to_string(FILE).unwrap_or_default();
    if let Err(complaint) = compare(name, counted, parse(&text).get(name).copied()) {
        complain(&complaint);
    }
}

#[expect(clippy::panic, reason = "a failed check fails its test")]
fn complain(complaint: &str) -> ! {
    panic!("{complaint}. If it must be so: {BLESS}=1 cargo test --workspace allocat, and commit {FILE}")
}

fn is_blessing() -> bool {
    std::env::var_os(BLESS).is_some()
}

fn compare(name: &str, counted: Counted, written: Option<Counted>) -> Result<(), String> {
    let Some(written) = written else {
        return Err(format!(
            "nothing is written down for `{name}`, which makes {counted:?}"
        ));
    };
    for (what, counted, written) in [
        ("allocations", counted.allocations, written.allocations),
        ("bytes", counted.bytes, written.bytes),
    ] {
        let slack = (written * TOLERANCE_PERCENT / 100).max(1);
        if counted > written + slack {
            return Err(format!("`{name}` makes {counted} {what} instead of {written}"));
        }
        // Else the number would let as much creep in again.
        if counted + 2 * slack < written {
            return Err(format!(
                "`{name}` makes only {counted} {what} instead of {written}"
            ));
        }
    }
    Ok(())
}

/// `gateway: accept = 123 allocations, 4567 bytes`, sorted by name.
fn parse(text: &str) -> BTreeMap<String, Counted> {
    let line = |line: &str| {
        let (name, numbers) = line.rsplit_once(" = ")?;
        let (allocations, bytes) = numbers.split_once(" allocations, ")?;
        let counted = Counted {
            allocations: allocations.parse().ok()?,
            bytes: bytes.strip_suffix(" bytes")?.parse().ok()?,
        };
        Some((name.to_owned(), counted))
    };
    text.lines().filter_map(line).collect()
}

fn format(counted: &BTreeMap<String, Counted>) -> String {
    let mut text = String::new();
    for (name, Counted { allocations, bytes }) in counted {
        let written = writeln!(text, "{name} = {allocations} allocations, {bytes} bytes");
        written.expect("a text can be written to, because it grows");
    }
    text
}

fn bless(name: &str, counted: Counted) {
    let _alone = BLESSING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = parse(&std::fs::read_to_string(FILE).unwrap_or_default());
    all.insert(name.to_owned(), counted);
    let written = std::fs::write(Path::new(FILE), format(&all));
    written.expect("the repository can be written to, because whoever blesses wants it to be");
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: Counted = Counted {
        allocations: 100,
        bytes: 10_000,
    };

    #[test]
    fn a_little_more_or_less_passes_and_much_more_or_less_does_not() {
        for (allocations, bytes, passes) in [
            (100, 10_000, true),
            (110, 11_000, true),
            (80, 8_000, true),
            (111, 10_000, false),
            (100, 11_001, false),
            (79, 10_000, false),
            (100, 7_999, false),
        ] {
            let counted = Counted { allocations, bytes };
            let compared = compare("x", counted, Some(WRITTEN));
            assert_eq!(compared.is_ok(), passes, "{compared:?} of {counted:?}");
        }
        assert!(compare("x", WRITTEN, None).is_err());
    }

    #[test]
    fn the_file_reads_as_it_was_written() {
        let all = BTreeMap::from([
            ("a: b".to_owned(), WRITTEN),
            ("c = d".to_owned(), Counted { bytes: 0, ..WRITTEN }),
        ]);
        assert_eq!(parse(&format(&all)), all);
    }

    #[test]
    fn what_is_allocated_on_this_thread_is_counted_and_what_elsewhere_is_not() {
        let of = |operation: fn() -> Vec<u8>| allocation_counter::measure(|| drop(operation())).count_total;
        assert_eq!(of(Vec::new), 0);
        assert_eq!(of(|| vec![1; 100]), 1);
        let many = || {
            for _ in 0..1_000 {
                std::hint::black_box(vec![1_u8; 100]);
            }
        };
        assert_eq!(allocation_counter::measure(many).count_total, 1_000);
        let counted = allocation_counter::measure(|| drop(std::thread::spawn(many).join()));
        assert!(counted.count_total < 1_000, "{counted:?}");
    }
}
