//! The one meter of a process, and who reads it.

use super::conveyor::Messages;
use super::declare::Declare;
use super::deliveries::Deliveries;
use super::doors::Doors;
use super::ledger::Ledger;
use super::requests::Requests;
use super::runs::Runs;
use crate::error::Error;
use crate::settings;
use crate::telemetry::metrics_exporter;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};
use std::sync::OnceLock;
use std::time::Duration;

static METERS: OnceLock<Meters> = OnceLock::new();

/// The media type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every instrument, and what they are read by.
pub(super) struct Meters {
    provider: SdkMeterProvider,
    registry: Registry,
    pub(super) requests: Requests,
    pub(super) doors: Doors,
    pub(super) messages: Messages,
    pub(super) ledger: Ledger,
    pub(super) deliveries: Deliveries,
    pub(super) runs: Runs,
}

impl Meters {
    fn new(resource: Resource, collector: Option<&settings::HttpUrl>) -> Result<Self, Error> {
        let registry = Registry::new();
        let prometheus = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // There is one scope; as a label it would only repeat itself.
            .scope_info_enabled(false)
            .build()
            .map_err(|error| Error::Telemetry {
                reason: error.to_string(),
            })?;
        let mut builder = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(prometheus);
        if let Some(collector) = collector {
            builder = builder.with_reader(PeriodicReader::builder(metrics_exporter(collector)?).build());
        }
        let provider = builder.build();
        let meter = meter_of(&provider);
        let declare = Declare(&meter);
        Ok(Self {
            requests: Requests::declare(&declare),
            doors: Doors::declare(&declare),
            messages: Messages::declare(&declare),
            ledger: Ledger::declare(&declare),
            deliveries: Deliveries::declare(&declare),
            runs: Runs::declare(&declare),
            provider,
            registry,
        })
    }
}

pub(super) fn meters() -> &'static Meters {
    METERS.get_or_init(|| {
        Meters::new(Resource::builder_empty().build(), None)
            .expect("the reader registers because the registry is new and empty")
    })
}

/// For instruments that are asked whenever metrics are read.
pub(super) fn meter() -> Meter {
    meter_of(&meters().provider)
}

fn meter_of(provider: &SdkMeterProvider) -> Meter {
    provider.meter("hookyard")
}

/// Starts the meter of this process, once; in tests the first call stays.
pub(crate) fn start(settings: &settings::Telemetry, resource: Resource) -> Result<(), Error> {
    if METERS.get().is_none() {
        let collector = settings.otlp_endpoint.as_ref().filter(|_| settings.otlp_metrics);
        // Whoever was faster has set one that is as good.
        let _ = METERS.set(Meters::new(resource, collector)?);
    }
    Ok(())
}

/// Pushes what is left.
pub(crate) fn finish(timeout: Duration) {
    if let Some(meters) = METERS.get() {
        let _ = meters.provider.shutdown_with_timeout(timeout);
    }
}

/// All metrics in Prometheus's text format.
pub fn text() -> String {
    let mut bytes = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&meters().registry.gather(), &mut bytes) {
        tracing::warn!(
            error.chain = &error as &dyn std::error::Error,
            "some metrics cannot be shown"
        );
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
