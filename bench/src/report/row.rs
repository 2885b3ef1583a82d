//! One line of a table.

use crate::cost::Cost;
use crate::latencies::Latencies;
use crate::load::Outcome;
use serde::Serialize;
use std::time::Duration;

/// One line: what was measured, and what it came to.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// Whether it is what the yard is compared with.
    pub(crate) is_bare: bool,
    pub(crate) count: u64,
    pub(crate) refused: u64,
    pub(crate) per_second: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) p999_ms: Option<f64>,
    pub(crate) ratios: Vec<Ratio>,
    /// Of each part, in the table's unit.
    pub(crate) costs: Vec<Cost>,
}

/// How it stands to something else.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ratio {
    pub(crate) of: &'static str,
    pub(crate) to: String,
    pub(crate) value: f64,
}

impl Row {
    /// Something that has no rate and no latencies yet.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ..Self::default()
        }
    }

    pub(crate) fn of(what: impl Into<String>, outcome: &Outcome) -> Self {
        Self {
            refused: outcome.refused,
            ..Self::new(what)
                .at_rate(outcome.accepted, outcome.took)
                .with_latencies(&outcome.latencies)
        }
    }

    pub(crate) fn bare(self) -> Self {
        Self {
            is_bare: true,
            ..self
        }
    }

    pub(crate) fn at_rate(self, count: u64, took: Duration) -> Self {
        Self {
            count,
            per_second: (!took.is_zero()).then(|| float(count) / took.as_secs_f64()),
            ..self
        }
    }

    pub(crate) fn with_latencies(self, latencies: &Latencies) -> Self {
        self.with_lateness(latencies, Duration::ZERO)
    }

    /// Latencies beyond what they should have been.
    pub(crate) fn with_lateness(self, latencies: &Latencies, due: Duration) -> Self {
        let millis = |share| {
            let latency = latencies.quantile(share)?;
            Some(latency.saturating_sub(due).as_secs_f64() * 1_000.0)
        };
        Self {
            p50_ms: millis(0.5),
            p99_ms: millis(0.99),
            p999_ms: millis(0.999),
            ..self
        }
    }

    /// The memory of one of its parts.
    pub(crate) fn memory_mib(&self, part: &str) -> Option<f64> {
        let cost = self.costs.iter().find(|cost| cost.part == part)?;
        cost.memory_mib
    }

    /// Its ratio of p99 to another's.
    pub(crate) fn p99_ratio(&self) -> Option<f64> {
        let ratio = self.ratios.iter().find(|ratio| ratio.of == "p99")?;
        Some(ratio.value)
    }

    /// Costs of all of it, as costs of a thousand.
    pub(crate) fn per_thousand(self, costs: Vec<Cost>) -> Self {
        let thousands = float(self.count) / 1_000.0;
        self.scaled(costs, if thousands > 0.0 { 1.0 / thousands } else { 0.0 })
    }

    /// Costs of some time, as shares of a core in percent.
    pub(crate) fn per_time(self, costs: Vec<Cost>, time: Duration) -> Self {
        self.scaled(costs, 100.0 / time.as_secs_f64())
    }

    fn scaled(self, mut costs: Vec<Cost>, factor: f64) -> Self {
        for cost in &mut costs {
            cost.cpu_seconds *= factor;
        }
        Self { costs, ..self }
    }

    /// With what share of another's rate it has.
    pub(crate) fn against(self, other: &Self) -> Self {
        let ratio = self.per_second.zip(other.per_second);
        self.with_ratio("rate", other, ratio)
    }

    /// With how many times another's p99 it has.
    pub(crate) fn against_p99(self, other: &Self) -> Self {
        let ratio = self.p99_ms.zip(other.p99_ms);
        self.with_ratio("p99", other, ratio)
    }

    fn with_ratio(mut self, of: &'static str, other: &Self, values: Option<(f64, f64)>) -> Self {
        if let Some((own, others)) = values.filter(|(_, others)| *others > 0.0) {
            self.ratios.push(Ratio {
                of,
                to: other.name().to_owned(),
                value: own / others,
            });
        }
        self
    }

    /// What it is, without how it was pushed: ratios are to what was pushed alike.
    fn name(&self) -> &str {
        self.what.split_once(',').map_or(&self.what, |(name, _)| name)
    }

    pub(super) fn cells(&self) -> [String; 9] {
        let millis = |value| number(value, 2);
        let ratios: Vec<String> = self.ratios.iter().map(Ratio::text).collect();
        // Of a thousand bare inserts the third digit is the first.
        let part = |cost: &Cost, value: f64| format!("{} {}", cost.part, number(Some(value), 3));
        let cpu: Vec<String> = self
            .costs
            .iter()
            .map(|cost| part(cost, cost.cpu_seconds))
            .collect();
        let memory = self
            .costs
            .iter()
            .filter_map(|cost| Some(format!("{} {}", cost.part, number(Some(cost.memory_mib?), 0))));
        [
            self.what.clone(),
            number(self.per_second, 0),
            millis(self.p50_ms),
            millis(self.p99_ms),
            millis(self.p999_ms),
            self.refused.to_string(),
            ratios.join(", "),
            cpu.join(", "),
            memory.collect::<Vec<_>>().join(", "),
        ]
    }
}

impl Ratio {
    /// `rate 0.50 of the bare client`
    pub(super) fn text(&self) -> String {
        let Self { of, to, value } = self;
        let digits = if *value < 0.1 { 3 } else { 2 };
        format!("{of} {} of {to}", number(Some(*value), digits))
    }
}

/// Nothing when there is none; thousands apart.
pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    let Some(value) = value else {
        return String::new();
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::with_capacity(text.len() + 4);
    grouped.push_str(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() {
        return grouped;
    }
    format!("{grouped}.{fraction}")
}

#[expect(clippy::cast_precision_loss, reason = "no run counts to 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(part: &str, cpu_seconds: f64) -> Cost {
        Cost {
            part: part.to_owned(),
            cpu_seconds,
            memory_mib: Some(12.4),
        }
    }

    #[test]
    fn a_rate_is_the_count_by_the_time_and_a_ratio_is_of_rates() {
        let fast = Row::new("fast, 64 connections").at_rate(3_000, Duration::from_secs(2));
        let slow = Row::new("slow").at_rate(750, Duration::from_secs(1));
        assert_eq!(fast.per_second, Some(1_500.0));
        let slow = slow.against(&fast);
        assert!((slow.ratios[0].value - 0.5).abs() < 1e-9);
        assert_eq!(slow.cells()[6], "rate 0.50 of fast");
    }

    #[test]
    fn nothing_in_no_time_has_neither_rate_nor_ratio() {
        let nothing = Row::new("nothing").at_rate(0, Duration::ZERO);
        assert_eq!(nothing.per_second, None);
        assert!(nothing.clone().against(&nothing).ratios.is_empty());
        assert!(
            Row::new("x")
                .at_rate(0, Duration::from_secs(1))
                .against(&nothing)
                .ratios
                .is_empty()
        );
    }

    #[test]
    fn processor_time_is_split_by_process_and_counts_for_a_thousand() {
        let row = Row::new("x")
            .at_rate(4_000, Duration::from_secs(1))
            .per_thousand(vec![cost("gateway", 1.0), cost("Postgres", 2.0)]);
        assert_eq!(row.cells()[7], "gateway 0.250, Postgres 0.500");
        assert_eq!(row.cells()[8], "gateway 12, Postgres 12");
        let idle = Row::new("x").per_time(vec![cost("gateway", 0.1)], Duration::from_secs(10));
        assert_eq!(idle.cells()[7], "gateway 1.000");
    }

    #[test]
    fn lateness_is_what_is_beyond_the_due_time() {
        let latencies = Latencies::new();
        latencies.record(Duration::from_millis(1_050));
        let row = Row::new("x").with_lateness(&latencies, Duration::from_secs(1));
        assert!((row.p50_ms.unwrap() - 50.0).abs() < 2.0);
        let early = Row::new("x").with_lateness(&latencies, Duration::from_secs(2));
        assert_eq!(early.p50_ms, Some(0.0));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(number(Some(1_234_567.0), 0), "1,234,567");
        assert_eq!(number(Some(999.5), 1), "999.5");
        assert_eq!(number(Some(0.0), 2), "0.00");
        assert_eq!(number(Some(-140.04), 2), "-140.04");
        assert_eq!(number(Some(-1_140.0), 0), "-1,140");
        assert_eq!(number(None, 2), "");
    }
}
