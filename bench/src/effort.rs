//! How much is measured.

use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Effort {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// All of it within a minute: to see that it works, not to compare.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Also what takes hours: tables of ten million rows, and an hour of steady load.
    #[arg(long, conflicts_with = "quick")]
    pub(crate) full: bool,
    /// Minutes of steady load over which memory is watched [default: 5, with --full 60].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    minutes: Option<u64>,
    /// Events a second of that load: far from the highest, since what grows, grows without a backlog.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) steady: u32,
}

impl Effort {
    /// How long one measurement takes.
    pub(crate) fn time(self) -> Duration {
        self.pick(Duration::from_secs(1), Duration::from_secs(self.seconds))
    }

    /// How long the same load runs before: caches fill, connections open, plans are made.
    pub(crate) fn warm_up(self) -> Duration {
        self.pick(Duration::from_millis(300), Duration::from_secs(2))
    }

    /// How long memory is watched.
    pub(crate) fn soak(self) -> Duration {
        match self.minutes {
            Some(minutes) => Duration::from_mins(minutes),
            None if self.full => Duration::from_hours(1),
            None => self.pick(Duration::from_secs(3), Duration::from_mins(5)),
        }
    }

    /// One of two amounts.
    pub(crate) fn pick<T>(self, quick: T, whole: T) -> T {
        if self.quick { quick } else { whole }
    }
}
