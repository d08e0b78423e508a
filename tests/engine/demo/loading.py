"""Helpers of the demo's tests: loading parts, and looking at every row of a database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from cairnloop_engine import Settings
from cairnloop_engine.demo import files, seeding
from cairnloop_engine.demo.scenario import Part
from cairnloop_engine.demo.seeding import Loaded

NOW = datetime(2026, 6, 26, 12, tzinfo=UTC)

PARTS = (files.story(), files.states())
# A few conversations that together take every kind of step.
FEW = ("demo-03", "demo-05", "demo-17", "demo-19", "demo-22", "demo-25", "demo-26")
# Twelve digits and more behind the point: a score, not a time.
_FRACTION = re.compile(r"-?\d+\.\d{12,}(?:e-?\d+)?")
# How long a tool took, by a stopwatch instead of the story's clock.
_TOOK = re.compile(r'"took_ms": \d+')
# What is drawn at random or made with the install key, and a job's number, which is the queue's.
_DRAWN = {
    "audit_events": "{salts,digests,mark}",
    "gap_events": "{query_fingerprint}",
    "tool_executions": "{token,job_id}",
}
CITED = ("api_key", "billing_email", "seat")


def settings_for(url: str, home: Path) -> Settings:
    return Settings.load(database_url=url, home=home)


def load(settings: Settings, parts: Sequence[Part], *, now: datetime = NOW) -> list[Loaded]:
    return asyncio.run(seeding.seed(settings, parts, now=now))


def few() -> Part:
    told = [*files.story().conversations, *files.states().conversations]
    chosen = tuple(seed for seed in told if seed.key in FEW)
    articles = tuple(a for a in files.story().articles if a.key in CITED)
    return Part("few", articles, chosen)


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of our tables, by table; the queue's own bookkeeping and what is drawn aside."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'cairnloop' ORDER BY tablename"
        ).fetchall()
        for (table,) in tables:
            if table == "audit_seals":
                continue
            row = f"(to_jsonb(t) - '{_DRAWN.get(table, '{}')}'::text[])"
            read = connection.execute(f'SELECT {row}::text FROM cairnloop."{table}" t ORDER BY 1')
            found[table] = [(_rounded(row),) for (row,) in read.fetchall()]
    return found


def _rounded(row: str) -> str:
    """Postgres adds up scores in any order, so their last digits are not the story's."""
    timed = _TOOK.sub('"took_ms": 0', row)
    return _FRACTION.sub(lambda match: f"{float(match[0]):.9f}", timed)


def counts(url: str) -> dict[str, int]:
    return {table: len(found) for table, found in rows(url).items()}
