"""The demo's own processes: started in groups of their own, watched, and always stopped."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from cairnloop_engine import Settings
from cairnloop_engine.core.errors import Misconfigured, Unavailable
from cairnloop_engine.settings import PREFIX

LOOPBACK = "127.0.0.1"
GRACE_S = 10.0
LOOK_EVERY_S = 0.05
PORTS_TRIED = 100
LAST_LINES = 12
# Whoever dies more often than this is not started again.
MOST_LIVES = 10


@dataclass(slots=True)
class Child:
    """One running command, and where its log is."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    command: tuple[str, ...]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def last_words(self) -> str:
        """The end of its log, for when it did not come up."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return "\n".join(lines[-LAST_LINES:]) or "It said nothing."

    def signal_group(self, number: signal.Signals) -> None:
        # Once it was waited for, its number may belong to somebody else.
        if self.alive:
            os.killpg(self.process.pid, number)


@dataclass(slots=True)
class Crew:
    """Every process that one demo started."""

    settings: Settings
    logs: Path
    children: list[Child] = field(default_factory=list)
    # Those that are started again when they end by themselves.
    kept: set[str] = field(default_factory=set)
    _lifeline: tuple[int, int] = field(default_factory=os.pipe)

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start ``cairnloop COMMAND`` with the demo's settings."""
        log = self.logs / f"demo-{name}.log"
        read_end, _ = self._lifeline
        again = any(child.name == name for child in self.children)
        with os.fdopen(_private(log, anew=not again), "wb") as words:
            process = subprocess.Popen(
                [sys.executable, "-m", "cairnloop_cli.demo.child", str(read_end), *command],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                cwd=self.logs,
                env=environment(self.settings),
                pass_fds=[read_end],
                start_new_session=True,
            )
        child = Child(name, process, log, tuple(command))
        self.children.append(child)
        return child

    def restart(self, name: str) -> Child:
        """Start a child again that has ended, with the same command."""
        ended = self.child(name)
        ended.process.wait()
        fresh = self.start(name, ended.command)
        self.children.remove(ended)
        return fresh

    @contextmanager
    def keeping(self, name: str) -> Iterator[None]:
        """Start a child again whenever it ends, as a service manager would, until the block ends.

        The demo has a tool that kills its worker on purpose.
        """
        over = threading.Event()
        self.kept.add(name)
        watch = threading.Thread(target=self._watch, args=(name, over), daemon=True)
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()

    def _watch(self, name: str, over: threading.Event) -> None:
        lives = 1
        while not over.wait(LOOK_EVERY_S):
            if self.child(name).alive:
                continue
            if lives >= MOST_LIVES:
                break
            lives += 1
            self.restart(name)
        self.kept.discard(name)

    def child(self, name: str) -> Child:
        """The child of this name that was started last."""
        return next(child for child in reversed(self.children) if child.name == name)

    @property
    def gone(self) -> list[Child]:
        """Those that ended although nobody asked them to, and that nobody starts again."""
        ended = [child for child in self.children if not child.alive]
        return [child for child in ended if child.name not in self.kept]

    @property
    def all_alive(self) -> bool:
        return not self.gone

    def stop(self) -> None:
        """Ask every child to stop, and end those that do not."""
        for child in self.children:
            child.signal_group(signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        for child in self.children:
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.signal_group(signal.SIGKILL)
                child.process.wait()
        self.children.clear()

    def close(self) -> None:
        for end in self._lifeline:
            os.close(end)


@contextmanager
def crew(settings: Settings) -> Iterator[Crew]:
    """A crew whose processes end with the block."""
    logs = settings.home_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    made = Crew(settings, logs)
    try:
        yield made
    finally:
        made.stop()
        made.close()


def await_ready(child: Child, port: int, path: str, *, within: float) -> None:
    """Wait until a server answers 200.

    Raises:
        Unavailable: ``demo_process_failed``, with the end of its log.
    """
    until = time.monotonic() + within
    while child.alive and time.monotonic() < until:
        if _answers(port, path):
            return
        time.sleep(LOOK_EVERY_S)
    why = "took too long to start" if child.alive else "stopped"
    raise Unavailable(
        "demo_process_failed",
        f"The process {child.name} {why}. Its log ends:\n{child.last_words()}",
        process=child.name,
        log=str(child.log),
    )


def free_port(wanted: int, *, taken: Sequence[int] = ()) -> int:
    """The wanted port of this machine, or the next one that is free.

    Raises:
        Misconfigured: ``no_free_port``.
    """
    for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
        if port not in taken and _is_free(port):
            return port
    raise Misconfigured(
        "no_free_port",
        f"Ports {wanted} to {wanted + PORTS_TRIED - 1} are all in use. Choose another start with "
        "CAIRNLOOP_WIDGET_PORT and CAIRNLOOP_HTTP_PORT.",
        port=wanted,
    )


def environment(settings: Settings) -> Mapping[str, str]:
    """What a child is told: the settings of the demo, and nothing of the surroundings.

    The secret goes this way because others can read a command line.
    """
    told = {
        "PATH": os.defpath,
        "HOME": str(Path.home()),
        "LANG": "C.UTF-8",
        "TMPDIR": tempfile.gettempdir(),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONUNBUFFERED": "1",
        # The library of the sentence model would report home.
        "ORT_DISABLE_TELEMETRY": "1",
    }
    for name, knob in Settings.model_fields.items():
        value = getattr(settings, name)
        if value is not None and value != knob.default:
            told[f"{PREFIX}{name.upper()}"] = _written(value)
    return told


def _written(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return "true" if value else "false"
        case tuple():
            return ",".join(str(part) for part in value)
        case _:
            return str(value)


def _private(path: Path, *, anew: bool) -> int:
    """A file that nobody else reads."""
    mode = os.O_TRUNC if anew else os.O_APPEND
    return os.open(path, os.O_WRONLY | os.O_CREAT | mode, 0o600)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
