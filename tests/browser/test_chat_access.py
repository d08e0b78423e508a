"""The chat page for everybody: keyboard, screen reader, dark, still, and on other sites."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, expect

from cairnloop_engine import Caller, Engine
from tests.browser.page import ChatPage
from tests.channels.chat import chat_server, token_for

pytestmark = pytest.mark.browser

MAYA = Caller.operator("maya")


async def test_the_keyboard_is_enough(engine: Engine, browser: Browser) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await chat.visit(server)
        await expect(chat.box).to_be_focused()
        await chat.page.keyboard.type("first line")
        await chat.page.keyboard.press("Shift+Enter")
        await chat.page.keyboard.type("second line")
        await chat.page.keyboard.press("Enter")
        await chat.sent("second line")

        await expect(chat.box).to_be_focused()
        assert await chat.bubbles() == ["first line\nsecond line"]
        await chat.page.keyboard.type("by button")
        await chat.page.keyboard.press("Tab")
        await expect(chat.page.get_by_role("button", name="Send")).to_be_focused()
        await chat.page.keyboard.press("Enter")
        await chat.sent("by button")


async def test_a_screen_reader_is_told_of_new_messages_but_not_of_the_past(
    engine: Engine, browser: Browser
) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await chat.visit(server)
        await expect(chat.log).to_have_attribute("aria-live", "polite")
        await expect(chat.log).to_have_attribute("aria-label", "Messages")
        await chat.send("My tent leaks.")

        heard = await chat.page.locator("main").aria_snapshot()
    for part in ('heading "Support"', "status: Connected", 'textbox "Your message"', "You"):
        assert part in heading_free(heard), heard


def heading_free(snapshot: str) -> str:
    """The snapshot without the levels of headings."""
    return snapshot.replace(" [level=1]", "")


async def test_the_page_follows_a_dark_scheme(engine: Engine, browser: Browser) -> None:
    colours = {}
    async with chat_server(engine) as server:
        for scheme in ("light", "dark"):
            chat = await ChatPage.new(browser, color_scheme=scheme)
            await chat.visit(server)
            colours[scheme] = await chat.page.evaluate(
                "[getComputedStyle(document.body).backgroundColor,"
                " getComputedStyle(document.body).color]"
            )

    assert colours == {
        "light": ["rgb(244, 238, 226)", "rgb(20, 27, 25)"],
        "dark": ["rgb(16, 22, 20)", "rgb(245, 240, 230)"],
    }


async def test_nothing_moves_for_those_who_asked_for_stillness(
    engine: Engine, browser: Browser
) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser, reduced_motion="reduce")
        await chat.visit(server)
        await chat.send("My tent leaks.")
        await expect(chat.page.get_by_text("Waiting for the support team")).to_be_visible()

        assert await chat.page.evaluate("document.getAnimations().length") == 0


async def test_the_page_works_at_twice_the_text_size(engine: Engine, browser: Browser) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser, viewport={"width": 640, "height": 800})
        await chat.visit(server)
        await chat.page.evaluate("document.documentElement.style.fontSize = '200%'")
        await chat.send("Bigger letters, please.")

        assert await chat.width_needed() <= 640


@asynccontextmanager
async def shop(body: str) -> AsyncIterator[str]:
    """Another site, of another origin, that embeds the chat."""
    page = f"<!doctype html><title>Shop</title><h1>Shop</h1>{body}".encode()
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
        b"Content-Security-Policy: script-src http://127.0.0.1:*; style-src 'none'\r\n"
        b"Content-Length: " + str(len(page)).encode() + b"\r\n\r\n"
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + page)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}"


async def test_a_shop_embeds_the_chat(engine: Engine, browser: Browser) -> None:
    script = '<script src="{chat}widget.js" data-token="{token}"></script>'
    body = script.format(chat="http://127.0.0.1:PORT/", token=token_for("ada"))
    port = _free_port()
    async with (
        shop(body.replace("PORT", str(port))) as site,
        chat_server(engine, port=port, origins=(site,)),
    ):
        chat = await ChatPage.new(browser)
        await chat.page.goto(site)
        launcher = chat.page.get_by_role("button", name="Support chat")
        await launcher.click()
        await expect(launcher).to_have_attribute("aria-expanded", "true")
        frame = chat.page.frame_locator("iframe[title='Support chat']")
        await expect(frame.get_by_role("status")).to_have_text("Connected")
        await frame.get_by_label("Your message").fill("From the shop.")
        await frame.get_by_label("Your message").press("Enter")
        await expect(frame.get_by_text("✓ Sent")).to_be_visible()

        await frame.get_by_label("Your message").press("Escape")
        await expect(chat.page.locator("iframe")).to_be_hidden()
        await expect(launcher).to_be_focused()
        assert chat.page.url.rstrip("/") == site

    assert [row.message_count for row in (await engine.conversations.inbox(MAYA)).items] == [1]
    assert chat.troubles == []


async def test_a_shop_renews_a_token_and_sees_what_is_unread(
    engine: Engine, browser: Browser
) -> None:
    port = _free_port()
    script = f'<script src="http://127.0.0.1:{port}/widget.js"></script>'
    async with (
        shop(script) as site,
        chat_server(engine, port=port, origins=(site,)),
    ):
        chat = await ChatPage.new(browser)
        await chat.page.goto(site)
        await chat.page.evaluate(
            "token => CairnloopChat.open({ token })", token_for("ada", ttl=-90)
        )
        frame = chat.page.frame_locator("iframe")
        await expect(frame.get_by_role("heading", name="has expired")).to_be_visible()

        await chat.page.evaluate("token => CairnloopChat.setToken(token)", token_for("ada"))
        await expect(frame.get_by_role("status")).to_have_text("Connected")
        await frame.get_by_label("Your message").fill("Hello?")
        await frame.get_by_label("Your message").press("Enter")
        await expect(frame.get_by_text("✓ Sent")).to_be_visible()
        await frame.get_by_role("button", name="Close chat").click()
        head = await engine.conversations.customer_conversation(Caller.customer("ada"))
        assert head is not None
        for words in ("Hello!", "How can we help?"):
            await engine.conversations.reply(MAYA, head.conversation_id, words, hold=0)

        unread = chat.page.get_by_role("button", name="Support chat, 2 unread")
        await expect(unread).to_be_visible()
        await unread.click()
        await expect(
            chat.page.get_by_role("button", name="Support chat", exact=True)
        ).to_be_visible()
        await expect(frame.get_by_text("How can we help?")).to_be_visible()
    assert chat.troubles == []


async def test_a_site_that_is_not_listed_cannot_show_the_chat(
    engine: Engine, browser: Browser
) -> None:
    port = _free_port()
    async with (
        shop(f'<iframe src="http://127.0.0.1:{port}/"></iframe>') as site,
        chat_server(engine, port=port),
    ):
        chat = await ChatPage.new(browser)
        complaints: list[str] = []
        chat.page.on("console", lambda message: complaints.append(message.text))
        await chat.page.goto(site)

        await expect(chat.page.frame_locator("iframe").get_by_text("Support")).to_have_count(0)
    assert any("frame-ancestors" in complaint for complaint in complaints)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
