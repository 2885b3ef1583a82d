//! What is to be reached, and what was.

use super::row::{Ratio, Row, number};
use serde::Serialize;

/// A floor, an aim, and what was reached.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Goal {
    what: &'static str,
    unit: &'static str,
    side: Side,
    floor: f64,
    /// Where more than the floor is hoped for.
    aim: Option<f64>,
    /// None when it could not be measured.
    reached: Option<f64>,
    verdict: Verdict,
    /// How it stands to the bare parts that were run beside it.
    ratios: Vec<Ratio>,
}

/// Where the good figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    AtLeast,
    AtMost,
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Unmeasured,
    Missed,
    Floor,
    Aim,
}

impl Goal {
    /// More is better. `bounds` are the floor and the aim.
    pub(crate) fn at_least(
        what: &'static str,
        unit: &'static str,
        bounds: (f64, Option<f64>),
        reached: Option<f64>,
    ) -> Self {
        Self::new((what, unit), Side::AtLeast, bounds, reached)
    }

    /// Less is better. `bounds` are the floor and the aim.
    pub(crate) fn at_most(
        what: &'static str,
        unit: &'static str,
        bounds: (f64, Option<f64>),
        reached: Option<f64>,
    ) -> Self {
        Self::new((what, unit), Side::AtMost, bounds, reached)
    }

    fn new(
        (what, unit): (&'static str, &'static str),
        side: Side,
        (floor, aim): (f64, Option<f64>),
        reached: Option<f64>,
    ) -> Self {
        let meets = |reached: f64, bound: f64| match side {
            Side::AtLeast => reached >= bound,
            Side::AtMost => reached <= bound,
        };
        let verdict = match reached {
            None => Verdict::Unmeasured,
            Some(reached) if aim.is_some_and(|aim| meets(reached, aim)) => Verdict::Aim,
            Some(reached) if meets(reached, floor) => Verdict::Floor,
            Some(_) => Verdict::Missed,
        };
        Self {
            what,
            unit,
            side,
            floor,
            aim,
            reached,
            verdict,
            ratios: Vec::new(),
        }
    }

    /// With the row's own ratios.
    pub(crate) fn beside(self, row: &Row) -> Self {
        Self {
            ratios: row.ratios.clone(),
            ..self
        }
    }

    pub(super) const HEADS: [&'static str; 6] = ["", "floor", "aim", "reached", "", "beside"];

    pub(super) fn cells(&self) -> [String; 6] {
        let figure = |value: f64| {
            let digits = if value >= 100.0 { 0 } else { 2 };
            let text = number(Some(value), digits);
            // `6,000` and `1.5`, not `1.50`.
            let text = match text.split_once('.') {
                Some((whole, fraction)) if fraction.trim_end_matches('0').is_empty() => whole.to_owned(),
                Some(_) => text.trim_end_matches('0').to_owned(),
                None => text,
            };
            format!("{text} {}", self.unit)
        };
        let sign = match self.side {
            Side::AtLeast => "≥",
            Side::AtMost => "≤",
        };
        let verdict = match self.verdict {
            Verdict::Unmeasured => "not measured",
            Verdict::Missed => "missed",
            Verdict::Floor => "floor",
            Verdict::Aim => "aim",
        };
        let ratios: Vec<String> = self.ratios.iter().map(Ratio::text).collect();
        [
            self.what.to_owned(),
            format!("{sign} {}", figure(self.floor)),
            self.aim.map(figure).unwrap_or_default(),
            self.reached.map(figure).unwrap_or_default(),
            verdict.to_owned(),
            ratios.join(", "),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reached_is_judged_by_the_side_that_is_good() {
        let at_least = |reached| Goal::at_least("x", "/s", (6_000.0, Some(13_000.0)), reached).verdict;
        let at_most = |reached| Goal::at_most("x", "ms", (10.0, Some(4.0)), reached).verdict;
        assert_eq!(at_least(None), Verdict::Unmeasured);
        assert_eq!(at_least(Some(5_999.0)), Verdict::Missed);
        assert_eq!(at_least(Some(6_000.0)), Verdict::Floor);
        assert_eq!(at_least(Some(13_000.0)), Verdict::Aim);
        assert_eq!(at_most(Some(10.1)), Verdict::Missed);
        assert_eq!(at_most(Some(10.0)), Verdict::Floor);
        assert_eq!(at_most(Some(4.0)), Verdict::Aim);
        let no_aim = Goal::at_most("x", "%", (3.0, None), Some(0.0));
        assert_eq!(no_aim.verdict, Verdict::Floor);
    }

    #[test]
    fn figures_are_as_short_as_they_can_be() {
        let goal = Goal::at_least("x", "/s", (6_000.0, Some(1.5)), Some(12_345.6));
        assert_eq!(goal.cells()[1..4], ["≥ 6,000 /s", "1.5 /s", "12,346 /s"]);
    }
}
