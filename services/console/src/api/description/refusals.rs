//! Every way in which the management API refuses, with the sentence that the document has for it.

use openapi::Refusal;

const fn refusal(status: u16, code: &'static str, when: &'static str) -> Refusal {
    Refusal::new(status, code, when)
}

pub(super) const INVALID_REQUEST: Refusal = refusal(
    400,
    "invalid_request",
    "A field is missing, unknown or not what it must be.",
);
pub(super) const INVALID_BODY: Refusal =
    refusal(400, "invalid_body", "The body is not JSON, or it broke off.");
pub(super) const INVALID_QUERY: Refusal = refusal(
    400,
    "invalid_query",
    "A query parameter is unknown or not what it must be.",
);
pub(super) const UNAUTHORIZED: Refusal = refusal(
    401,
    "unauthorized",
    "There is no token, it is wrong or another workspace's, or there is no such workspace.",
);
pub(super) const APPLICATION_FULL: Refusal = refusal(
    403,
    "application_endpoint_limit_reached",
    "The application has as many endpoints as it may have.",
);
pub(super) const NOT_FOUND: Refusal = refusal(404, "not_found", "There is no such thing in this workspace.");
pub(super) const REQUEST_TIMEOUT: Refusal =
    refusal(408, "request_timeout", "The body did not arrive in time.");
pub(super) const CONFLICT: Refusal = refusal(
    409,
    "conflict",
    "Another thing has that name, or something else changed meanwhile.",
);
pub(super) const IN_USE: Refusal = refusal(409, "in_use", "Something else still needs it.");
pub(super) const INVALID_STATE: Refusal = refusal(409, "invalid_state", "Its state does not allow it.");
pub(super) const RUN_ENDED: Refusal = refusal(409, "run_ended", "The run has ended.");
pub(super) const PAYLOAD_TOO_LARGE: Refusal =
    refusal(413, "payload_too_large", "The body is over the limit, counted.");
pub(super) const UNSUPPORTED_ENCODING: Refusal =
    refusal(415, "unsupported_encoding", "The body is compressed.");
pub(super) const INVALID_DEFINITION: Refusal = refusal(
    422,
    "invalid_definition",
    "A playbook's document is not what it must be.",
);
pub(super) const INVALID_INPUT: Refusal = refusal(
    422,
    "invalid_input",
    "The input is not what the playbook asks for, or over 256 KiB.",
);
pub(super) const PROJECT_NOT_FOUND: Refusal =
    refusal(422, "project_not_found", "The run's project is gone or disabled.");
pub(super) const TEMPLATE_NOT_FOUND: Refusal =
    refusal(422, "template_not_found", "The run's template is gone.");
pub(super) const INVALID_SIGNATURE: Refusal =
    refusal(422, "invalid_signature", "The signature is still wrong.");
pub(super) const UNKNOWN_SENDER: Refusal = refusal(
    422,
    "unknown_sender",
    "Still no contact has the sender's address.",
);
pub(super) const NOT_ACCEPTABLE: Refusal = refusal(
    422,
    "not_acceptable",
    "Its door refuses it for another reason by now.",
);
pub(super) const TOO_MANY: Refusal = refusal(
    422,
    "too_many",
    "There are more of a kind than can be looked through at once.",
);
pub(super) const INTERNAL_ERROR: Refusal = refusal(500, "internal_error", "A fault of ours.");
pub(super) const UNAVAILABLE: Refusal = refusal(
    503,
    "unavailable",
    "The ledger, or the gateway that was to be asked, did not answer. Safe to send again.",
);

/// What can become of any request.
pub(super) const OF_ALL: [Refusal; 5] = [UNAUTHORIZED, NOT_FOUND, TOO_MANY, INTERNAL_ERROR, UNAVAILABLE];

/// What can be wrong with any document.
pub(super) const OF_DOCUMENTS: [Refusal; 5] = [
    INVALID_REQUEST,
    INVALID_BODY,
    REQUEST_TIMEOUT,
    PAYLOAD_TOO_LARGE,
    UNSUPPORTED_ENCODING,
];
