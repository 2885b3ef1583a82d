//! What goes on outside of a rehearsed run: calls and their answers, events, operators, and the time.

use super::case::{Answer, Case, Control, Incoming, Mock};
use super::play::Called;
use super::sent::sent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expression::{Jail, Job, Output, Want};
use playbook::{Awaited, CallFailure, Effect, Event, Issued, ListenRequest, Reply};
use playbook_runner::CALL_TIME;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::Instant;

/// What is to happen.
#[derive(Debug)]
enum Happening {
    /// A call ends.
    Ended {
        id: u32,
        result: Result<Reply, CallFailure>,
    },
    /// An event comes.
    Came(Value),
    /// An operator acts.
    Wished(Control),
}

/// An event that came.
#[derive(Debug)]
struct Arrived {
    key: String,
    envelope: Value,
    /// Whether the run has it: it gets none twice.
    is_taken: bool,
}

/// The world around one run.
#[derive(Debug)]
pub(super) struct Stage<'c> {
    case: &'c Case,
    secrets: Value,
    jail: Jail,
    /// By their time, and those of one time as they were planned.
    agenda: BTreeMap<(Instant, u64), Happening>,
    planned: u64,
    /// How often each of the case's mocks answered.
    uses: Vec<usize>,
    listens: BTreeMap<u32, ListenRequest>,
    arrived: Vec<Arrived>,
    /// Every call so far.
    pub(super) calls: Vec<Called>,
}

impl<'c> Stage<'c> {
    pub(super) fn new(case: &'c Case, secrets: Value, jail: Jail) -> Self {
        let mut stage = Self {
            case,
            secrets,
            jail,
            agenda: BTreeMap::new(),
            planned: 0,
            uses: vec![0; case.calls.len()],
            listens: BTreeMap::new(),
            arrived: Vec::new(),
            calls: Vec::new(),
        };
        for (number, event) in (1..).zip(&case.events) {
            let at = case.now + event.after;
            stage.plan(at, Happening::Came(envelope(number, event, at)));
        }
        for wish in &case.operator {
            stage.plan(case.now + wish.after, Happening::Wished(wish.control));
        }
        stage
    }

    fn plan(&mut self, at: Instant, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), happening);
    }

    /// Begins an effect. Fails where nobody said what comes of a call.
    pub(super) fn begin(&mut self, issued: Issued, now: Instant) -> Result<(), String> {
        match issued.effect {
            Effect::Listen(request) => {
                self.listens.insert(issued.id, request);
            }
            Effect::Http(request) => {
                let (result, after) = match sent(&request, &self.secrets) {
                    Ok(sent) => {
                        let called = Called::of(&issued.pointer, &request, sent);
                        let answer = self.answer(&called)?;
                        self.calls.push(called);
                        answer.in_time()
                    }
                    Err(missing) => {
                        let failure = CallFailure {
                            kind: "unsealed".to_owned(),
                            message: missing.to_string(),
                        };
                        (Err(failure), Duration::ZERO)
                    }
                };
                self.plan(
                    now + after,
                    Happening::Ended {
                        id: issued.id,
                        result,
                    },
                );
            }
        }
        Ok(())
    }

    fn answer(&mut self, called: &Called) -> Result<Answer, String> {
        let fitting = self.case.calls.iter().position(|mock| mock.fits(called));
        let Some(index) = fitting else {
            return Err(format!(
                "nobody says what {} {} answers, which {} calls; add it to the case's `calls`",
                called.method, called.url, called.task
            ));
        };
        let answers = &self.case.calls.get(index).map_or(&[][..], |mock| &mock.answers);
        let used = self.uses.get_mut(index).map_or(0, |uses| {
            *uses += 1;
            *uses - 1
        });
        let answer = answers.get(used).or_else(|| answers.last());
        answer.cloned().ok_or_else(|| "a call has no answers".to_owned())
    }

    /// Gives an effect up.
    pub(super) fn give_up(&mut self, id: u32) {
        self.listens.remove(&id);
        self.agenda
            .retain(|_, happening| !matches!(happening, Happening::Ended { id: ended, .. } if *ended == id));
    }

    /// An event that the run emitted comes to the workspace, where it may wait for it itself.
    pub(super) fn emitted(&mut self, key: &str, envelope: &Value) {
        self.arrived.push(Arrived {
            key: format!("msg_{key}"),
            envelope: envelope.clone(),
            is_taken: false,
        });
    }

    /// Whether an operator is still to act.
    pub(super) fn has_wishes(&self) -> bool {
        self.agenda
            .values()
            .any(|happening| matches!(happening, Happening::Wished(_)))
    }

    /// What happens next to the run, and when; none: nothing any more. `wake_at` is the run's nearest timer.
    pub(super) async fn next(
        &mut self,
        now: Instant,
        wake_at: Option<Instant>,
    ) -> anyhow::Result<Option<(Instant, Event)>> {
        loop {
            if let Some(message) = self.message().await? {
                return Ok(Some((now, message)));
            }
            let planned = self.agenda.keys().next().map(|(at, _)| *at);
            let is_timer = wake_at.is_some_and(|wake| planned.is_none_or(|planned| wake < planned));
            if is_timer {
                return Ok(wake_at.map(|wake| (wake.max(now), Event::Tick)));
            }
            let Some(((at, _), happening)) = self.agenda.pop_first() else {
                return Ok(None);
            };
            match happening {
                Happening::Ended { id, result } => return Ok(Some((at, Event::Done { id, result }))),
                Happening::Wished(control) => return Ok(Some((at, wished(control)))),
                Happening::Came(envelope) => {
                    let key = envelope.get("id").and_then(Value::as_str).unwrap_or_default();
                    self.arrived.push(Arrived {
                        key: key.to_owned(),
                        envelope,
                        is_taken: false,
                    });
                    // Whoever waits for it is woken at its time.
                    if let Some(message) = self.message().await? {
                        return Ok(Some((at, message)));
                    }
                }
            }
        }
    }

    /// An event that came and that the run waits for, also if it came before.
    async fn message(&mut self) -> anyhow::Result<Option<Event>> {
        for arrived in &mut self.arrived {
            if arrived.is_taken {
                continue;
            }
            for (id, request) in &self.listens {
                for (filter, awaited) in &request.filters {
                    if is_awaited(&self.jail, awaited, &arrived.envelope).await? {
                        arrived.is_taken = true;
                        return Ok(Some(Event::Message {
                            id: *id,
                            filter: *filter,
                            key: arrived.key.clone(),
                            envelope: arrived.envelope.clone(),
                        }));
                    }
                }
            }
        }
        Ok(None)
    }
}

fn wished(control: Control) -> Event {
    match control {
        Control::Cancel => Event::Cancel,
        Control::Pause => Event::Pause,
        Control::Resume => Event::Resume,
        Control::Retry => Event::Retry { fresh_keys: false },
    }
}

fn envelope(number: u32, event: &Incoming, at: Instant) -> Value {
    json!({
        "specversion": "1.0",
        "id": format!("msg_{number}"),
        "source": event.source.as_deref().unwrap_or("hookyard"),
        "type": event.event_type,
        "time": at.to_string(),
        "datacontenttype": "application/json",
        "data": event.data,
    })
}

/// Whether an event is what a filter waits for.
async fn is_awaited(jail: &Jail, awaited: &Awaited, envelope: &Value) -> anyhow::Result<bool> {
    let text = |name: &str| envelope.get(name).and_then(Value::as_str);
    if text("type") != Some(&awaited.event_type) {
        return Ok(false);
    }
    if awaited.source.is_some() && text("source") != awaited.source.as_deref() {
        return Ok(false);
    }
    if let Some(program) = &awaited.data {
        let data = envelope.get("data").unwrap_or(&Value::Null);
        if evaluated(jail, program, data).await? != Some(Value::Bool(true)) {
            return Ok(false);
        }
    }
    for (program, expected) in &awaited.correlate {
        if evaluated(jail, program, envelope).await?.as_ref() != Some(expected) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The value of an expression; none where it fails, as data of another shape makes it.
async fn evaluated(jail: &Jail, program: &str, input: &Value) -> anyhow::Result<Option<Value>> {
    let job = Job {
        program: program.into(),
        input: input.to_string().into(),
        want: Want::Value,
    };
    Ok(match jail.evaluate_one(job).await? {
        Ok(Output::Value(text)) => Some(serde_json::from_slice(&text)?),
        _ => None,
    })
}

impl Mock {
    fn fits(&self, called: &Called) -> bool {
        let of_task = self.task.as_ref().is_none_or(|task| {
            *task == called.task || (!task.starts_with('/') && called.task.rsplit('/').next() == Some(task))
        });
        let method = self
            .method
            .as_ref()
            .is_none_or(|method| method.eq_ignore_ascii_case(&called.method));
        of_task && method && self.url.as_ref().is_none_or(|url| is_url(url, &called.url))
    }
}

fn is_url(pattern: &str, url: &str) -> bool {
    let plain = url.split_once('?').map_or(url, |(plain, _)| plain);
    match pattern.strip_suffix('*') {
        Some(beginning) => url.starts_with(beginning),
        None => pattern == url || pattern == plain,
    }
}

impl Answer {
    /// What comes of the call, and after how long: a runner gives up one that takes too long.
    fn in_time(&self) -> (Result<Reply, CallFailure>, Duration) {
        if self.after < CALL_TIME {
            return (self.result(), self.after);
        }
        let failure = CallFailure {
            kind: "timeout".to_owned(),
            message: format!("there was no answer within {} s", CALL_TIME.as_secs()),
        };
        (Err(failure), CALL_TIME)
    }

    fn result(&self) -> Result<Reply, CallFailure> {
        if let Some(kind) = &self.fail {
            return Err(CallFailure {
                kind: kind.clone(),
                message: format!("the case says that it fails: {kind}"),
            });
        }
        let (body, kind) = match &self.body {
            None => (String::new(), None),
            Some(Value::String(text)) => (text.clone(), Some("text/plain")),
            Some(value) => (value.to_string(), Some("application/json")),
        };
        let mut headers: Vec<(String, String)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect();
        if let Some(kind) = kind.filter(|_| headers.iter().all(|(name, _)| name != "content-type")) {
            headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        Ok(Reply {
            status: self.status.unwrap_or(200),
            headers,
            body: STANDARD.encode(body),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_fits_with_and_without_its_query_and_by_its_beginning() {
        let url = "https://a.example/x?b=1";
        for pattern in [
            url,
            "https://a.example/x",
            "https://a.example/*",
            "https://a.example/x?b=*",
        ] {
            assert!(is_url(pattern, url), "{pattern}");
        }
        for pattern in [
            "https://a.example/",
            "https://a.example/x?b=2",
            "https://b.example/*",
            "",
        ] {
            assert!(!is_url(pattern, url), "{pattern}");
        }
    }

    #[test]
    fn an_answer_says_what_its_body_is() {
        let answer: Answer =
            serde_json::from_value(json!({"body": {"a": 1}, "headers": {"X-A": "b"}})).unwrap();
        let reply = answer.result().unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "eyJhIjoxfQ=="));
        assert_eq!(
            reply.headers,
            [("x-a", "b"), ("content-type", "application/json")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let failure: Answer = serde_json::from_value(json!({"fail": "dns"})).unwrap();
        assert_eq!(failure.result().unwrap_err().kind, "dns");
    }

    #[test]
    fn an_answer_that_comes_too_late_for_a_runner_is_a_timeout() {
        let after = |text: &str| -> Answer { serde_json::from_value(json!({ "after": text })).unwrap() };
        let (reply, took) = after("29s").in_time();
        assert_eq!((reply.unwrap().status, took), (200, Duration::from_secs(29)));
        for late in ["30s", "45s"] {
            let (reply, took) = after(late).in_time();
            assert_eq!((reply.unwrap_err().kind.as_str(), took), ("timeout", CALL_TIME));
        }
    }
}
