//! How instruments are declared: by name, unit and buckets.
//!
//! Names follow the semantic conventions of OpenTelemetry where there are some (the messaging ones are still in
//! development there, so they may only appear in this module), and start with `hookyard.` where there are none.

use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};

/// For requests and writes: half a millisecond to ten seconds.
pub(super) const SHORT: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// For what may wait for retries: five milliseconds to a day.
pub(super) const LONG: [f64; 18] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0,
    14_400.0, 86_400.0,
];
/// For rows written together.
const ROWS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0];
/// For bodies: none to 16 MiB, in steps of four.
const BYTES: [f64; 10] = [
    0.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];

/// Declares the instruments of one meter.
pub(super) struct Declare<'m>(pub(super) &'m Meter);

impl Declare<'_> {
    pub(super) fn counter(&self, name: &'static str, description: &'static str) -> Counter<u64> {
        self.0.u64_counter(name).with_description(description).build()
    }

    /// What this process has now, counted up and down.
    pub(super) fn at_present(&self, name: &'static str, description: &'static str) -> UpDownCounter<i64> {
        let counter = self.0.i64_up_down_counter(name);
        counter.with_description(description).build()
    }

    pub(super) fn gauge(&self, name: &'static str, description: &'static str) -> Gauge<u64> {
        self.0.u64_gauge(name).with_description(description).build()
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self, name: &'static str, description: &'static str) -> Gauge<f64> {
        self.0.f64_gauge(name).with_description(description).build()
    }

    pub(super) fn age(&self, name: &'static str, description: &'static str) -> Gauge<f64> {
        let gauge = self.0.f64_gauge(name).with_unit("s");
        gauge.with_description(description).build()
    }

    pub(super) fn seconds(
        &self,
        name: &'static str,
        description: &'static str,
        buckets: &[f64],
    ) -> Histogram<f64> {
        let histogram = self.0.f64_histogram(name).with_unit("s");
        let histogram = histogram.with_description(description);
        histogram.with_boundaries(buckets.to_vec()).build()
    }

    pub(super) fn bytes(&self, name: &'static str, description: &'static str) -> Histogram<u64> {
        let histogram = self.0.u64_histogram(name).with_unit("By");
        let histogram = histogram.with_description(description);
        histogram.with_boundaries(BYTES.to_vec()).build()
    }

    pub(super) fn rows(&self, name: &'static str, description: &'static str) -> Histogram<u64> {
        let histogram = self.0.u64_histogram(name).with_description(description);
        histogram.with_boundaries(ROWS.to_vec()).build()
    }
}

/// A number of things, as counters take it.
pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
