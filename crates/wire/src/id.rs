//! Ids: a prefix that says what it is, and a sortable 26-character base32 of a UUID.
//!
//! Two kinds. *Recorded* things (events, deliveries, attempts, runs, rejections) are UUIDs in the
//! tables and become text only at the edge. *Configured* things (workspaces, sources, endpoints …)
//! are text everywhere, because an operator may pin them (`ep_integration_test_001`).

use crate::Instant;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// The alphabet of Crockford's base32 in lower case: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 128 bits are 26 characters of 5 bits; the first carries only 3.
const ENCODED_LENGTH: usize = 26;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// The prefix names another kind of thing, or nothing.
    #[error("an id here starts with `{expected}`")]
    Prefix {
        /// The prefix of the expected kind, with its underscore.
        expected: &'static str,
    },
    /// What follows the prefix is not 26 characters of base32.
    #[error("after its prefix an id has 26 characters of lower-case base32")]
    Base32,
    /// A configured thing's id is empty, too long, or has a character that a URL would escape.
    #[error("after its prefix an id has 1 to 100 letters, digits, `_`, `-` or `.`")]
    Text,
}

fn encode(id: Uuid) -> String {
    let mut rest = id.as_u128();
    let mut text = [0_u8; ENCODED_LENGTH];
    for slot in text.iter_mut().rev() {
        let digit = (rest & 31) as usize;
        *slot = ALPHABET.get(digit).copied().unwrap_or(b'0');
        rest >>= 5;
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != ENCODED_LENGTH || text.as_bytes().first().is_none_or(|first| *first > b'7') {
        return None;
    }
    let mut value = 0_u128;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|&letter| letter == byte)?;
        value = (value << 5) | digit as u128;
    }
    Some(Uuid::from_u128(value))
}

/// A UUIDv7 (RFC 9562 §5.7) of `at` and 74 bits of the caller's randomness.
fn uuid_v7(at: Instant, random: u128) -> Uuid {
    let bytes = random.to_be_bytes();
    let mut tail = [0_u8; 10];
    tail.copy_from_slice(bytes.split_at(6).1);
    uuid::Builder::from_unix_timestamp_millis(at.unix_millis(), &tail).into_uuid()
}

macro_rules! recorded_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id that sorts by `at`.
            pub fn new(at: Instant, random: u128) -> Self {
                Self(uuid_v7(at, random))
            }

            /// Makes an id of now and the thread's random generator.
            pub fn generate() -> Self {
                Self::new(Instant::now(), rand::random())
            }

            /// The UUID as it stands in the tables.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// Takes a UUID read from the tables.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The time in the id's first 48 bits.
            pub fn instant(self) -> Instant {
                let millis = (self.0.as_u128() >> 80) as i64;
                Instant::from_unix_micros(millis * 1_000)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}{}", $prefix, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let rest = text.strip_prefix($prefix).ok_or(ParseIdError::Prefix { expected: $prefix })?;
                decode(rest).map(Self).ok_or(ParseIdError::Base32)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

recorded_id!(
    /// One accepted inbound payload.
    EventId, "msg_"
);
recorded_id!(
    /// One event on its way to one endpoint.
    DeliveryId, "del_"
);
recorded_id!(
    /// One HTTP try of a delivery.
    AttemptId, "att_"
);
recorded_id!(
    /// One execution of one playbook version.
    RunId, "run_"
);
recorded_id!(
    /// One refused request, kept for the operator.
    RejectionId, "rej_"
);
recorded_id!(
    /// One sending again of many deliveries that failed.
    RecoveryId, "rec_"
);
recorded_id!(
    /// One entry of the audit: something that somebody did.
    AuditId, "aud_"
);

impl AuditId {
    /// One of several of the same moment, which sort by `number` (RFC 9562 §6.2, method 1). From the 4,096th on they do not.
    pub fn numbered(at: Instant, number: usize, random: u128) -> Self {
        let counter = (number.min(0xfff) as u128) << 64;
        Self::new(at, counter | random & u128::from(u64::MAX))
    }
}

impl DeliveryId {
    /// The delivery of `event` to `endpoint`: the same inputs give the same id, so that routing twice inserts once.
    ///
    /// A UUIDv8 (RFC 9562 §5.8): the event's 48 bits of time first, so that deliveries sort by their event,
    /// then a SHA-256 of both ids. `nonce` is 0 for the route's own delivery; a replay brings another.
    pub fn of(event: EventId, endpoint: &EndpointId, nonce: u128) -> Self {
        derive(event, endpoint.as_str(), nonce).map_or_else(|| Self(Uuid::nil()), Self)
    }

    /// The delivery that `recovery` makes of this one, which was of `event` to `endpoint`: the same inputs give the same id,
    /// so that a recovery sends each delivery again once.
    #[must_use]
    pub fn recovered(self, recovery: RecoveryId, event: EventId, endpoint: &EndpointId) -> Self {
        let mut hash = Sha256::new();
        hash.update(recovery.0.as_bytes());
        hash.update(self.0.as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let nonce = digest.first_chunk::<16>().copied().unwrap_or_default();
        Self::of(event, endpoint, u128::from_be_bytes(nonce))
    }
}

impl EventId {
    /// The event that tells of `what` happened to `subject` at `at`: the same inputs give the same id, so that telling twice
    /// records once. A UUIDv8 as [`DeliveryId::of`] makes it.
    pub fn telling(at: Instant, subject: &str, what: &str) -> Self {
        let begin = Self::new(at, 0);
        derive(begin, &format!("{what} {subject}"), 0).map_or(begin, Self)
    }
}

impl RouteId {
    /// Makes the id of a subscription, `sub_…`: a route from one event type to one endpoint, in the same table.
    pub fn of_subscription(at: Instant, random: u128) -> Self {
        Self(format!("sub_{}", encode(uuid_v7(at, random))).into())
    }
}

impl RunId {
    /// The run of `playbook` that `event` starts: the same inputs give the same id, see [`DeliveryId::of`].
    pub fn of(event: EventId, playbook: &PlaybookId, nonce: u128) -> Self {
        derive(event, playbook.as_str(), nonce).map_or_else(|| Self(Uuid::nil()), Self)
    }
}

fn derive(event: EventId, target: &str, nonce: u128) -> Option<Uuid> {
    let mut hash = Sha256::new();
    hash.update(event.uuid().as_bytes());
    hash.update(target.as_bytes());
    hash.update(nonce.to_be_bytes());
    let digest = hash.finalize();
    let mut bytes = [0_u8; 16];
    let (time, rest) = bytes.split_at_mut(6);
    time.copy_from_slice(event.uuid().as_bytes().get(..6)?);
    rest.copy_from_slice(digest.get(..10)?);
    Some(Uuid::new_v8(bytes))
}

/// What the ids of configured things have in common.
pub trait ConfiguredId: Sized + Clone + fmt::Display {
    /// What every id of this kind starts with.
    const PREFIX: &'static str;

    /// Makes a fresh id that sorts by `at`.
    fn new(at: Instant, random: u128) -> Self;

    /// The whole id, prefix included.
    fn as_str(&self) -> &str;
}

macro_rules! configured_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The whole id, prefix included.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Takes an id read from the tables, where only checked ids stand.
            pub fn from_stored(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// Makes an id of now and the thread's random generator.
            pub fn generate() -> Self {
                ConfiguredId::new(Instant::now(), rand::random())
            }
        }

        impl ConfiguredId for $name {
            const PREFIX: &'static str = $prefix;

            fn new(at: Instant, random: u128) -> Self {
                Self(format!("{}{}", $prefix, encode(uuid_v7(at, random))).into())
            }

            fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let rest = text.strip_prefix($prefix).ok_or(ParseIdError::Prefix { expected: $prefix })?;
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
                if rest.is_empty() || rest.len() > 100 || !rest.bytes().all(plain) {
                    return Err(ParseIdError::Text);
                }
                Ok(Self(text.into()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

configured_id!(
    /// A tenant.
    WorkspaceId, "ws_"
);
configured_id!(
    /// A named slice of a workspace.
    EnvironmentId, "env_"
);
configured_id!(
    /// Where webhooks come in.
    SourceId, "so_"
);
configured_id!(
    /// Where webhooks go out.
    EndpointId, "ep_"
);
configured_id!(
    /// From sources and event types to one target.
    RouteId, "rt_"
);
configured_id!(
    /// A named, versioned workflow document.
    PlaybookId, "pb_"
);
configured_id!(
    /// A customer of the workspace, who owns endpoints.
    ApplicationId, "app_"
);
configured_id!(
    /// A source's app, in door 5's path.
    AppId, "app_"
);
configured_id!(
    /// What authenticates a sender at doors 3 and 7.
    ApiKeyId, "key_"
);
configured_id!(
    /// A registered dotted name of what happens.
    EventTypeId, "evt_"
);
configured_id!(
    /// A registered sender for an app door.
    ContactId, "con_"
);
configured_id!(
    /// What runs are targeted at.
    ProjectId, "prj_"
);
configured_id!(
    /// Default inputs of runs.
    TemplateId, "tpl_"
);
configured_id!(
    /// A customer's visit to the portal.
    PortalSessionId, "ps_"
);
configured_id!(
    /// What authenticates an operator's program at the management API.
    ManagementTokenId, "mt_"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_delivery_of_the_same_event_and_endpoint_has_the_same_id() {
        let event = EventId::new(Instant::from_unix_micros(1_790_000_000_123_000), 7);
        let one = EndpointId::from_stored("ep_one");
        let two = EndpointId::from_stored("ep_two");
        assert_eq!(DeliveryId::of(event, &one, 0), DeliveryId::of(event, &one, 0));
        assert_ne!(DeliveryId::of(event, &one, 0), DeliveryId::of(event, &two, 0));
        assert_ne!(DeliveryId::of(event, &one, 0), DeliveryId::of(event, &one, 1));
        assert_eq!(DeliveryId::of(event, &one, 0).instant(), event.instant());
        assert_eq!(DeliveryId::of(event, &one, 0).uuid().get_version_num(), 8);
    }

    #[test]
    fn entries_of_one_moment_sort_by_their_numbers() {
        let at = Instant::from_unix_micros(1_790_000_000_123_000);
        let ids: Vec<_> = (0..0xfff)
            .map(|number| AuditId::numbered(at, number, u128::MAX - number as u128))
            .collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        assert!(ids.iter().all(|id| id.instant() == at));
        assert!(ids.last() < Some(&AuditId::numbered(at, usize::MAX, u128::MAX)));
    }

    #[test]
    fn an_id_of_another_kind_is_refused_by_its_prefix() {
        let event = EventId::new(Instant::from_unix_micros(0), 0).to_string();
        assert_eq!(
            event.parse::<DeliveryId>(),
            Err(ParseIdError::Prefix { expected: "del_" })
        );
        assert_eq!("msg_81".parse::<EventId>(), Err(ParseIdError::Base32));
        assert_eq!(
            "msg_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<EventId>(),
            Err(ParseIdError::Base32)
        );
    }

    #[test]
    fn an_operator_may_pin_the_id_of_a_configured_thing() {
        assert_eq!(
            "ep_integration_test_001".parse::<EndpointId>().unwrap().as_str(),
            "ep_integration_test_001"
        );
        for bad in ["ep_", "ep_a b", "ep_a/b", "so_a", "ep_é"] {
            assert!(bad.parse::<EndpointId>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_id_survives_its_text(value: u128) {
            let id = EventId::from_uuid(Uuid::from_u128(value));
            prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        }

        #[test]
        fn texts_sort_as_the_ids_do(one: u128, two: u128) {
            let (one, two) = (EventId::from_uuid(Uuid::from_u128(one)), EventId::from_uuid(Uuid::from_u128(two)));
            prop_assert_eq!(one.cmp(&two), one.to_string().cmp(&two.to_string()));
        }

        #[test]
        fn an_id_keeps_the_millisecond_of_its_making(millis in 0_i64..=281_474_976_710_655, random: u128) {
            let at = Instant::from_unix_micros(millis.saturating_mul(1_000));
            prop_assert_eq!(EventId::new(at, random).instant(), at);
        }
    }

    #[test]
    fn a_recovery_makes_one_delivery_of_another_and_each_recovery_its_own() {
        let at = Instant::from_unix_micros(1_800_000_000_000_000);
        let (event, endpoint) = (EventId::new(at, 1), EndpointId::from_stored("ep_a"));
        let first = DeliveryId::of(event, &endpoint, 0);
        let (one, other) = (RecoveryId::new(at, 1), RecoveryId::new(at, 2));
        let again = first.recovered(one, event, &endpoint);
        assert_eq!(again, first.recovered(one, event, &endpoint));
        assert_ne!(again, first);
        assert_ne!(again, first.recovered(other, event, &endpoint));
        assert_ne!(again, again.recovered(one, event, &endpoint));
        assert_eq!(again.instant(), first.instant(), "it sorts by its event");
    }
}
