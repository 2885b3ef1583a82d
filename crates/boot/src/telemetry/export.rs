//! OTLP over HTTP, from threads of the SDK's own.

use crate::error::Error;
use crate::settings::HttpUrl;
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter as OtlpSpans, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// For one request to the collector.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An exporter for the spans of a batch processor.
pub(super) fn spans(endpoint: &HttpUrl) -> Result<Quiet<OtlpSpans>, Error> {
    let url = format!("{endpoint}/v1/traces");
    let exporter = OtlpSpans::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(client(endpoint)?)
        .with_timeout(TIMEOUT)
        .with_endpoint(&url)
        .build();
    Ok(Quiet::new("traces", url, exporter.map_err(refused)?))
}

/// An exporter for the metrics of a periodic reader.
pub(crate) fn metrics(endpoint: &HttpUrl) -> Result<Quiet<MetricExporter>, Error> {
    let url = format!("{endpoint}/v1/metrics");
    let exporter = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(client(endpoint)?)
        .with_timeout(TIMEOUT)
        .with_endpoint(&url)
        .build();
    Ok(Quiet::new("metrics", url, exporter.map_err(refused)?))
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Telemetry {
        reason: format!("telemetry.otlp_endpoint: {error}"),
    }
}

/// A blocking client: the SDK exports from plain threads, which have no runtime.
fn client(endpoint: &HttpUrl) -> Result<reqwest::blocking::Client, Error> {
    let is_plain = endpoint.as_str().starts_with("http:");
    // It starts a runtime of its own inside, which must not happen on a thread of ours.
    let built = std::thread::spawn(move || {
        let builder = reqwest::blocking::Client::builder().timeout(TIMEOUT);
        // A plain collector must not need the machine to have root certificates.
        let builder = if is_plain {
            builder.tls_certs_only([])
        } else {
            builder
        };
        builder.redirect(reqwest::redirect::Policy::none()).build()
    });
    let built = built
        .join()
        .ok()
        .ok_or_else(|| refused("the HTTP client's thread panicked"))?;
    built.map_err(refused)
}

/// Says once that the collector does not answer, and once that it does again, instead of at every batch.
#[derive(Debug)]
pub(crate) struct Quiet<E> {
    what: &'static str,
    url: String,
    inner: E,
    is_failing: AtomicBool,
}

impl<E> Quiet<E> {
    fn new(what: &'static str, url: String, inner: E) -> Self {
        Self {
            what,
            url,
            inner,
            is_failing: AtomicBool::new(false),
        }
    }

    /// What is lost is lost, so the SDK always hears of success.
    #[expect(clippy::unnecessary_wraps, reason = "it is what exporters return")]
    fn noted(&self, result: OTelSdkResult) -> OTelSdkResult {
        let (what, url) = (self.what, self.url.as_str());
        match result {
            Ok(()) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(otlp.url = url, "the collector takes {what} again");
                }
            }
            // The process ends; the collector is not to blame.
            Err(OTelSdkError::AlreadyShutdown) => {}
            Err(error) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    let error = error.to_string();
                    tracing::warn!(
                        otlp.url = url,
                        error.chain = error,
                        "the collector does not take {what}; they are dropped until it does"
                    );
                }
            }
        }
        Ok(())
    }
}

impl<E: SpanExporter> SpanExporter for Quiet<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.inner.export(batch).await;
        self.noted(result)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Quiet<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.inner.export(metrics).await;
        self.noted(result)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}
