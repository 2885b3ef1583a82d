//! How much one evaluation may use. Parent and worker hold the same [`Limits`]: the parent sends them first.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much one evaluation may use, in bytes, levels and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest program. 16 KiB: four times what a playbook's expression may have.
    pub program_bytes: usize,
    /// The longest program of a [`Guest`](crate::Guest). 1 MiB: a playbook of 256 KiB, and the operations it calls.
    pub guest_program_bytes: usize,
    /// The largest answer of a [`Guest`](crate::Guest). 8 MiB: a run's state of 1 MiB, and what a step reports.
    pub guest_output_bytes: usize,
    /// The largest input, at most 64 MiB. 25 MiB: the largest body that a source can be configured to take.
    pub input_bytes: usize,
    /// The deepest input and output. 128: as deep as the doors take JSON.
    pub depth: usize,
    /// The longest number in an input, in characters. 1,024: the conversion of long ones takes quadratic time, so a
    /// sender could stop a good expression with a body of one number.
    pub number_bytes: usize,
    /// The largest output, written as JSON. 1 MiB: the default limit of a body.
    pub output_bytes: usize,
    /// How long one evaluation may take before its worker is killed. 1 s.
    pub time: Duration,
    /// How long one request to a [`Guest`](crate::Guest) may take, with all its tries. 10 s: three evaluations that are
    /// each stopped and tried twice more take nine, and honest steps take milliseconds.
    pub guest_time: Duration,
    /// The address space of a worker, all in all. 512 MiB.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            program_bytes: 16 << 10,
            guest_program_bytes: 1 << 20,
            guest_output_bytes: 8 << 20,
            input_bytes: 25 << 20,
            depth: 128,
            number_bytes: 1024,
            output_bytes: 1 << 20,
            time: Duration::from_secs(1),
            guest_time: Duration::from_secs(10),
            memory_bytes: 512 << 20,
        }
    }
}
