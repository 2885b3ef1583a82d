//! Adapters: who understands the requests of an app's platform, one file each.
//!
//! An adapter says whether a request is authentic and which messages it brings. It knows nothing of contacts, events or
//! keys: those are the door's.

mod custom;
mod external;
mod message;
mod slack;
mod telegram;
mod whatsapp;

pub(crate) use message::{Id, Message};

use crate::arrival::{Arrival, Refused};
use crate::problem::Problem;
use crate::sources::live;
use crate::verify::{self, Checked, Guard};
use crate::{Gateway, kept};
use actix_web::HttpResponse;
use actix_web::http::Method;
use external::External;
use serde_json::json;
use signature::{Profile, SignatureError};
use std::sync::{Arc, LazyLock};
use store::{Source, Verification};
use wire::Instant;
use wire::resource::{Adapter, AppSpec, VerifyMode};

/// What a custom app without a scheme signs with: `X-Signature` is the HMAC-SHA256 of the body in hexadecimal.
static PLAIN: LazyLock<Arc<Profile>> = LazyLock::new(|| {
    let scheme = json!({"algorithm": "hmac-sha256", "signature": {"from": "header:X-Signature"}});
    Arc::new(Profile::from_json(&scheme).expect("the scheme parses, because a test parses it"))
});

/// What a request to an app comes to.
pub(crate) enum Heard {
    /// The platform asks whether the address is its own to call; this is the answer.
    Challenge(HttpResponse),
    /// It says something, be it that nobody wrote anything.
    Spoken(Spoken),
}

/// What an authentic request says.
pub(crate) struct Spoken {
    /// Of each id one.
    pub(crate) messages: Vec<Message>,
    /// What the check of its signature said.
    pub(crate) verified: Option<Verification>,
}

/// A source's app, ready to listen.
#[derive(Debug)]
pub(crate) enum App {
    /// A platform whose requests are understood here.
    Known {
        platform: Platform,
        profile: Arc<Profile>,
    },
    /// A platform that a program of the operator's understands.
    External(External),
}

/// The platforms whose requests are understood here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Slack,
    Whatsapp,
    Telegram,
    Custom,
}

impl App {
    /// Makes an app ready. Fails when its scheme does not parse, which the console has checked.
    pub(crate) fn of(spec: &AppSpec) -> Result<Self, SignatureError> {
        let (platform, profile) = match (&spec.adapter, &spec.scheme) {
            (Adapter::External(url), _) => return Ok(Self::External(External::at(url))),
            (Adapter::Slack, _) => (Platform::Slack, builtin("slack")),
            (Adapter::Whatsapp, _) => (Platform::Whatsapp, builtin("meta")),
            (Adapter::Telegram, _) => (Platform::Telegram, builtin("telegram")),
            (Adapter::Custom, Some(scheme)) => (Platform::Custom, Arc::new(Profile::from_json(scheme)?)),
            (Adapter::Custom, None) => (Platform::Custom, Arc::clone(&PLAIN)),
        };
        Ok(Self::Known { platform, profile })
    }

    /// For metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Known { platform, .. } => match platform {
                Platform::Slack => "slack",
                Platform::Whatsapp => "whatsapp",
                Platform::Telegram => "telegram",
                Platform::Custom => "custom",
            },
            Self::External(_) => "external",
        }
    }

    /// Whether a header is itself the secret. An external adapter's is not known here, so the name decides.
    pub(crate) fn is_secret(&self, header: &str) -> bool {
        match self {
            Self::Known { profile, .. } => profile.reveals_the_secret(header),
            Self::External(_) => kept::sounds_secret(header),
        }
    }

    /// Whether the messages' own `type` names the event: those that are written for us, not for everybody.
    pub(crate) const fn names_events(&self) -> bool {
        matches!(
            self,
            Self::External(_)
                | Self::Known {
                    platform: Platform::Custom,
                    ..
                }
        )
    }

    /// The methods that it takes, as `Allow` has them. An external adapter is asked about every one that is routed.
    pub(crate) fn allow(&self) -> String {
        match self {
            Self::Known { profile, .. } => verify::allow(profile),
            Self::External(_) => external::METHODS.join(", "),
        }
    }

    /// Checks a request of `source`, and reads it.
    pub(crate) async fn hear(
        &self,
        gateway: &Gateway,
        source: &Source,
        arrival: Arrival<'_>,
    ) -> Result<Heard, Refused> {
        let (platform, profile) = match self {
            Self::External(external) if external::METHODS.contains(&arrival.head.method.as_str()) => {
                return external.hear(gateway, arrival).await;
            }
            Self::External(_) => {
                let allow = self.allow();
                return Err(Problem::MethodNotAllowed { allow }.into());
            }
            Self::Known { platform, profile } => (*platform, profile),
        };
        let guard = Guard {
            source,
            profile,
            mode: VerifyMode::Enforce,
            provider: self.name(),
            secrets: live(&source.app_secrets.signing, Instant::now()),
            verify_token: source.app_secrets.verify_token.as_ref(),
        };
        match verify::verify(gateway, arrival, guard).await {
            Ok(Checked::Handshake(answer)) => Ok(Heard::Challenge(answer)),
            Ok(Checked::Event { verified }) => {
                let messages = platform.messages(arrival.body)?;
                Ok(Heard::Spoken(Spoken { messages, verified }))
            }
            // Meta asks with `GET`, and whoever does not ask as it does has no business here.
            Err(Refused {
                problem: Problem::MethodNotAllowed { .. },
                ..
            }) if platform == Platform::Whatsapp && arrival.head.method == Method::GET => {
                Err(Problem::HandshakeForbidden.into())
            }
            Err(refused) => Err(refused),
        }
    }
}

impl Platform {
    fn messages(self, body: &[u8]) -> Result<Vec<Message>, Refused> {
        let read = || {
            let text =
                std::str::from_utf8(body).map_err(|error| format!("the body is not UTF-8: {error}"))?;
            let messages = match self {
                Self::Slack => slack::messages(text),
                Self::Whatsapp => whatsapp::messages(text),
                Self::Telegram => telegram::messages(text),
                Self::Custom => custom::messages(text),
            };
            message::checked(messages?)
        };
        read().map_err(|what| Problem::Malformed(what).into())
    }
}

fn builtin(name: &str) -> Arc<Profile> {
    let profile = Profile::builtin(name).expect("the profile is built in, because a test takes it");
    Arc::new(profile.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::AppId;
    use wire::resource::ContactPolicy;

    const PLATFORMS: [Platform; 4] = [
        Platform::Slack,
        Platform::Whatsapp,
        Platform::Telegram,
        Platform::Custom,
    ];

    #[test]
    fn every_adapter_has_its_profile() {
        for adapter in [
            Adapter::Slack,
            Adapter::Whatsapp,
            Adapter::Telegram,
            Adapter::Custom,
            Adapter::External("https://adapter.example/".to_owned()),
        ] {
            let spec = AppSpec {
                id: AppId::from_stored("app_one"),
                adapter,
                scheme: None,
                contacts: ContactPolicy::default(),
                doorkeeper: None,
            };
            assert!(App::of(&spec).is_ok(), "{spec:?}");
        }
    }

    #[test]
    fn a_nested_body_is_malformed_not_fatal() {
        let body = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        for platform in PLATFORMS {
            assert!(platform.messages(body.as_bytes()).is_err(), "{platform:?}");
        }
    }

    #[test]
    fn a_request_has_at_most_1000_messages_and_each_id_once() {
        let of = |ids: &[usize]| {
            let messages: Vec<_> = ids
                .iter()
                .map(|id| json!({"id": id, "sender": {"id": "ada"}}))
                .collect();
            let body = json!({"messages": messages}).to_string();
            Platform::Custom
                .messages(body.as_bytes())
                .map(|messages| messages.len())
        };
        assert!(matches!(of(&(0..1_000).collect::<Vec<_>>()), Ok(1_000)));
        assert!(of(&(0..1_001).collect::<Vec<_>>()).is_err());
        assert!(matches!(of(&[1, 2, 1]), Ok(2)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body: Vec<u8>) {
            for platform in PLATFORMS {
                let _ = platform.messages(&body);
            }
        }
    }
}
