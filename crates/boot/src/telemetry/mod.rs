//! Logs, traces and metrics: set up once per process, flushed once at its end.
//!
//! Logs go to standard error, as JSON lines or, on a terminal, for people. Spans of this product always carry trace
//! ids, so that a `traceparent` reaches every receiver; they are exported when `telemetry.otlp_endpoint` is set. The
//! exporters have bounded queues and threads of their own: a collector that is slow or down costs spans, never a
//! request, and is complained about once until it is back.

mod export;
mod json;

use crate::error::Error;
use crate::metrics;
use crate::settings::{self, LogFormat, Settings};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::io::IsTerminal as _;
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

/// How long the last spans and metrics may take to leave.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Libraries that say too much, or what our own crates say better (the exporters' failures, the broker's connections).
/// `log.level` overrules it.
const QUIETER: &str = "actix_server=warn,lapin=off,opentelemetry=off";

/// The telemetry of this process. Keep it until the end, then [`Telemetry::finish`] it.
#[derive(Debug)]
pub struct Telemetry {
    tracer: SdkTracerProvider,
}

impl Telemetry {
    /// Starts logs, traces and metrics for the program of this name. In a process that has done so before (tests), the
    /// first call's logs and metrics stay.
    pub fn start(settings: &Settings, program: &'static str) -> Result<Self, Error> {
        let resource = resource(&settings.telemetry, program);
        let tracer = tracer(&settings.telemetry, &resource)?;
        metrics::start(&settings.telemetry, resource)?;

        let spans = tracing_opentelemetry::layer()
            .with_tracer(tracer.tracer("hookyard"))
            // What is switched off here costs on every span and is in no dashboard of ours.
            .with_context_activation(false)
            .with_tracked_inactivity(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            // Only our own spans: those of the libraries below would be most of the trace.
            .with_filter(Targets::new().with_target("hookyard", LevelFilter::INFO));
        let installed = tracing_subscriber::registry()
            .with(log_layer(&settings.log)?)
            .with(spans)
            .try_init();
        if installed.is_ok() {
            log_panics();
        }
        Ok(Self { tracer })
    }

    /// Sends what is left, for a few seconds at most. Blocks: call it outside of the runtime.
    pub fn finish(self) {
        // Failures have been logged by the exporters; there is nobody left to tell.
        let _ = self.tracer.shutdown_with_timeout(FLUSH_TIMEOUT);
        metrics::finish(FLUSH_TIMEOUT);
    }
}

fn resource(settings: &settings::Telemetry, program: &'static str) -> Resource {
    let name = settings
        .service_name
        .clone()
        .unwrap_or_else(|| program.to_owned());
    Resource::builder()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.version", crate::VERSION))
        .with_attribute(KeyValue::new(
            "service.instance.id",
            uuid::Uuid::now_v7().to_string(),
        ))
        .build()
}

fn tracer(settings: &settings::Telemetry, resource: &Resource) -> Result<SdkTracerProvider, Error> {
    // Without a collector nothing that starts here is sampled, so that receivers do not collect in vain.
    let ratio = settings
        .otlp_endpoint
        .as_ref()
        .map_or(0.0, |_| settings.sample_ratio);
    let sampler = Sampler::parent_based(Sampler::TraceIdRatioBased(ratio));
    let mut builder = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_sampler(sampler);
    if let Some(endpoint) = &settings.otlp_endpoint {
        builder = builder.with_batch_exporter(export::spans(endpoint)?);
    }
    Ok(builder.build())
}

pub(crate) use export::metrics as metrics_exporter;

fn log_layer(settings: &settings::Log) -> Result<Box<dyn Layer<Registry> + Send + Sync>, Error> {
    let directives = format!("{QUIETER},{}", settings.level.as_str());
    let filter = EnvFilter::try_new(directives).map_err(|error| Error::Telemetry {
        reason: error.to_string(),
    })?;
    let terminal = std::io::stderr().is_terminal();
    let pretty = match settings.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    Ok(if pretty {
        layer.with_ansi(terminal).with_filter(filter).boxed()
    } else {
        let json = layer.fmt_fields(json::Members).event_format(json::Lines);
        json.with_filter(filter).boxed()
    })
}

/// Puts panics where the other errors are, before the default behaviour (an abort in releases).
fn log_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let message = payload.downcast_ref::<&str>().copied();
        let message = message
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("?");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            error.kind = "panic",
            error.chain = message,
            code.location = place,
            "a bug: the program panicked"
        );
        default(panic);
    }));
}
