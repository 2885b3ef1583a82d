//! What `/metrics` shows, held against the list in `docs/operations.md`; and whatever names a metric, held against what it shows.

use super::*;
use broker::Conveyor;
use futures_util::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire::{DeliveryState, Message, Queue, Reference, RunId, RunState, StepState};

const OPERATIONS: &str = include_str!("../../../../docs/operations.md");
const DASHBOARD: &str = include_str!("../../../../deploy/grafana/dashboards/hookyard.json");
const ALERTS: &str = include_str!("../../../../deploy/prometheus/alerts.yml");

/// What expressions have besides metrics and their labels. Whoever uses another word adds it.
const PROMQL: [&str; 12] = [
    "absent",
    "and",
    "by",
    "histogram_quantile",
    "increase",
    "max",
    "min",
    "offset",
    "or",
    "rate",
    "sum",
    "vector",
];
/// What Prometheus itself knows of every target.
const OF_TARGETS: [&str; 3] = ["up", "job", "role"];

/// Names, and the labels of each.
type Labelled = BTreeMap<String, BTreeSet<String>>;

/// Gives every instrument a value under every label, and reads them all.
fn everything() -> String {
    let took = Duration::from_millis(2);
    ingest("token", "github", Ingest::Accepted);
    ingest("token", "github", Ingest::Duplicate);
    ingest("channel", "none", Ingest::Conflict);
    ingest("token", "github", Ingest::Rejected("invalid_signature"));
    signature_verified("github", "valid");
    rejection_dropped("sampled");
    batch_written("accept", 12, took);
    for room in [1, 0] {
        let message = Message::new(
            vec![Reference::Run {
                id: RunId::generate(),
            }],
            None,
        );
        let published = publish(&Conveyor::in_process(room), Queue::Run, &message).now_or_never();
        assert_eq!(published.unwrap().is_ok(), room > 0);
    }
    consumed(Queue::Deliver, 2, took);
    swept(Queue::Route, 2);
    backlog(Queue::Deliver, 7, Duration::from_secs(9));
    unpublished(Queue::Deliver, 3);
    recovery_progress(0.25);
    deliveries_recovered(2);
    expired("events", 3);
    partitions_dropped(1);
    delivery_attempted("5xx", false, took);
    delivery_attempted("2xx", true, took);
    delivery_ended(DeliveryState::DeadLetter, "5xx");
    delivery_lag(took);
    delivery_end_to_end(took);
    deliveries_in_flight(1);
    dead_letters(1);
    circuits_open(1);
    let playbook = Playbook::of("refunds");
    let active = run_taken(&playbook);
    run_step(&playbook, "call", StepState::Completed);
    run_ended(&playbook, RunState::Completed, took);
    run_broken();
    observe_pool(|| Some((1, 10)));
    observe_conveyor(broker::Counts::default);
    drop(request_began("POST"));
    request_answered("POST", "/ingest/{token}".to_owned(), 202, took, 1_200);
    let text = text();
    drop(active);
    text
}

/// The samples of a text: what expressions ask for.
fn samples(text: &str) -> Labelled {
    let mut samples = Labelled::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels
            .trim_end_matches('}')
            .split("\",")
            .filter_map(|label| Some(label.split_once("=\"")?.0.to_owned()));
        samples.entry(name.to_owned()).or_default().extend(labels);
    }
    // The resource, which says what process it is.
    samples.remove("target_info");
    samples
}

/// The metrics of a text: a histogram is one, and its buckets' bound is no label of its own.
fn shown(text: &str) -> Labelled {
    let histograms: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"))
        .collect();
    let mut shown = Labelled::new();
    for (sample, mut labels) in samples(text) {
        let of = |name: &&&str| sample.strip_prefix(**name).is_some_and(is_of_histogram);
        let name = histograms.iter().find(of).map_or(sample.as_str(), |name| *name);
        labels.remove("le");
        shown.entry(name.to_owned()).or_default().extend(labels);
    }
    shown
}

fn is_of_histogram(suffix: &str) -> bool {
    matches!(suffix, "_bucket" | "_sum" | "_count")
}

/// Those of the table: lines such as ``| `name` | `label`, `label` | what it means |``.
fn documented() -> Labelled {
    let quoted = |cell: &str| -> BTreeSet<String> {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    let (_, section) = OPERATIONS.split_once("### Every metric\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1);
        let name = cells.next().unwrap().trim().trim_matches('`').to_owned();
        (name, quoted(cells.next().unwrap()))
    })
    .collect()
}

/// The words of an expression that are neither quoted nor a duration or a number.
fn words(expression: &str) -> BTreeSet<&str> {
    expression
        .split('"')
        .step_by(2)
        .flat_map(|unquoted| unquoted.split('['))
        .map(|part| part.split_once(']').map_or(part, |(_range, rest)| rest))
        .flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .collect()
}

/// What is wrong with an expression and with the labels that a text beside it shows of its result.
fn faults(known: &Labelled, expression: &str, shown_labels: &[&str]) -> Vec<String> {
    let words = words(expression);
    let (metrics, others): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| known.contains_key(**word));
    let has_label = |word: &str| metrics.iter().any(|metric| known[*metric].contains(word));
    let is_known = |word: &str| PROMQL.contains(&word) || OF_TARGETS.contains(&word) || has_label(word);
    let unknown = others.into_iter().filter(|word| !is_known(word));
    let unknown = unknown.map(|word| format!("`{word}` is no metric and no label of one in {expression}"));
    let missing = shown_labels
        .iter()
        .filter(|label| !words.contains(**label) && !OF_TARGETS.contains(label));
    let missing = missing.map(|label| format!("`{label}` is no label of the result of {expression}"));
    unknown.chain(missing).collect()
}

/// Every expression of the dashboard, and the labels that its legend shows.
fn of_dashboard(dashboard: &serde_json::Value) -> Vec<(&str, Vec<&str>)> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array());
    targets
        .flatten()
        .map(|target| {
            let legend = target["legendFormat"].as_str().unwrap();
            let labels = legend.split("{{").skip(1);
            let labels = labels.map(|rest| rest.split_once("}}").unwrap().0.trim());
            (target["expr"].as_str().unwrap(), labels.collect())
        })
        .collect()
}

/// Every expression of the alerts, and the labels that its summary shows.
fn of_alerts() -> Vec<(&'static str, Vec<&'static str>)> {
    let alerts = ALERTS.split("- alert: ").skip(1);
    alerts
        .map(|alert| {
            let (_, rest) = alert.split_once("expr: ").unwrap();
            let end = ["\n        for:", "\n        labels:"]
                .iter()
                .filter_map(|end| rest.find(end))
                .min();
            let (expression, rest) = rest.split_at(end.unwrap());
            let labels = rest.split("$labels.").skip(1);
            let labels = labels.map(|rest| rest.split_once(' ').unwrap().0);
            (expression.trim_start_matches('|'), labels.collect())
        })
        .collect()
}

#[test]
fn what_is_shown_is_what_the_operators_list_says() {
    let shown = shown(&everything());
    let documented = documented();
    for (name, labels) in &shown {
        assert_eq!(documented.get(name), Some(labels), "docs/operations.md on {name}");
    }
    let gone: Vec<_> = documented
        .keys()
        .filter(|name| !shown.contains_key(*name))
        .collect();
    assert!(
        gone.is_empty(),
        "docs/operations.md has what is not shown: {gone:?}"
    );
}

#[test]
fn no_label_is_an_id() {
    const THINGS: [&str; 7] = [
        "workspace",
        "source",
        "event",
        "delivery",
        "endpoint",
        "run",
        "recovery",
    ];
    for (name, labels) in shown(&everything()) {
        let is_id = |label: &String| {
            THINGS.contains(&label.as_str()) || label.ends_with("id") || label.contains("url")
        };
        let ids: Vec<_> = labels.iter().filter(|label| is_id(label)).collect();
        assert!(ids.is_empty(), "{name} has {ids:?}");
    }
}

#[test]
fn dashboards_alerts_and_operators_name_only_metrics_and_labels_that_exist() {
    let known = samples(&everything());
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let (of_dashboard, of_alerts) = (of_dashboard(&dashboard), of_alerts());
    assert!(of_dashboard.len() > 20 && of_alerts.len() > 8);
    let mut wrong: Vec<String> = of_dashboard
        .iter()
        .chain(&of_alerts)
        .flat_map(|(expression, labels)| faults(&known, expression, labels))
        .collect();

    let mut of_operators = known;
    of_operators.extend(shown(&everything()));
    let quoted = OPERATIONS.split('`').skip(1).step_by(2);
    for expression in quoted.filter(|text| text.starts_with("hookyard_")) {
        wrong.extend(faults(&of_operators, expression, &[]));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_wrong_name_is_found_wherever_it_stands() {
    let known = samples(&everything());
    let found = |expression: &str, labels: &[&str]| faults(&known, expression, labels).len();
    let good =
        "sum by (surface, le) (rate(hookyard_ingest_events_total{outcome=\"rejected\"}[5m] offset 1d))";
    // `le` belongs to buckets.
    assert_eq!(found(good, &["surface"]), 1);
    let good = good.replace(", le", "");
    assert_eq!(found(&good, &["surface", "role"]), 0);
    assert_eq!(found(&good, &["source_kind"]), 1, "it is summed away");
    for (right, wrong) in [
        ("hookyard_ingest_events_total", "hookyard_ingest_event_total"),
        ("surface", "door"),
        ("outcome=", "result="),
        ("rate(", "rte("),
    ] {
        assert!(found(&good.replace(right, wrong), &[]) > 0, "{wrong}");
    }
}

#[test]
fn a_publish_is_timed_and_counted_by_what_came_of_it() {
    let text = everything();
    for expected in [
        "messaging_client_operation_duration_seconds_count{messaging_destination_name=\"hookyard.run\",\
         messaging_operation_name=\"publish\",messaging_system=\"rabbitmq\"} ",
        "messaging_client_operation_duration_seconds_count{error_type=\"full\",messaging_destination_name=\"hookyard.run\",\
         messaging_operation_name=\"publish\",messaging_system=\"rabbitmq\"} ",
        "messaging_client_sent_messages_total{messaging_destination_name=\"hookyard.run\",messaging_system=\"rabbitmq\"} ",
        "hookyard_publish_failures_total{error_type=\"full\",messaging_destination_name=\"hookyard.run\",",
    ] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

#[test]
fn a_run_counts_as_active_while_it_is_in_hand() {
    let series = "hookyard_run_active{playbook=\"held\"} ";
    let playbook = Playbook::of("held");
    let (one, two) = (run_taken(&playbook), run_taken(&playbook));
    assert!(text().contains(&format!("{series}2\n")));
    drop((one, two));
    assert!(text().contains(&format!("{series}0\n")));
}
