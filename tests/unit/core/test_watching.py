"""Metrics and spans cost nothing, and load nothing, where nobody has set anything up for them."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from cairnloop_engine.core import telemetry

telemetry.count("cairnloop.test", 1, {"state": "ok"})
telemetry.took("cairnloop.test.duration_ms", 12, {"state": "ok"})
telemetry.mark("cairnloop.test", {"id": 1})
print("opentelemetry" in sys.modules)
"""


def test_without_a_listener_nothing_is_loaded() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "False"


def test_with_the_library_but_no_provider_nothing_breaks() -> None:
    loaded = f"import opentelemetry.metrics, opentelemetry.trace\n{PROGRAM}"

    ran = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "True"
