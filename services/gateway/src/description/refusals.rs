//! Every way in which the doors refuse, with the sentence that the document has for it.

use openapi::Refusal;

const fn refusal(status: u16, code: &'static str, when: &'static str) -> Refusal {
    Refusal::new(status, code, when)
}

pub(super) const INVALID_BODY: Refusal = refusal(
    400,
    "invalid_body",
    "The body is not what the door takes, or it broke off.",
);
pub(super) const MISSING_KEY: Refusal = refusal(
    400,
    "missing_idempotency_key",
    "The header `X-Idempotency-Key` is missing.",
);
pub(super) const INVALID_KEY: Refusal = refusal(
    400,
    "invalid_idempotency_key",
    "An idempotency key is 1 to 255 bytes without control characters, sent once.",
);
pub(super) const INVALID_EVENT_TYPE: Refusal = refusal(
    400,
    "invalid_event_type",
    "The event type is over 128 characters or has control characters; at door 3, it is no dotted name.",
);
pub(super) const DIRECT_INGEST_DISABLED: Refusal = refusal(
    400,
    "direct_ingest_disabled",
    "The channel takes no direct requests.",
);
pub(super) const INVALID_CHALLENGE: Refusal = refusal(
    400,
    "invalid_challenge",
    "A handshake asks for what is not echoed.",
);
pub(super) const UNAUTHORIZED: Refusal = refusal(
    401,
    "unauthorized",
    "The secret or the key is missing, malformed or wrong.",
);
pub(super) const INVALID_WEBHOOK_SECRET: Refusal = refusal(
    401,
    "invalid_webhook_secret",
    "The header `X-Webhook-Secret` is missing or wrong.",
);
pub(super) const INVALID_SIGNATURE: Refusal = refusal(
    401,
    "invalid_signature",
    "The signature does not match the request; it is kept as a rejection.",
);
pub(super) const TOKEN_DISABLED: Refusal = refusal(403, "token_disabled", "The API key is switched off.");
pub(super) const INSUFFICIENT_SCOPE: Refusal =
    refusal(403, "insufficient_scope", "The API key may not do this.");
pub(super) const UNKNOWN_SENDER: Refusal = refusal(
    403,
    "unknown_sender",
    "No contact has the sender's address; the request is kept as a rejection.",
);
pub(super) const FORBIDDEN: Refusal = refusal(403, "forbidden", "The token of a handshake is wrong.");
pub(super) const NOT_FOUND: Refusal =
    refusal(404, "not_found", "Unknown, disabled and closed look the same.");
pub(super) const METHOD_NOT_ALLOWED: Refusal = refusal(
    405,
    "method_not_allowed",
    "This is no handshake of the source's provider.",
);
pub(super) const REQUEST_TIMEOUT: Refusal =
    refusal(408, "request_timeout", "The body did not arrive in time.");
pub(super) const IDEMPOTENCY_CONFLICT: Refusal = refusal(
    409,
    "idempotency_conflict",
    "The key was used with another body or target.",
);
pub(super) const TRIGGER_DISABLED: Refusal =
    refusal(409, "trigger_disabled", "The playbook or its hook is disabled.");
pub(super) const TOO_MANY_EVENT_TYPES: Refusal = refusal(
    409,
    "too_many_event_types",
    "The workspace has as many event types as senders may register.",
);
pub(super) const PAYLOAD_TOO_LARGE: Refusal =
    refusal(413, "payload_too_large", "The body is over the limit, counted.");
pub(super) const UNSUPPORTED_ENCODING: Refusal = refusal(
    415,
    "unsupported_encoding",
    "The body is compressed, and that is not taken here.",
);
pub(super) const PROJECT_NOT_FOUND: Refusal = refusal(
    422,
    "project_not_found",
    "The run's project does not exist or is disabled.",
);
pub(super) const TEMPLATE_NOT_FOUND: Refusal =
    refusal(422, "template_not_found", "The run's template does not exist.");
pub(super) const INVALID_INPUT: Refusal = refusal(
    422,
    "invalid_input",
    "The input is not what the playbook asks for, or over 256 KiB.",
);
pub(super) const RATE_LIMITED: Refusal =
    refusal(429, "rate_limited", "Over a limit, or too many requests wait.");
pub(super) const INTERNAL_ERROR: Refusal = refusal(500, "internal_error", "A fault of ours.");
pub(super) const UNAVAILABLE: Refusal = refusal(
    503,
    "unavailable",
    "The ledger, or an app's adapter, did not answer in time. Safe to send again.",
);
pub(super) const INGEST_TIMEOUT: Refusal = refusal(
    504,
    "ingest_timeout",
    "The ledger did not answer in time. Safe to send again.",
);

/// What can be wrong with any body.
pub(super) const OF_BODIES: [Refusal; 4] = [
    INVALID_BODY,
    REQUEST_TIMEOUT,
    PAYLOAD_TOO_LARGE,
    UNSUPPORTED_ENCODING,
];

/// What can become of any request that is to be recorded.
pub(super) const OF_ACCEPTING: [Refusal; 4] = [NOT_FOUND, RATE_LIMITED, INTERNAL_ERROR, UNAVAILABLE];

/// What can be wrong with what a run is started with.
pub(super) const OF_RUNS: [Refusal; 4] = [
    IDEMPOTENCY_CONFLICT,
    PROJECT_NOT_FOUND,
    TEMPLATE_NOT_FOUND,
    INVALID_INPUT,
];

/// What can be wrong with an API key.
pub(super) const OF_KEYS: [Refusal; 3] = [UNAUTHORIZED, TOKEN_DISABLED, INSUFFICIENT_SCOPE];
