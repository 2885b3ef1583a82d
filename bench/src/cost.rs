//! What a measurement cost: processor time and memory of each process, from `/proc`.
//!
//! A process counts with its children, those that ended and were waited for included: the expressions' jail, and the
//! connections of Postgres, each of which is a process.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;

/// Ticks in a second, as `/proc` counts them: 100 on every Linux (`proc_pid_stat(5)`, `USER_HZ`).
const TICKS: f64 = 100.0;

/// A process whose cost is counted.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// Whether its children share most of their memory with it, as those of Postgres do.
    pub(crate) shares_memory: bool,
}

/// What one part cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cost {
    pub(crate) part: String,
    /// Processor seconds, the system's for it included.
    pub(crate) cpu_seconds: f64,
    /// The most that was resident since it started; of what shares its memory, what is resident now, each page once.
    pub(crate) memory_mib: Option<f64>,
}

/// What is resident of each of these now, in MiB; of what shares its memory, each page once.
pub(crate) fn resident(parts: &[Part]) -> Vec<Option<f64>> {
    let processes = Processes::read();
    let of = |part| processes.memory_mib(part, "VmRSS:");
    parts.iter().map(of).collect()
}

/// Counts from when it was made.
#[derive(Debug)]
pub(crate) struct Meter(Vec<(Part, u64)>);

impl Meter {
    pub(crate) fn begin(parts: Vec<Part>) -> Self {
        let processes = Processes::read();
        let counted = parts.into_iter().map(|part| {
            let ticks = processes.ticks(part.pid);
            (part, ticks)
        });
        Self(counted.collect())
    }

    /// Counts those of these that were started since then as well, from their start.
    pub(crate) fn include_started(&mut self, parts: Vec<Part>) {
        for part in parts {
            if self.0.iter().all(|(counted, _)| counted.pid != part.pid) {
                self.0.push((part, 0));
            }
        }
    }

    /// What each part cost since then.
    pub(crate) fn end(self) -> Vec<Cost> {
        let processes = Processes::read();
        let cost = |(part, before): (Part, u64)| Cost {
            cpu_seconds: seconds(processes.ticks(part.pid).saturating_sub(before)),
            memory_mib: processes.memory_mib(&part, "VmHWM:"),
            part: part.name,
        };
        self.0.into_iter().map(cost).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "no measurement takes 2^52 ticks")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS
}

/// All processes of one moment.
#[derive(Debug, Default)]
struct Processes(BTreeMap<u32, Process>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: u32,
    /// Its own, and those of its children that ended.
    ticks: u64,
}

impl Processes {
    fn read() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let read = |pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, Process::parse(&stat)?))
        };
        Self(ids.filter_map(read).collect())
    }

    /// A process and everything below it.
    fn tree(&self, root: u32) -> Vec<u32> {
        let mut tree = vec![root];
        let mut next = 0;
        while let Some(&pid) = tree.get(next) {
            let children = self.0.iter().filter(|(_, process)| process.parent == pid);
            tree.extend(children.map(|(child, _)| *child));
            next += 1;
        }
        tree
    }

    fn ticks(&self, root: u32) -> u64 {
        let of = |pid| self.0.get(pid).map_or(0, |process| process.ticks);
        self.tree(root).iter().map(of).sum()
    }

    /// `unshared` is the field of `proc_pid_status(5)` to read.
    fn memory_mib(&self, part: &Part, unshared: &str) -> Option<f64> {
        let (file, name) = if part.shares_memory {
            ("smaps_rollup", "Pss:")
        } else {
            ("status", unshared)
        };
        let of = |pid: &u32| field_kib(&fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?, name);
        // Its children may end meanwhile; without the process itself there is no figure.
        of(&part.pid)?;
        Some(self.tree(part.pid).iter().filter_map(of).sum::<f64>() / 1_024.0)
    }
}

impl Process {
    /// Fields 4 and 14 to 17 of `proc_pid_stat(5)`: ppid, utime, stime, cutime, cstime. The name may hold anything, so it
    /// is counted from its closing parenthesis, after which field 3 is the first.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>());
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            ticks: ticks.sum::<Result<u64, _>>().ok()?,
        })
    }
}

/// `VmHWM:     1234 kB`
fn field_kib(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: u32, parent: u32, ticks: [u64; 4]) -> String {
        let [user, system, children_user, children_system] = ticks;
        format!(
            "{pid} (a (name) 1) S {parent} 1 1 0 -1 4194560 9 9 9 9 {user} {system} {children_user} {children_system} 20 0 1 0"
        )
    }

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name_is() {
        let process = Process::parse(&stat(42, 7, [1, 20, 300, 4_000])).unwrap();
        assert_eq!(
            process,
            Process {
                parent: 7,
                ticks: 4_321
            }
        );
        assert_eq!(Process::parse("42 (name) S"), None);
    }

    #[test]
    fn a_process_counts_with_its_children_and_theirs_and_with_no_others() {
        let processes = [(1, 0, 1), (10, 1, 2), (11, 10, 4), (12, 11, 8), (20, 1, 16)];
        let processes = Processes(
            processes
                .into_iter()
                .map(|(pid, parent, ticks)| (pid, Process { parent, ticks }))
                .collect(),
        );
        assert_eq!(processes.ticks(10), 14);
        assert_eq!(processes.ticks(20), 16);
        assert_eq!(processes.ticks(99), 0);
    }

    #[test]
    fn a_child_that_ends_and_is_waited_for_takes_nothing_away() {
        let alive = [(10, stat(10, 1, [5, 0, 0, 0])), (11, stat(11, 10, [3, 4, 0, 0]))];
        let ended = [(10, stat(10, 1, [5, 0, 3, 4]))];
        let of = |stats: &[(u32, String)]| {
            let parsed = stats
                .iter()
                .map(|(pid, text)| (*pid, Process::parse(text).unwrap()));
            Processes(parsed.collect()).ticks(10)
        };
        assert_eq!((of(&alive), of(&ended)), (12, 12));
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        assert_eq!(
            field_kib("Name:\tx\nVmHWM:\t    2048 kB\n", "VmHWM:"),
            Some(2_048.0)
        );
        assert_eq!(field_kib("", "VmHWM:"), None);
    }

    #[test]
    fn this_very_process_has_a_cost() {
        let own = Part {
            name: "own".to_owned(),
            pid: std::process::id(),
            shares_memory: false,
        };
        let mut meter = Meter::begin(vec![own.clone()]);
        meter.include_started(vec![own.clone()]);
        let resident = resident(&[own])[0].unwrap();
        let costs = meter.end();
        assert_eq!(costs.len(), 1);
        assert!(resident > 1.0 && costs[0].memory_mib.unwrap() >= resident);
    }
}
