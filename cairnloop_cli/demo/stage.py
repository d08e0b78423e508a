"""What the demo needs before anybody enters: a secret, ports, a loaded story, and processes."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from cairnloop_cli.demo import config_file
from cairnloop_cli.demo.child import BILLING
from cairnloop_cli.demo.processes import LOOPBACK, Crew, await_ready, crew, free_port
from cairnloop_engine import Settings
from cairnloop_engine.channels.widget.tokens import mint_token
from cairnloop_engine.core.embedded import EmbeddedPostgres
from cairnloop_engine.core.errors import JsonValue
from cairnloop_engine.demo import files, seeding
from cairnloop_engine.demo.parts import CONTEXT_PROVIDER, billing_file, with_actions
from cairnloop_engine.demo.scenario import Person
from cairnloop_engine.demo.story import Told
from cairnloop_engine.settings import CONFIG_NAME

LINK_LASTS = timedelta(hours=12)
START_WITHIN_S = 60.0
SECRET_BYTES = 48
BILLING_PORT = 8103
# What a second shell beside the demo has to know of it.
SHARED = (
    "home",
    "context_provider",
    "tools",
    "operator_scopes",
    "automation_scopes",
    "action_suggester",
    "approval_ttl",
    "demo_billing_url",
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running demo can be reached. Everything listens on this machine only."""

    settings: Settings
    widget_port: int
    http_port: int | None

    def chat_link(self, person: Person) -> str:
        """The chat page as one customer; the token stands where no server or log sees it."""
        secret = self.settings.widget_secret
        if secret is None:
            raise ValueError("the demo always has a secret")
        token = mint_token(
            secret.get_secret_value(),
            customer_ref=person.ref,
            workspace=self.settings.workspace,
            ttl=LINK_LASTS,
            name=person.name,
        )
        return f"http://{LOOPBACK}:{self.widget_port}/#token={token}"

    def write_settings(self) -> Path:
        """Write a settings file with which other shells find the demo's database and tools."""
        told = {name: _plain(getattr(self.settings, name)) for name in SHARED}
        if self.settings.database_url is not None:
            told["database_url"] = self.settings.database_url.get_secret_value()
        return config_file.replace(self.settings.home_dir / "demo" / CONFIG_NAME, told)

    @property
    def socket_address(self) -> str:
        return f"ws://{LOOPBACK}:{self.widget_port}/ws"


def demo_settings(settings: Settings) -> Settings:
    """The host's settings with the demo's identity, facts, tools and secret filled in."""
    told = settings.with_changes(
        home=settings.home_dir,
        operator=settings.operator or files.cast().operator,
        context_provider=settings.context_provider or CONTEXT_PROVIDER,
        widget_secret=SecretStr(kept_secret(settings.home_dir / "demo" / "widget-secret")),
        widget_host=LOOPBACK,
        http_host=LOOPBACK,
    )
    return told if settings.tools else with_actions(told, billing=None)


def kept_secret(path: Path) -> str:
    """The secret of this home, made on first use; only its owner can read it."""
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    made = secrets.token_urlsafe(SECRET_BYTES)
    with os.fdopen(handle, "w", encoding="ascii") as kept:
        kept.write(made)
    return made


@contextmanager
def database_kept(settings: Settings) -> Iterator[None]:
    """Keep the embedded database up from the first step to the last."""
    if settings.database_url is not None:
        yield
        return
    server = EmbeddedPostgres(settings.home_dir)
    server.start()
    try:
        yield
    finally:
        server.stop_if_last()


def load_story(settings: Settings, *, told: Told | None = None) -> None:
    """Migrate, and load what is not there yet."""
    asyncio.run(seeding.seed(settings, [files.story(), files.states()], told=told))


@contextmanager
def running(
    settings: Settings, *, say: Say, http: bool = True, meanwhile: Callable[[], None] | None = None
) -> Iterator[tuple[Place, Crew]]:
    """Worker, chat, HTTP and billing in processes of their own, until the block ends.

    The chat comes first, because people wait for it; ``meanwhile`` runs while it starts.

    Raises:
        Misconfigured: ``no_free_port``.
        Unavailable: ``demo_process_failed``.
    """
    widget_port = _port("chat", settings.widget_port, say)
    http_port = _port("HTTP server", settings.http_port, say, taken=widget_port) if http else None
    billing_port = free_port(BILLING_PORT, taken=(widget_port, http_port or 0))
    settings = settings.with_changes(demo_billing_url=f"http://{LOOPBACK}:{billing_port}")
    place = Place(settings, widget_port, http_port)
    with crew(settings) as started:
        billing = started.start(
            "billing", [BILLING, str(billing_file(settings)), "--port", str(billing_port)]
        )
        widget = started.start(
            "widget", ["serve-widget", "--host", LOOPBACK, "--port", str(widget_port)]
        )
        if meanwhile is not None:
            meanwhile()
        await_ready(widget, widget_port, "/ready", within=START_WITHIN_S)
        await_ready(billing, billing_port, "/health", within=START_WITHIN_S)
        started.start("worker", ["worker"])
        if http_port is not None:
            started.start("http", ["serve", "--host", LOOPBACK, "--port", str(http_port)])
        yield place, started


def _plain(value: object) -> JsonValue:
    match value:
        case tuple():
            return [str(part) for part in value]
        case None | bool() | int() | float():
            return value
        case _:
            return str(value)


def _port(what: str, wanted: int, say: Say, *, taken: int | None = None) -> int:
    found = free_port(wanted, taken=() if taken is None else (taken,))
    if found != wanted:
        say(f"Port {wanted} is in use; the {what} listens on {found}.")
    return found
