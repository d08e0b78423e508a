"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

# The home of measurements that bring their own database: a key and a head, nothing else.
SCRATCH_HOME = Path(tempfile.gettempdir()) / "cairnloop-benchmarks"
PACKAGES = ("sqlalchemy", "psycopg", "procrastinate", "textual", "websockets", "onnxruntime")


def described() -> dict[str, object]:
    """Processor, memory, Python and the versions that matter."""
    cpu = ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].partition(":")[2].strip() if models else ""
    return {
        "cpu": cpu or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": {name: version(name) for name in PACKAGES},
    }
