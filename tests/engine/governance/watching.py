"""A monitoring system that remembers what it heard: metrics on one way, spans on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import (
    Counter,
    Histogram,
    Meter,
    MeterProvider,
    NoOpMeter,
)
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Span, Tracer, TracerProvider
from opentelemetry.trace.span import INVALID_SPAN_CONTEXT

Heard = tuple[str, dict[str, Any]]


@dataclass(slots=True)
class Watch:
    """Everything that was heard since the last :meth:`forget`."""

    counted: list[Heard] = field(default_factory=list)
    timed: list[tuple[str, int | float]] = field(default_factory=list)
    spans: list[Heard] = field(default_factory=list)
    # Name and status of the spans that took time.
    ended: list[tuple[str, str]] = field(default_factory=list)

    def forget(self) -> None:
        self.counted.clear()
        self.timed.clear()
        self.spans.clear()
        self.ended.clear()

    def names(self) -> Sequence[str]:
        return [name.removeprefix("cairnloop.governance.") for name, _ in self.counted]

    def traced(self) -> Sequence[str]:
        return [name.removeprefix("cairnloop.governance.trace.") for name, _ in self.spans]

    def labels(self, event: str) -> dict[str, Any]:
        """The labels of the newest metric of that name."""
        return [labels for name, labels in self.counted if name.endswith(f".{event}")][-1]

    def span(self, event: str) -> dict[str, Any]:
        return [given for name, given in self.spans if name.endswith(f".{event}")][-1]


class _Counter(Counter):
    def __init__(self, name: str, *_: Any, **__: Any) -> None:
        self.name = name

    def add(self, amount: int | float, attributes: Any = None, context: Any = None) -> None:
        assert amount == 1
        WATCH.counted.append((self.name, dict(attributes)))


class _Histogram(Histogram):
    def __init__(self, name: str, *_: Any, **__: Any) -> None:
        self.name = name

    def record(self, amount: int | float, attributes: Any = None, context: Any = None) -> None:
        WATCH.timed.append((self.name, amount))


class _Meter(NoOpMeter):
    def create_counter(self, name: str, *given: Any, **more: Any) -> Counter:
        return _Counter(name)

    def create_histogram(self, name: str, *given: Any, **more: Any) -> Histogram:
        return _Histogram(name)


class _Meters(MeterProvider):
    def get_meter(self, name: str, *given: Any, **more: Any) -> Meter:
        return _Meter(name)


class _Span(NonRecordingSpan):
    def __init__(self, name: str) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self.name = name

    def set_status(self, status: Any, description: str | None = None) -> None:
        assert not description
        assert not status.description
        WATCH.ended.append((self.name, status.status_code.name))


class _Tracer(NoOpTracer):
    def start_span(self, name: str, *given: Any, **more: Any) -> Span:
        WATCH.spans.append((name, dict(more["attributes"])))
        return _Span(name)


class _Tracers(TracerProvider):
    def get_tracer(self, *given: Any, **more: Any) -> Tracer:
        return _Tracer()


WATCH = Watch()


def installed() -> Watch:
    """The one watch of this process: OpenTelemetry takes a provider once."""
    if not isinstance(metrics.get_meter_provider(), _Meters):
        metrics.set_meter_provider(_Meters())
        trace.set_tracer_provider(_Tracers())
    WATCH.forget()
    return WATCH
