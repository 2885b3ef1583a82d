//! `retry`: how often a `try` is tried again, and when.

use super::Lowering;
use super::fields::Fields;
use super::library::is_name;
use super::nearest::advice;
use super::scope::Scope;
use crate::source::Spot;
use crate::{Backoff, Code, Delay, Retry};

/// The three ways, each an object of its own.
const BACKOFFS: [(&str, Backoff); 3] = [
    ("constant", Backoff::Constant),
    ("exponential", Backoff::Exponential),
    ("linear", Backoff::Linear),
];

impl Lowering<'_, '_> {
    /// A policy, or the name of one of `use.retries`.
    pub(super) fn retry(&mut self, spot: &Spot<'_>, scope: &Scope) -> Option<Retry> {
        if !is_name(spot) {
            return Some(self.retry_policy(spot, scope));
        }
        let name = spot.text().unwrap_or_default();
        let Some(definition) = self.library.retries.take(name) else {
            let advice = advice(name, self.library.retries.names());
            let message = format!("there is no retry policy `{name}` in `use.retries`; {advice}");
            self.issue(Code::UnknownReference, spot, message);
            return None;
        };
        Some(self.retry_policy(&definition, scope))
    }

    pub(super) fn retry_policy(&mut self, spot: &Spot<'_>, scope: &Scope) -> Retry {
        let known = ["when", "exceptWhen", "delay", "backoff", "limit", "jitter"];
        let fields = self.object(spot, "a retry policy", &known);
        let when = fields
            .get("when")
            .map(|spot| self.expression(&spot, "`when`", scope));
        let except_when = fields.get("exceptWhen");
        let mut retry = Retry {
            when,
            except_when: except_when.map(|spot| self.expression(&spot, "`exceptWhen`", scope)),
            delay: self.delay_in(&fields, "delay", scope),
            backoff: self.backoff(&fields),
            count: None,
            attempt_timeout: None,
            duration: None,
            jitter: fields.get("jitter").and_then(|spot| self.jitter(&spot, scope)),
        };
        if let Some(limit) = fields.get("limit") {
            self.retry_limit(&limit, &mut retry, scope);
        }
        retry
    }

    fn backoff(&mut self, fields: &Fields<'_>) -> Backoff {
        let Some(spot) = fields.get("backoff") else {
            return Backoff::Constant;
        };
        let names = BACKOFFS.map(|(name, _)| name);
        let fields = self.object(&spot, "`backoff`", &names);
        let Some((name, field)) = self.one_of(&fields, &names) else {
            return Backoff::Constant;
        };
        self.object(&field, "a way to back off (write `{}`)", &[]);
        BACKOFFS
            .iter()
            .find(|(own, _)| *own == name)
            .map_or(Backoff::Constant, |(_, backoff)| *backoff)
    }

    fn jitter(&mut self, spot: &Spot<'_>, scope: &Scope) -> Option<(Delay, Delay)> {
        let fields = self.object(spot, "`jitter`", &["from", "to"]);
        let from = self.required(&fields, "from", "from: {milliseconds: 100}");
        let to = self.required(&fields, "to", "to: {milliseconds: 500}");
        let from = from.map(|spot| self.delay(&spot, "`from`", scope));
        let to = to.map(|spot| self.delay(&spot, "`to`", scope));
        if let (Some(Delay::Fixed(least)), Some(Delay::Fixed(most))) = (&from, &to)
            && least > most
        {
            let message = "`from` is longer than `to`; swap the two";
            self.issue(Code::InvalidValue, spot, message);
        }
        from.zip(to)
    }

    fn retry_limit(&mut self, spot: &Spot<'_>, retry: &mut Retry, scope: &Scope) {
        let fields = self.object(spot, "`limit`", &["attempt", "duration"]);
        retry.duration = self.delay_in(&fields, "duration", scope);
        let Some(attempt) = fields.get("attempt") else {
            return;
        };
        let fields = self.object(&attempt, "`attempt`", &["count", "duration"]);
        retry.attempt_timeout = self.delay_in(&fields, "duration", scope);
        let count = fields.get("count");
        let count = count.and_then(|spot| self.integer(&spot, "`count`", 0, u64::from(u32::MAX)));
        retry.count = count.and_then(|count| u32::try_from(count).ok());
    }
}
