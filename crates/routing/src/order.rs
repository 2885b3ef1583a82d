//! What deliveries share that go one after the other.
//!
//! A key is kept with its delivery as a short text: what the event yields, or where that is long the digest of it. An event
//! that yields none (a body that is no JSON, a header that is not there) is under no order.

use crate::ask::ask;
use crate::evaluate::{Evaluated, suspends};
use expression::{ExpressionError, Jail, JailError, Job, Output, Want};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use store::{Event, RoutingTable};
use wire::EndpointId;
use wire::resource::{OrderSpec, Target};

/// The key of an endpoint whose deliveries all go one after the other.
const ALL: &str = "*";

/// The longest text that is a key as it stands, in bytes.
const LONGEST: usize = 100;

/// The key of one event's delivery to an endpoint that says this of its order; none when it goes for itself.
pub async fn order_key(
    jail: &Jail,
    order: Option<&OrderSpec>,
    headers: &[u8],
    body: &bytes::Bytes,
) -> Result<Option<String>, JailError> {
    match order {
        None => Ok(None),
        Some(OrderSpec::All) => Ok(Some(ALL.to_owned())),
        Some(OrderSpec::Header(name)) => Ok(in_headers(headers, name)),
        Some(OrderSpec::By(program)) => {
            let job = Job {
                program: program.as_str().into(),
                input: body.clone(),
                want: Want::Text,
            };
            Ok(ask(jail, vec![job]).await?.pop().and_then(yielded))
        }
    }
}

/// The keys of what the events' routes make, by endpoint, in the order of the events. Asks the jail once for all.
pub(crate) async fn keys(
    jail: &Jail,
    events: &[Event],
    table: &RoutingTable,
    evaluated: &mut [Evaluated],
) -> Result<Vec<HashMap<EndpointId, String>>, JailError> {
    let mut keys: Vec<HashMap<EndpointId, String>> = vec![HashMap::new(); events.len()];
    if table.orders.is_empty() {
        return Ok(keys);
    }
    let (mut of, mut jobs) = (Vec::new(), Vec::new());
    let programs: HashMap<&str, Arc<str>> = table
        .orders
        .values()
        .filter_map(|order| match order {
            OrderSpec::By(program) => Some((program.as_str(), program.as_str().into())),
            OrderSpec::All | OrderSpec::Header(_) => None,
        })
        .collect();
    for (number, ((event, evaluated), keys)) in events.iter().zip(evaluated.iter()).zip(&mut keys).enumerate()
    {
        let making = table.routes.iter().zip(&evaluated.matches);
        for (route, _) in making.filter(|(_, found)| found.makes_something()) {
            let Target::Endpoint(endpoint) = &route.spec.to else {
                continue;
            };
            match table.orders.get(endpoint) {
                None => {}
                Some(OrderSpec::All) => {
                    keys.insert(endpoint.clone(), ALL.to_owned());
                }
                Some(OrderSpec::Header(name)) => {
                    keys.extend(in_headers(&event.headers, name).map(|key| (endpoint.clone(), key)));
                }
                Some(OrderSpec::By(program)) => {
                    if let Some(program) = programs.get(program.as_str()) {
                        of.push((number, endpoint));
                        jobs.push(Job {
                            program: Arc::clone(program),
                            input: event.body.clone(),
                            want: Want::Text,
                        });
                    }
                }
            }
        }
    }
    for ((number, endpoint), answer) in of.into_iter().zip(ask(jail, jobs).await?) {
        if let Some(evaluated) = evaluated.get_mut(number) {
            evaluated.is_suspended |= suspends(&answer);
        }
        if let (Some(keys), Some(key)) = (keys.get_mut(number), yielded(answer)) {
            keys.insert(endpoint.clone(), key);
        }
    }
    Ok(keys)
}

fn yielded(answer: Result<Output, ExpressionError>) -> Option<String> {
    match answer {
        Ok(Output::Text(Some(text))) => kept(&text),
        Ok(Output::Text(None) | Output::Boolean(_) | Output::Value(_)) | Err(_) => None,
    }
}

/// The value of the first header of that name, in the kept headers of an event.
fn in_headers(headers: &[u8], name: &str) -> Option<String> {
    let lines: Vec<(String, String)> = serde_json::from_slice(headers).ok()?;
    let first = lines.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    first.and_then(|(_, value)| kept(value.trim()))
}

/// The text as it is kept: none of an empty one, and a digest of a long one. The mark keeps the kinds apart.
fn kept(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    if text.len() <= LONGEST && !text.chars().any(char::is_control) {
        return Some(format!("={text}"));
    }
    let digest = Sha256::digest(text);
    let mut key = String::with_capacity(1 + 2 * digest.len());
    key.push('#');
    for byte in digest {
        // Writing into a text does not fail.
        let _written = write!(key, "{byte:02x}");
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::{MOMENT, event, spec, table, to};
    use futures_executor::block_on;
    use std::collections::BTreeMap;
    use store::RoutedEvent;

    fn decided(jail: &Jail, events: &[Event], table: &RoutingTable) -> Vec<RoutedEvent> {
        let resolved = block_on(crate::resolve(jail, events, table, BTreeMap::new(), || MOMENT)).unwrap();
        resolved.into_iter().map(crate::Resolved::now).collect()
    }

    #[test]
    fn a_key_is_short_whatever_it_is_made_of() {
        assert_eq!(kept(""), None);
        assert_eq!(kept("a b"), Some("=a b".to_owned()));
        let long = kept(&"a".repeat(5_000)).unwrap();
        assert!(long.starts_with('#') && long.len() == 65, "{long}");
        assert_ne!(kept("a\nb"), kept("a\rb"));
        assert!(kept("a\nb").unwrap().starts_with('#'));
        assert_ne!(kept(ALL), Some(ALL.to_owned()), "a text is not all of them");
    }

    #[test]
    fn a_header_is_found_whatever_its_case() {
        let headers = br#"[["X-Account","a1"],["x-account","a2"],["x-empty",""]]"#;
        assert_eq!(in_headers(headers, "x-ACCOUNT"), Some("=a1".to_owned()));
        assert_eq!(in_headers(headers, "x-empty"), None);
        assert_eq!(in_headers(headers, "x-none"), None);
        assert_eq!(in_headers(b"", "x-none"), None);
    }

    #[test]
    fn each_delivery_has_the_key_that_its_endpoint_orders_by() {
        let mut table = table([spec(to("on")), spec(to("other"))]);
        table
            .orders
            .insert(EndpointId::from_stored("ep_on"), OrderSpec::By(".id".to_owned()));
        let number = Event {
            body: bytes::Bytes::from_static(br#"{"id": 7}"#),
            ..event()
        };
        let keyless = Event {
            body: bytes::Bytes::from_static(b"no JSON"),
            ..event()
        };
        let jail = Jail::in_thread();
        let events = [number, keyless];
        let routed = decided(&jail, &events, &table);
        let keys = |place: usize| -> Vec<Option<String>> {
            let deliveries = routed[place].deliveries.iter();
            deliveries.map(|delivery| delivery.order_key.clone()).collect()
        };
        assert_eq!(keys(0), [Some("=7".to_owned()), None]);
        assert_eq!(keys(1), [None, None]);

        table
            .orders
            .insert(EndpointId::from_stored("ep_other"), OrderSpec::All);
        let routed = decided(&jail, &events, &table);
        assert_eq!(routed[1].deliveries[1].order_key.as_deref(), Some(ALL));
    }
}
