//! What the platform tells of itself, as events of the workspace that it concerns.

/// The worker disabled an endpoint.
pub const ENDPOINT_DISABLED: &str = "endpoint.disabled";
/// An endpoint that failed is there again.
pub const ENDPOINT_RECOVERED: &str = "endpoint.recovered";
/// A delivery is a dead letter.
pub const DELIVERY_EXHAUSTED: &str = "delivery.exhausted";
/// A delivery has failed a few times.
pub const DELIVERY_FAILING: &str = "delivery.failing";

/// Whether an event of this type that nobody sent is one of these.
pub fn is_operational(event_type: &str) -> bool {
    [
        ENDPOINT_DISABLED,
        ENDPOINT_RECOVERED,
        DELIVERY_EXHAUSTED,
        DELIVERY_FAILING,
    ]
    .contains(&event_type)
}
