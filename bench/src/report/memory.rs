//! What a process kept in memory over time.

use serde::Serialize;
use std::time::Duration;

/// What a process kept in memory while it was watched.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Memory {
    pub(crate) part: String,
    /// The most of any sample, that of after it included.
    pub(crate) peak_mib: f64,
    /// Some time after the load ended.
    pub(crate) after_mib: f64,
    /// Of the straight line that is nearest to the second half of the load's samples; none when there are too few.
    pub(crate) mib_per_hour: Option<f64>,
}

/// Samples of one process: when, and how many MiB.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<(Duration, f64)>);

impl Samples {
    pub(crate) fn add(&mut self, at: Duration, mib: f64) {
        self.0.push((at, mib));
    }

    /// What they come to; none when there are none.
    pub(crate) fn memory(&self, part: impl Into<String>, after_mib: f64) -> Option<Memory> {
        let peak_mib = self
            .0
            .iter()
            .map(|(_, mib)| *mib)
            .reduce(f64::max)?
            .max(after_mib);
        let second_half = self.0.get(self.0.len() / 2..).unwrap_or_default();
        Some(Memory {
            part: part.into(),
            peak_mib,
            after_mib,
            mib_per_hour: slope(second_half).map(|mib_per_second| mib_per_second * 3_600.0),
        })
    }
}

/// Least squares: MiB a second. None of less than two moments.
#[expect(clippy::cast_precision_loss, reason = "no run samples for 2^52 seconds")]
fn slope(samples: &[(Duration, f64)]) -> Option<f64> {
    let count = samples.len() as f64;
    let (mut time, mut mib) = (0.0, 0.0);
    for (at, value) in samples {
        time += at.as_secs_f64() / count;
        mib += value / count;
    }
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (at, value) in samples {
        let late = at.as_secs_f64() - time;
        covariance += late * (value - mib);
        variance += late * late;
    }
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(mib: impl Fn(f64) -> f64) -> Samples {
        let mut samples = Samples::default();
        for second in 0..=100_u32 {
            samples.add(Duration::from_secs(second.into()), mib(f64::from(second)));
        }
        samples
    }

    #[test]
    fn the_slope_is_that_of_the_second_half_alone() {
        let grown = samples(|second| if second < 50.0 { second } else { 50.0 });
        let memory = grown.memory("gateway", 40.0).unwrap();
        assert!(memory.mib_per_hour.unwrap().abs() < 1e-6, "{memory:?}");
        assert!((memory.peak_mib - 50.0).abs() < 1e-9);
        let growing = samples(|second| 10.0 + second / 3_600.0);
        let growing = growing.memory("gateway", 40.0).unwrap();
        assert!((growing.mib_per_hour.unwrap() - 1.0).abs() < 1e-6, "{growing:?}");
    }

    #[test]
    fn a_wave_around_a_level_is_no_growth() {
        let wave = samples(|second| 20.0 + (second * std::f64::consts::TAU / 5.0).sin());
        let slope = wave.memory("x", 20.0).unwrap().mib_per_hour.unwrap();
        assert!(slope.abs() < 20.0, "{slope}");
    }

    #[test]
    fn one_sample_has_no_slope_and_none_has_nothing() {
        let mut one = Samples::default();
        assert!(one.memory("x", 1.0).is_none());
        one.add(Duration::ZERO, 7.0);
        assert_eq!(one.memory("x", 1.0).unwrap().mib_per_hour, None);
    }
}
