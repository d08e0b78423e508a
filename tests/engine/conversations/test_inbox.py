"""The inbox: derived states, orders, filters, keyset pages, and plans that use indexes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from cairnloop_engine import Caller, Engine, Invalid
from cairnloop_engine.conversations.filters import InboxFilter
from cairnloop_engine.conversations.model import Sort, State
from cairnloop_engine.core.ids import ConversationId
from cairnloop_engine.core.paging import encode_cursor
from tests.fakes import FixedClock


async def started(engine: Engine, customer: str, text: str = "Hello", **more: object):
    received = await engine.conversations.ingest(
        Caller.customer(customer), customer_ref=customer, text=text, **more
    )
    return received.conversation_id


async def listed(engine: Engine, caller: Caller, expression: str = "", **more: object):
    wanted = InboxFilter.parse(expression, me="maya")
    page = await engine.conversations.inbox(caller, filter=wanted, **more)
    return [row.id for row in page.items]


@pytest.mark.requirement("06-demo-fixtures:15")
async def test_each_state_follows_from_whose_turn_it_is(engine: Engine, caller: Caller) -> None:
    new = await started(engine, "new")
    answered = await started(engine, "answered")
    await engine.conversations.reply(caller, answered, "Done?", hold=0)
    returned = await started(engine, "returned")
    await engine.conversations.reply(caller, returned, "Done?", hold=0)
    await started(engine, "returned", "Not yet")
    resolved = await started(engine, "resolved")
    await engine.conversations.resolve(caller, resolved)
    archived = await started(engine, "archived")
    await engine.conversations.archive(caller, archived)

    page = await engine.conversations.inbox(caller)
    assert {row.id: row.state for row in page.items} == {
        new: State.NEW,
        answered: State.AWAITING_CUSTOMER,
        returned: State.OPEN,
        resolved: State.RESOLVED,
        archived: State.ARCHIVED,
    }


async def test_the_longest_waiting_comes_first_and_those_not_waiting_last(
    engine: Engine, caller: Caller, clock: FixedClock
) -> None:
    answered = await started(engine, "answered")
    clock.advance(timedelta(minutes=1))
    old = await started(engine, "old")
    clock.advance(timedelta(minutes=1))
    young = await started(engine, "young")
    clock.advance(timedelta(minutes=1))
    await engine.conversations.reply(caller, answered, "Done", hold=0)
    clock.advance(timedelta(minutes=1))
    await started(engine, "old", "Still there?")

    assert await listed(engine, caller) == [old, young, answered]
    assert await listed(engine, caller, sort=Sort.RECENT) == [old, answered, young]


@pytest.mark.requirement("01-conversations:18")
@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("expression", ["", "is:new is:resolved"])
async def test_pages_cover_every_row_once_also_with_equal_dates(
    engine: Engine, caller: Caller, sort: Sort, expression: str
) -> None:
    every = {await started(engine, f"c{number}") for number in range(7)}
    for conversation_id in sorted(every)[:3]:
        await engine.conversations.resolve(caller, conversation_id)

    wanted = InboxFilter.parse(expression)
    met: list[ConversationId] = []
    cursor: str | None = None
    while True:
        page = await engine.conversations.inbox(
            caller, filter=wanted, sort=sort, cursor=cursor, limit=2
        )
        met.extend(row.id for row in page.items)
        cursor = page.next
        if cursor is None:
            break
    assert len(met) == 7
    assert set(met) == every


async def test_filters_narrow_by_state_assignee_customer_and_words(
    engine: Engine, caller: Caller
) -> None:
    refund = await started(engine, "acme", "x", subject="Refund for a double charge")
    other = await started(engine, "globex", "please help")
    await engine.conversations.assign(caller, refund, "maya")

    assert await listed(engine, caller, "refund") == [refund]
    assert await listed(engine, caller, "dou char") == [refund]
    assert await listed(engine, caller, "who:me") == [refund]
    assert await listed(engine, caller, "who:nobody") == [other]
    assert await listed(engine, caller, "customer:globex") == [other]
    assert await listed(engine, caller, "is:resolved") == []
    assert await listed(engine, caller, "& | ! ( ' :*") == []


@pytest.mark.requirement("01-conversations:14")
@pytest.mark.parametrize("expression", ["is:nonsense", "has:", "who:", "is:'; drop table--"])
async def test_an_unknown_filter_is_refused_by_name(expression: str) -> None:
    with pytest.raises(Invalid) as refusal:
        InboxFilter.parse(expression)

    assert refusal.value.code == "filter_invalid"


async def test_a_cursor_of_another_order_is_refused(engine: Engine, caller: Caller) -> None:
    for number in range(3):
        await started(engine, f"c{number}")
    page = await engine.conversations.inbox(caller, limit=1)

    for cursor in (page.next, "nonsense", "WzFd"):
        with pytest.raises(Invalid):
            await engine.conversations.inbox(caller, sort=Sort.RECENT, cursor=cursor)


@pytest.mark.requirement("01-conversations:15")
async def test_counts_agree_with_the_lists(engine: Engine, caller: Caller) -> None:
    await started(engine, "a")
    await engine.conversations.resolve(caller, await started(engine, "b"))
    await engine.conversations.reply(caller, await started(engine, "c"), "Hi", hold=60)

    counts = await engine.conversations.counts(caller)
    assert (counts.new, counts.resolved, counts.held, counts.waiting) == (2, 1, 1, 2)
    for state in State:
        expected = getattr(counts, state.value)
        assert len(await listed(engine, caller, f"is:{state.value}")) == (
            expected if state is not State.OPEN else counts.open
        )


async def test_a_workspace_sees_only_its_own(engine: Engine, caller: Caller) -> None:
    await started(engine, "acme")

    elsewhere = Caller.operator("maya", "second")
    assert (await engine.conversations.inbox(elsewhere)).items == ()
    assert (await engine.conversations.counts(elsewhere)).new == 0


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("expression", ["", "is:waiting", "is:resolved"])
async def test_a_page_is_read_along_an_index_in_one_statement(
    engine: Engine, caller: Caller, sort: Sort, expression: str
) -> None:
    statements: list[tuple[str, object]] = []

    def remember(_c: object, _cur: object, sql: str, given: object, *_: object) -> None:
        if "FROM" in sql and "set_config" not in sql:
            statements.append((sql, given))

    listener = engine.db.engine.sync_engine
    event.listen(listener, "before_cursor_execute", remember)
    try:
        await listed(engine, caller, expression, sort=sort)
    finally:
        event.remove(listener, "before_cursor_execute", remember)

    (sql, given), *more = statements
    assert more == []
    async with engine.db.read(caller) as read:
        # With so few rows a scan is cheaper; forbidding it shows whether an index could serve.
        await read.session.execute(text("SET LOCAL enable_seqscan = off"))
        connection = await read.session.connection()
        plan = await connection.exec_driver_sql(f"EXPLAIN {sql}", given)  # type: ignore[arg-type]
        lines = "\n".join(row[0] for row in plan)
    assert "Seq Scan" not in lines
    assert "ix_conversations_" in lines


@pytest.mark.parametrize("value", ["a", -1, 2**63, 1.5, None, [1]])
async def test_a_forged_cursor_is_refused_wherever_pages_are_read(
    engine: Engine, caller: Caller, value: object
) -> None:
    conversation_id = await started(engine, "acme")
    forged = encode_cursor([value])  # type: ignore[list-item]

    for attempt in (
        engine.conversations.thread(caller, conversation_id, before=forged),
        engine.audit.events(caller, cursor=forged),
        engine.drafting.drafts(caller, cursor=forged),
        engine.conversations.inbox(caller, cursor=encode_cursor(["waiting", "x", value])),  # type: ignore[list-item]
    ):
        with pytest.raises(Invalid) as refusal:
            await attempt
        assert refusal.value.code == "cursor_invalid"
