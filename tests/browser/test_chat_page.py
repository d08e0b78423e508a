"""The chat page in a real browser, against a real server and a real database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Browser, WebSocketRoute, expect

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ConversationId
from tests.browser.page import ChatPage
from tests.channels.chat import chat_server, token_for
from tests.waiting import until

pytestmark = pytest.mark.browser

MAYA = Caller.operator("maya")


async def conversation_of(engine: Engine, customer_ref: str = "ada") -> ConversationId:
    head = await engine.conversations.customer_conversation(Caller.customer(customer_ref))
    assert head is not None
    return head.conversation_id


async def reply(engine: Engine, words: str) -> None:
    await engine.conversations.reply(MAYA, await conversation_of(engine), words, hold=0)


async def stored(engine: Engine) -> list[str]:
    thread = await engine.conversations.thread(MAYA, await conversation_of(engine))
    return [message.content for message in thread.messages]


@pytest.mark.requirement("01-conversations:144")
async def test_a_message_appears_once_and_so_does_the_answer(
    engine: Engine, browser: Browser
) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await chat.visit(server)
        await expect(chat.page.get_by_text("What can we help with?")).to_be_visible()
        assert (await engine.conversations.inbox(MAYA)).items == ()

        await chat.send("My tent leaks.")
        await chat.send("Since yesterday.")
        await chat.write("   ")
        await expect(chat.page.get_by_text("Waiting for the support team")).to_be_visible()
        await reply(engine, "We send a patch.")
        await expect(chat.bubble("We send a patch.")).to_be_visible()

        await expect(chat.page.get_by_text("Waiting for the support team")).to_be_hidden()
        shown = await chat.bubbles()

    assert shown == ["My tent leaks.", "Since yesterday.", "We send a patch."]
    assert await stored(engine) == shown
    assert chat.troubles == []


async def test_a_reload_shows_the_same_conversation(engine: Engine, browser: Browser) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await chat.visit(server)
        await chat.send("My tent leaks.")
        await reply(engine, "We send a patch.")
        await chat.page.reload()

        await expect(chat.bubble("We send a patch.")).to_be_visible()
        assert await chat.bubbles() == ["My tent leaks.", "We send a patch."]


async def test_the_token_leaves_the_address_bar(engine: Engine, browser: Browser) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await chat.visit(server)

        assert chat.page.url == server.url


async def test_without_a_token_the_page_explains_itself(engine: Engine, browser: Browser) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await chat.page.goto(server.url)

        await expect(chat.page.get_by_role("heading", name="Open the chat from")).to_be_visible()
        await expect(chat.box).to_be_hidden()
        assert server.sessions == set()


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (token_for("ada", ttl=-90), "This chat link has expired"),
        ("nonsense", "This chat link is not valid"),
    ],
)
async def test_a_token_that_does_not_open_is_explained(
    engine: Engine, browser: Browser, token: str, words: str
) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await chat.page.goto(f"{server.url}#token={token}")

        await expect(chat.page.get_by_role("heading", name=words)).to_be_visible()


async def test_the_page_comes_back_after_a_restart_and_sends_what_was_written_meanwhile(
    engine: Engine, browser: Browser
) -> None:
    chat = await ChatPage.new(browser)
    async with chat_server(engine) as server:
        await chat.visit(server)
        await chat.send("one")
        port = server.port
    await expect(chat.page.get_by_role("status")).to_have_text("Disconnected — reconnecting")
    await chat.write("two")
    await expect(chat.message("two")).to_contain_text("Goes out when the connection is back")
    await reply(engine, "written while you were away")

    async with chat_server(engine, port=port):
        await chat.connected()
        await chat.sent("two")
        await expect(chat.bubble("written while")).to_be_visible()
        shown = await chat.bubbles()

    assert shown == ["one", "written while you were away", "two"]
    assert await stored(engine) == shown


class Wire:
    """The network between page and server, with one fault in it."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.lose_accepted = False
        self.deaf = False

    async def lay(self, chat: ChatPage) -> None:
        await chat.page.route_web_socket("**/ws", self._connect)

    def _connect(self, page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def from_page(raw: str | bytes) -> None:
            frame = json.loads(raw)
            if frame["type"] == "message" and self.deaf:
                return
            if frame["type"] == "message" and self.answers:
                answer = {**self.answers.pop(0), "client_id": frame["client_id"]}
                page.send(json.dumps(answer))
                return
            server.send(raw)

        async def from_server(raw: str | bytes) -> None:
            if self.lose_accepted and json.loads(raw)["type"] == "accepted":
                self.lose_accepted = False
                await page.close(code=1011)
                await server.close()
                return
            page.send(raw)

        page.on_message(from_page)
        server.on_message(from_server)


async def test_a_send_that_failed_is_shown_and_can_be_retried(
    engine: Engine, browser: Browser
) -> None:
    wire = Wire()
    wire.answers = [{"type": "refused", "code": "x", "message": "No luck.", "retry_after": None}]
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await wire.lay(chat)
        await chat.visit(server)
        await chat.write("My tent leaks.")
        await expect(chat.message("My tent leaks.")).to_contain_text("✗ Not sent. No luck.")
        await chat.send("Meanwhile, another one.")

        await chat.page.get_by_role("button", name="Retry").click()
        await chat.sent("My tent leaks.")

        await expect(chat.box).to_be_focused()
        assert sorted(await stored(engine)) == ["Meanwhile, another one.", "My tent leaks."]
        assert sorted(await chat.bubbles()) == sorted(await stored(engine))


async def test_a_message_that_failed_can_be_taken_back_into_the_box(
    engine: Engine, browser: Browser
) -> None:
    async with chat_server(engine, max_message_length=20_000) as server:
        chat = await ChatPage.new(browser)
        await chat.visit(server)
        await chat.write("x" * 10_001)
        await expect(chat.message("Not sent")).to_contain_text("the limit is 10000")

        await chat.page.get_by_role("button", name="Edit").click()

        await expect(chat.box).to_have_value("x" * 10_001)
        await expect(chat.log.locator(".message")).to_have_count(0)


async def test_a_refusal_for_now_is_tried_again_by_itself(engine: Engine, browser: Browser) -> None:
    wire = Wire()
    away = {"type": "refused", "code": "unavailable", "message": "Away.", "retry_after": 0.2}
    wire.answers = [away, away]
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await wire.lay(chat)
        await chat.visit(server)
        await chat.write("one")
        await chat.write("two")

        await chat.sent("two")
        assert await stored(engine) == ["one", "two"] == await chat.bubbles()


async def test_a_lost_acknowledgement_doubles_nothing(engine: Engine, browser: Browser) -> None:
    wire = Wire()
    wire.lose_accepted = True
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await wire.lay(chat)
        await chat.visit(server)
        await chat.write("My tent leaks.")

        await until(lambda: not wire.lose_accepted, within=20)
        await chat.send("And the poles broke.")
        await chat.sent("My tent leaks.")
        assert await chat.bubbles() == ["My tent leaks.", "And the poles broke."]
        assert await stored(engine) == await chat.bubbles()
        await until(lambda: _nothing_kept(chat), within=20)


async def _nothing_kept(chat: ChatPage) -> bool:
    kept: list[str] = await chat.page.evaluate("Object.keys(localStorage)")
    return not [key for key in kept if key.startswith("cairnloop.unsent")]


async def test_an_unsent_message_survives_a_reload(engine: Engine, browser: Browser) -> None:
    wire = Wire()
    wire.deaf = True
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await wire.lay(chat)
        await chat.visit(server)
        await chat.write("My tent leaks.")
        await expect(chat.message("My tent leaks.")).to_contain_text("Sending…")

        wire.deaf = False
        await chat.page.reload()
        await chat.sent("My tent leaks.")
        assert await stored(engine) == ["My tent leaks."] == await chat.bubbles()


async def test_another_customer_in_the_same_browser_does_not_send_it(
    engine: Engine, browser: Browser
) -> None:
    wire = Wire()
    wire.deaf = True
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await wire.lay(chat)
        await chat.visit(server, "ada")
        await chat.write("Ada's secret.")
        await expect(chat.message("Ada's secret.")).to_contain_text("Sending…")
        wire.deaf = False

        await chat.page.goto("about:blank")
        await chat.visit(server, "ben")
        await chat.send("Ben's question.")
        assert await chat.bubbles() == ["Ben's question."]

        await chat.page.goto("about:blank")
        await chat.visit(server, "ada")
        await chat.sent("Ada's secret.")


async def test_two_tabs_show_the_same(engine: Engine, browser: Browser) -> None:
    async with chat_server(engine) as server:
        phone, desk = await ChatPage.new(browser), await ChatPage.new(browser)
        await phone.visit(server)
        await desk.visit(server)
        await phone.send("from the phone")
        await expect(desk.bubble("from the phone")).to_be_visible()
        await desk.send("from the desk")
        await expect(phone.bubble("from the desk")).to_be_visible()

        assert await phone.bubbles() == await desk.bubbles()


HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script>"
    "<svg onload=alert(3)> {{7*7}} javascript:alert(4) \u202egnp.exe\u202c"
)


async def test_hostile_text_is_text(engine: Engine, browser: Browser) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await chat.visit(server, name="<b onmouseover=alert(5)>Ada</b>")
        await chat.send(HOSTILE)
        await reply(engine, HOSTILE)
        await expect(chat.log.locator(".operator .bubble")).to_be_visible()
        await chat.page.reload()
        await expect(chat.log.locator(".operator .bubble")).to_be_visible()

        assert await chat.log.locator(".bubble").all_text_contents() == [HOSTILE, HOSTILE]
        assert await chat.page.locator("img, .bubble script, .bubble svg, b").count() == 0
    assert chat.troubles == []


async def test_the_page_fits_a_narrow_phone(engine: Engine, browser: Browser) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser, viewport={"width": 320, "height": 480})
        await chat.visit(server)
        await chat.send("W" * 900)
        await chat.send("https://shop.example/" + "x" * 400)
        await reply(engine, "\u0e01" * 300 + " " + "-" * 500)
        await expect(chat.log.locator(".operator .bubble")).to_be_visible()

        assert await chat.width_needed() <= 320
        send = await chat.page.get_by_role("button", name="Send").bounding_box()
        assert send is not None
        assert send["width"] >= 44
        assert send["height"] >= 44
        assert send["x"] + send["width"] <= 320
        assert send["y"] + send["height"] <= 480


async def test_a_resolved_conversation_says_so_and_can_go_on(
    engine: Engine, browser: Browser
) -> None:
    async with chat_server(engine) as server:
        chat = await ChatPage.new(browser)
        await chat.visit(server)
        await chat.send("My tent leaks.")
        conversation_id = await conversation_of(engine)
        await engine.conversations.resolve(MAYA, conversation_id, force=True)
        await expect(chat.page.get_by_text("This conversation is resolved.")).to_be_visible()

        await chat.send("It still leaks.")
        await expect(chat.page.get_by_text("This conversation is resolved.")).to_be_hidden()
        assert await conversation_of(engine) == conversation_id
