"""One Chromium for the run; a connection of its own for each test."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.waiting import wait_until

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[str]:
    """The address of a running headless Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "chromium is not installed"
    home = Path(tempfile.mkdtemp(prefix="cairnloop-chromium-"))
    process = subprocess.Popen(
        [program, *ARGUMENTS, f"--user-data-dir={home}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    port = home / "DevToolsActivePort"
    wait_until(lambda: port.exists() and port.read_text().count("\n"), within=60)
    yield f"http://127.0.0.1:{port.read_text().splitlines()[0]}"
    process.terminate()
    process.wait(30)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """The run's Chromium; pages are opened in contexts that share nothing."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(chromium)
        yield browser
        for context in browser.contexts[1:]:
            await context.close()
        await browser.close()
