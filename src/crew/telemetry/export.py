"""Where spans and metrics go: to an OTLP endpoint, over HTTP, in the background."""

import logging
from collections.abc import Mapping
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from crew.notices import Listener
from crew.settings import Settings
from crew.telemetry.recording import Telemetry

SERVICE = "crew"
REHEARSAL = "crew-rehearsal"
"""The service of runs whose text is scripted: they must not count as work."""


def exporting(
    settings: Settings, environ: Mapping[str, str], notices: Listener
) -> Telemetry:
    """Spans and metrics with exporters of their own: CrewAI's, or an application's,
    stay as they are. The SDK reads the endpoint, the headers and the like from the
    environment."""
    logging.getLogger("opentelemetry").addHandler(_Once(settings, notices))
    logging.getLogger("opentelemetry").propagate = False
    service = environ.get("OTEL_SERVICE_NAME") or SERVICE
    if settings.rehearsal:
        service = REHEARSAL
    resource = Resource.create(
        {
            SERVICE_NAME: service,
            SERVICE_VERSION: version("tiercrew"),
        }
    )
    tracers = TracerProvider(resource=resource)
    if _wanted(environ, "OTEL_TRACES_EXPORTER"):
        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    readers = []
    if _wanted(environ, "OTEL_METRICS_EXPORTER"):
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    meters = MeterProvider(resource=resource, metric_readers=readers)
    return Telemetry(settings, tracers, meters)


def _wanted(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "otlp").strip().lower() != "none"


class _Once(logging.Handler):
    """Says once that something is not delivered; the run goes on."""

    def __init__(self, settings: Settings, notices: Listener) -> None:
        super().__init__(logging.WARNING)
        self._settings = settings
        self._notices = notices
        self._was_said = False

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on the first record."""
        if not self._was_said:
            self._was_said = True
            text = self._settings.secrets.masked(record.getMessage())
            self._notices(f"WARNING: telemetry is not delivered: {text[:200]}")
