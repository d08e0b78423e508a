"""Every domain leaves its trace, in its own commit, and none leaves what a customer wrote."""

from __future__ import annotations

import asyncio
import io
import logging
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from cairnloop_engine import Engine, Settings
from cairnloop_engine.conversations import service
from cairnloop_engine.core.installkey import KEY_FILE
from cairnloop_engine.core.telemetry import JsonLines
from tests.engine.audit.vault import MAYA, Vault, vault_of
from tests.engine.drafting.desk import Desk, open_desk
from tests.fakes import FixedClock

# Each stands for something that somebody wrote and that belongs to its own row alone.
MESSAGE, REPLY, NOTE, EDIT, ARTICLE = (f"canary-{n}-0451" for n in range(5))
SECRET = "canary-secret-of-thirty-two-bytes-or-more"


@pytest.fixture
def desk(engine: Engine, clock: FixedClock) -> Desk:
    return open_desk(engine, clock)


async def a_working_day(engine: Engine, desk: Desk, folder: Path) -> None:
    """Everything that a desk does, in order."""
    draft = await desk.drafted(f"How do I rotate my key? {MESSAGE}")
    conversation_id = draft.conversation_id
    held = await desk.conversations.reply(MAYA, conversation_id, REPLY, hold=60)
    await desk.conversations.retract(MAYA, held.message_id)
    await desk.conversations.note(MAYA, conversation_id, NOTE)
    await desk.conversations.assign(MAYA, conversation_id, "noor")
    waiting = await a_draft_again(desk, conversation_id)
    await desk.drafting.edit(MAYA, waiting, EDIT)
    await desk.drafting.approve(MAYA, waiting, hold=0, even_if_stale=True)
    other = await desk.drafted(f"And another one? {MESSAGE}")
    await desk.drafting.discard(MAYA, other.id, reason="not ours")
    await desk.conversations.resolve(MAYA, conversation_id, force=True)
    await desk.conversations.reopen(MAYA, conversation_id)
    await desk.conversations.archive(MAYA, conversation_id)

    saved = await engine.knowledge.create(MAYA, ARTICLE, f"# {ARTICLE}\n\n{ARTICLE}")
    await engine.knowledge.publish(MAYA, saved.article_id)
    (folder / "one.md").write_text(f"# {ARTICLE} two\n\nSome words, {ARTICLE}.\n")
    await engine.knowledge.import_folder(MAYA, folder)
    await engine.retrieval.rebuild(MAYA)
    await engine.knowledge.archive(MAYA, saved.article_id)


async def a_draft_again(desk: Desk, conversation_id: int) -> int:
    await desk.customer_writes(f"Please hurry {MESSAGE}")
    return (await desk.draft_for(conversation_id)).id  # type: ignore[arg-type]


async def test_every_domain_is_in_the_trail(
    engine: Engine, desk: Desk, vault: Vault, tmp_path: Path
) -> None:
    await a_working_day(engine, desk, tmp_path)
    await vault.sealed_so_far()

    page = await engine.audit.events(MAYA, limit=200)
    by_action = {event.action: event for event in page.items if event.actor == "maya"}
    by_action |= {e.action: e for e in page.items if e.action not in by_action}
    assert set(by_action) >= {
        "conversations.message_received",
        "conversations.replied",
        "conversations.retracted",
        "conversations.released",
        "conversations.noted",
        "conversations.assigned",
        "conversations.resolved",
        "conversations.reopened",
        "conversations.archived",
        "drafting.created",
        "drafting.edited",
        "drafting.approved",
        "drafting.discarded",
        "knowledge.draft_saved",
        "knowledge.published",
        "knowledge.archived",
        "retrieval.rebuild_requested",
    }
    assert all(event.actor and event.label != "Unknown action" for event in page.items)
    assert by_action["conversations.assigned"].personal == {"to": "noor"}
    assert by_action["drafting.discarded"].reason == "not ours"
    assert await vault.first_bad() is None


async def test_no_body_and_no_secret_reaches_trail_jobs_or_log(
    settings: Settings, clock: FixedClock, database_url: str, tmp_path: Path
) -> None:
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        configured = settings.with_changes(audit_key=SecretStr(SECRET))
        async with Engine(configured, clock=clock) as engine:
            await a_working_day(engine, open_desk(engine, clock), tmp_path)
            await vault_of(engine, database_url).sealed_so_far()
    finally:
        root.removeHandler(handler)
        root.setLevel(logging.WARNING)

    trail = await asyncio.to_thread(dumped, database_url, ("audit_events", "audit_seals"))
    jobs = await asyncio.to_thread(dumped, database_url, ("procrastinate_jobs",))
    for canary in (MESSAGE, REPLY, NOTE, EDIT, ARTICLE, SECRET):
        assert canary not in trail, canary
        assert canary not in jobs, canary
        assert canary not in said.getvalue(), canary
    assert "knowledge.published" in trail
    assert "audit chain sealed" in said.getvalue()


async def test_the_install_key_is_in_no_table(vault: Vault, desk: Desk, tmp_path: Path) -> None:
    await a_working_day(vault.engine, desk, tmp_path)
    await vault.sealed_so_far()
    key = (vault.engine.audit.config.home / KEY_FILE).read_text().strip()

    everything = await asyncio.to_thread(dumped, vault.url, None)

    assert MESSAGE in everything
    assert key not in everything


async def test_a_change_that_is_taken_back_leaves_no_event(vault: Vault, desk: Desk) -> None:
    received = await desk.customer_writes()
    before = vault.rows("SELECT count(*) FROM cairnloop.audit_events")

    with pytest.raises(ZeroDivisionError):
        async with vault.engine.db.work(MAYA) as work:
            await service.assign(work, received.conversation_id, "noor")
            raise ZeroDivisionError

    assert vault.rows("SELECT count(*) FROM cairnloop.audit_events") == before


def dumped(url: str, tables: tuple[str, ...] | None) -> str:
    """Every row of these tables as text; of all tables with None."""
    with psycopg.connect(url) as connection:
        known = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename), tablename FROM pg_tables"
            " WHERE schemaname IN ('cairnloop', 'public')"
        ).fetchall()
        chosen = [name for name, bare in known if tables is None or bare in tables]
        rows = [
            str(row)
            for name in chosen
            for row in connection.execute(f"SELECT to_jsonb(t)::text FROM {name} t".encode())
        ]
    return "\n".join(rows)
