"""A conversation over the socket: durable, in order, once, and only what may be seen."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from cairnloop_engine import Caller, Engine
from cairnloop_engine.core.ids import ConversationId, MessageId
from tests.channels.chat import chat_server, customer, token_for, welcomed

MAYA = Caller.operator("maya")
_A_MINUTE = timedelta(minutes=1)


async def messages_of(engine: Engine, conversation_id: int) -> list[str]:
    thread = await engine.conversations.thread(MAYA, ConversationId(conversation_id))
    return [message.content for message in thread.messages]


async def test_a_hello_alone_creates_no_conversation(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        await ada.nothing_more()

    assert ada.frames[0]["conversation_id"] is None
    assert (await engine.conversations.inbox(MAYA)).items == ()


async def test_an_accepted_message_is_in_the_database(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        accepted = await ada.write("My tent leaks.")

        stored = await messages_of(engine, accepted["conversation_id"])

    assert accepted["type"] == "accepted"
    assert accepted["duplicate"] is False
    assert accepted["position"] == 1
    assert stored == ["My tent leaks."]


async def test_a_reply_appears_once_after_the_message_it_answers(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        accepted = await ada.write("My tent leaks.")
        await engine.conversations.reply(
            MAYA, ConversationId(accepted["conversation_id"]), "We send a patch.", hold=0
        )

        first = await ada.hear("message")
        second = await ada.hear("message")
        await ada.nothing_more()

    assert (first["role"], first["author"], first["position"]) == ("customer", "You", 1)
    assert first["message_id"] == accepted["message_id"]
    assert (second["role"], second["author"], second["position"]) == ("operator", "Support", 2)
    assert second["text"] == "We send a patch."


async def test_a_message_is_accepted_before_its_echo_is_sent(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        for number in range(8):
            await ada.say(type="message", client_id=f"c{number}", text=f"line {number}")
        await ada.texts(8)

    kinds = [
        (frame["type"], frame.get("message_id"))
        for frame in ada.frames
        if frame["type"] in ("accepted", "message")
    ]
    for _, message_id in kinds:
        assert kinds.index(("accepted", message_id)) < kinds.index(("message", message_id))


@pytest.mark.requirement("01-conversations:141")
async def test_the_same_client_id_twice_is_one_message(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        first = await ada.write("Hello?", "same")
        again = await ada.write("Hello?", "same")
        other = await ada.write("Hello?", "other")

    assert again == first | {"duplicate": True}
    assert other["message_id"] != first["message_id"]
    assert await messages_of(engine, first["conversation_id"]) == ["Hello?", "Hello?"]


async def test_a_client_id_with_other_words_is_refused(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        await ada.write("Hello?", "same")
        refused = await ada.write("Something else", "same")

    assert (refused["code"], refused["client_id"]) == ("client_id_reused", "same")
    assert refused["retry_after"] is None


@pytest.mark.parametrize(
    "text", ["", "   \n\t ", "\0\x07\x1b", "\u200b\u2060\ufeff", "\u202e\u202c"]
)
async def test_a_message_with_nothing_to_see_is_refused(engine: Engine, text: str) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        refused = await ada.write(text)

    assert (refused["type"], refused["code"]) == ("refused", "message_blank")
    assert (await engine.conversations.inbox(MAYA)).items == ()


async def test_a_message_that_is_too_long_is_refused_with_the_limit(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        refused = await ada.write("x" * 10_001)
        longest = await ada.write("🏔" * 10_000, "c2")

    assert refused["code"] == "message_too_long"
    assert "10000" in refused["message"]
    assert longest["type"] == "accepted"


async def test_hostile_text_comes_back_as_it_was_written(engine: Engine) -> None:
    hostile = "<script>alert(1)</script> \x1b]52;c;aGk=\x07 [b]x[/b] \u202eevil\u202c \u200b{{7*7}}"
    async with chat_server(engine) as server, welcomed(server) as ada:
        await ada.write(hostile)

        assert await ada.texts(1) == [hostile]


async def test_after_a_drop_the_rest_comes_in_order_and_once(engine: Engine) -> None:
    async with chat_server(engine) as server:
        async with welcomed(server) as ada:
            accepted = await ada.write("one")
            seen = await ada.hear("message")
            conversation_id = ConversationId(accepted["conversation_id"])
        for text in ("two", "three", "four"):
            await engine.conversations.reply(MAYA, conversation_id, text, hold=0)

        async with welcomed(server, conversation_id=conversation_id, after=seen["position"]) as ada:
            welcome = ada.frames[0]
            texts = await ada.texts(3)
            await ada.nothing_more()

    assert (welcome["after"], welcome["cursor"]) == (1, 4)
    assert texts == ["two", "three", "four"]


async def test_a_fresh_page_gets_the_whole_conversation(engine: Engine) -> None:
    async with chat_server(engine) as server:
        async with welcomed(server) as ada:
            for number in range(110):
                await engine.conversations.ingest(
                    Caller.customer("ada"), customer_ref="ada", text=f"line {number}"
                )
            first = await ada.texts(110)
        async with welcomed(server) as ada:
            again = await ada.texts(110)
            await ada.nothing_more()

    assert first == again == [f"line {number}" for number in range(110)]


async def test_a_cursor_past_the_end_starts_over(engine: Engine) -> None:
    async with chat_server(engine) as server:
        async with welcomed(server) as ada:
            accepted = await ada.write("one")
        async with welcomed(server, conversation_id=accepted["conversation_id"], after=900) as ada:
            assert await ada.texts(1) == ["one"]

    assert ada.frames[0]["after"] == 0


async def test_every_socket_of_a_customer_sees_the_conversation(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as phone, welcomed(server) as desk:
        accepted = await phone.write("from the phone")

        told = await desk.hear("conversation")
        assert told["conversation_id"] == accepted["conversation_id"]
        assert await desk.texts(1) == ["from the phone"]

        await desk.write("from the desk", "c2")
        assert await phone.texts(2) == ["from the phone", "from the desk"]


async def test_sockets_on_two_servers_see_the_same(engine: Engine) -> None:
    async with (
        chat_server(engine) as north,
        chat_server(engine) as south,
        welcomed(north) as phone,
        welcomed(south) as desk,
    ):
        await phone.write("from the phone")
        assert await desk.texts(1) == ["from the phone"]

        await desk.write("from the desk", "c2")
        assert await phone.texts(2) == ["from the phone", "from the desk"]


async def test_nobody_sees_anothers_conversation(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada, welcomed(server, "ben") as b:
        accepted = await ada.write("for your eyes only")
        await engine.conversations.reply(
            MAYA, ConversationId(accepted["conversation_id"]), "and yours", hold=0
        )
        await ada.texts(2)
        await b.nothing_more()

    assert [frame["type"] for frame in b.frames] == ["welcome", "pong"]


async def test_a_held_reply_is_not_shown_and_a_retracted_one_never(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        accepted = await ada.write("Where is my parcel?")
        conversation_id = ConversationId(accepted["conversation_id"])
        await ada.texts(1)

        held = await engine.conversations.reply(MAYA, conversation_id, "Oops, wrong one.", hold=60)
        await engine.conversations.note(MAYA, conversation_id, "She called, too.")
        await ada.nothing_more()
        await engine.conversations.retract(MAYA, MessageId(held.message_id))
        await engine.conversations.reply(MAYA, conversation_id, "On its way.", hold=0)

        shown = await ada.hear("message")
        await ada.nothing_more()

    assert (shown["text"], shown["position"]) == ("On its way.", 2)


async def test_a_held_reply_is_shown_when_it_is_released(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        accepted = await ada.write("Where is my parcel?")
        conversation_id = ConversationId(accepted["conversation_id"])
        await ada.texts(1)
        await engine.conversations.reply(MAYA, conversation_id, "On its way.", hold=0.3)
        await ada.write("Hello?", "c2")

        stop = asyncio.Event()
        worker = asyncio.create_task(engine.run_worker(stop=stop))
        engine.clock.advance(by=_A_MINUTE)  # type: ignore[attr-defined]
        texts = await ada.texts(2)
        stop.set()
        await worker

    assert texts == ["Hello?", "On its way."]


@pytest.mark.requirement("01-conversations:143")
async def test_a_message_on_a_resolved_conversation_reopens_it(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        accepted = await ada.write("My tent leaks.")
        # Whoever is shown a conversation only after its end learns of that with the conversation.
        await ada.hear("message")
        conversation_id = ConversationId(accepted["conversation_id"])
        await engine.conversations.resolve(MAYA, conversation_id, force=True)
        assert (await ada.hear("status"))["status"] == "resolved"

        again = await ada.write("It still leaks.", "c2")
        assert (await ada.hear("status"))["status"] == "open"

    assert again["conversation_id"] == conversation_id
    inbox = await engine.conversations.inbox(MAYA)
    assert [row.id for row in inbox.items] == [conversation_id]


async def test_a_message_long_after_the_end_goes_on_in_a_new_conversation(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        accepted = await ada.write("My tent leaks.")
        await ada.hear("message")
        old = ConversationId(accepted["conversation_id"])
        await engine.conversations.resolve(MAYA, old, force=True)
        await ada.hear("status")
        engine.clock.advance(by=30 * 24 * 60 * _A_MINUTE)  # type: ignore[attr-defined]

        again = await ada.write("Now the poles broke.", "c2")
        told = await ada.hear("conversation")
        message = await ada.hear("message")

    assert again["conversation_id"] != old
    assert told["conversation_id"] == again["conversation_id"] == message["conversation_id"]
    assert (message["text"], message["position"]) == ("Now the poles broke.", 1)


@pytest.mark.requirement("01-conversations:128")
async def test_a_message_cannot_name_its_conversation(engine: Engine) -> None:
    async with chat_server(engine) as server, welcomed(server) as ada:
        await ada.say(type="message", client_id="c", text="x", conversation_id=1)
        refused = await ada.hear("refused")

    assert refused["code"] == "frame_invalid"


@pytest.mark.requirement("01-conversations:140")
async def test_anothers_conversation_and_one_that_is_not_there_are_the_same_answer(
    engine: Engine,
) -> None:
    async with chat_server(engine) as server:
        async with welcomed(server, "ben") as ben:
            accepted = await ben.write("mine")
        answers = []
        for conversation_id in (accepted["conversation_id"], 2**52):
            async with customer(server) as ada:
                refused = await ada.hello(token_for("ada"), conversation_id=conversation_id)
                answers.append((refused, await ada.closed()))

    assert answers[0] == answers[1]
    assert answers[0][0]["code"] == "conversation_not_found"
    assert answers[0][1] == 4404


async def test_a_workspace_is_part_of_who_somebody_is(engine: Engine) -> None:
    async with chat_server(engine) as server:
        async with welcomed(server, "ada") as ada:
            accepted = await ada.write("here")
        async with customer(server) as twin:
            fresh = await twin.hello(token_for("ada", "elsewhere"))
            assert fresh["conversation_id"] is None
        async with customer(server) as twin:
            refused = await twin.hello(
                token_for("ada", "elsewhere"), conversation_id=accepted["conversation_id"]
            )

    assert refused["code"] == "conversation_not_found"


async def test_replies_that_arrive_during_a_read_are_sent_in_order_and_once(
    engine: Engine,
) -> None:
    async with (
        chat_server(engine) as server,
        welcomed(server) as phone,
        welcomed(server) as desk,
    ):
        accepted = await phone.write("start")
        conversation_id = ConversationId(accepted["conversation_id"])

        async def operator(name: str) -> None:
            for number in range(10):
                await engine.conversations.reply(
                    Caller.operator(name), conversation_id, f"{name} {number}", hold=0
                )

        await asyncio.gather(operator("maya"), operator("noor"), operator("omar"))
        seen = [await one.texts(31) for one in (phone, desk)]
        await phone.nothing_more()
        await desk.nothing_more()

    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 31
    for one in (phone, desk):
        positions = [frame["position"] for frame in one.frames if frame["type"] == "message"]
        assert positions == list(range(1, 32))
