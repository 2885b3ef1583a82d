//! Ctrl-C, SIGTERM and SIGHUP: they only set a mark, and end the tests. Whoever started servers sees the mark while
//! it waits, and stops them itself: with one owner nothing can be started behind the back of the clearing.

use crate::servers::signal;
use anyhow::Context as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

static ARRIVED: AtomicBool = AtomicBool::new(false);

/// The process to end; 0 is none.
static TESTS: AtomicU32 = AtomicU32::new(0);

/// From here on an interrupt ends this process only through its own code.
pub(crate) fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        ARRIVED.store(true, Ordering::SeqCst);
        end_tests();
    })
    .context("cannot listen for Ctrl-C")
}

/// Whether an interrupt arrived.
pub(crate) fn arrived() -> bool {
    ARRIVED.load(Ordering::SeqCst)
}

/// Has an interrupt end this process, also one that arrived already.
pub(crate) fn pass_on_to(tests: u32) {
    TESTS.store(tests, Ordering::SeqCst);
    if arrived() {
        end_tests();
    }
}

fn end_tests() {
    let tests = TESTS.load(Ordering::SeqCst);
    if tests != 0 {
        signal("TERM", &tests.to_string());
    }
}
