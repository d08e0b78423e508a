"""The chat server as the command line and the demo start it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cairnloop_engine.channels.widget.audience import Desk
from cairnloop_engine.channels.widget.config import WidgetConfig
from cairnloop_engine.channels.widget.ports import WidgetVerifier
from cairnloop_engine.channels.widget.server import WidgetServer
from cairnloop_engine.channels.widget.verify import verifier_for

log = logging.getLogger(__name__)


async def serve_widget(
    desk: Desk,
    config: WidgetConfig,
    *,
    verifier: WidgetVerifier | None = None,
    stop: asyncio.Event | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the chat until ``stop`` is set, then drain.

    Without ``stop`` SIGTERM and SIGINT end it. ``ready`` hears the page's address once the port
    is open. ``verifier`` defaults to signed tokens (:mod:`.tokens`).

    Raises:
        Misconfigured: ``widget_secret_short``, ``widget_origin_invalid`` or
            ``widget_port_taken``.
    """
    server = WidgetServer.of(desk, config, verifier or verifier_for(config))
    with _ending(stop) as ended:
        async with server:
            log.info("chat server listens", extra={"peer": server.url})
            if ready is not None:
                ready(server.url)
            await ended.wait()
    log.info("chat server stopped")


@contextmanager
def _ending(stop: asyncio.Event | None) -> Iterator[asyncio.Event]:
    if stop is not None:
        yield stop
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for one in signals:
        loop.add_signal_handler(one, ended.set)
    try:
        yield ended
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
