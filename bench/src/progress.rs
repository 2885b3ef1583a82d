//! A bar on a terminal, and nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// How far the measurements are.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of so many measurements none is done yet.
    pub(crate) fn over(measurements: u64) -> Self {
        let style = ProgressStyle::with_template("{spinner} {wide_bar} {pos}/{len} {elapsed} {msg:40!}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(measurements).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// What is being measured now.
    pub(crate) fn on(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// One measurement is done.
    pub(crate) fn done(&self) {
        self.0.inc(1);
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
