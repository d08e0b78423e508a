"""A customer's browser: headless Chromium with the chat page open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from cairnloop_engine.channels.widget.server import WidgetServer
from tests.channels.chat import token_for

# For a machine that is busy with other things.
PATIENCE_MS = 20_000

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class ChatPage:
    """The page as a customer uses it, by roles and words; ``troubles`` is what it complained of."""

    page: Page
    troubles: list[str] = field(default_factory=list)

    @classmethod
    async def new(cls, browser: Browser, **context: Any) -> ChatPage:
        place = await browser.new_context(**context)
        chat = cls(await place.new_page())
        chat.page.set_default_timeout(PATIENCE_MS)
        chat.page.on("pageerror", lambda error: chat.troubles.append(str(error)))
        chat.page.on("dialog", lambda dialog: chat.troubles.append(dialog.message))
        return chat

    async def visit(self, server: WidgetServer, customer_ref: str = "ada", **more: Any) -> None:
        """Open the page with a token, and wait until it is connected."""
        await self.page.goto(f"{server.url}#token={token_for(customer_ref, **more)}")
        await self.connected()

    async def connected(self) -> None:
        await expect(self.page.get_by_role("status")).to_have_text("Connected")

    @property
    def box(self) -> Locator:
        return self.page.get_by_label("Your message")

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    def bubble(self, words: str) -> Locator:
        return self.log.locator(".bubble").filter(has_text=words)

    def message(self, words: str) -> Locator:
        return self.log.locator(".message").filter(has_text=words)

    async def write(self, words: str) -> None:
        await self.box.fill(words)
        await self.box.press("Enter")

    async def send(self, words: str) -> None:
        """Write, and wait until the server has it."""
        await self.write(words)
        await self.sent(words)

    async def sent(self, words: str) -> None:
        await expect(self.message(words)).to_contain_text("✓ Sent")

    async def bubbles(self) -> list[str]:
        return await self.log.locator(".bubble").all_inner_texts()

    async def width_needed(self) -> int:
        return int(await self.page.evaluate("document.documentElement.scrollWidth"))
