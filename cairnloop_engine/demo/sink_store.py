"""What the demo's billing system remembers: every request that arrived, every effect it had."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

_SCHEMA = """
CREATE TABLE IF NOT EXISTS arrivals (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, run_key TEXT NOT NULL,
  attempt INTEGER NOT NULL, idempotency_key TEXT, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS effects (
  id INTEGER PRIMARY KEY, arrival_id INTEGER NOT NULL REFERENCES arrivals (id), at TEXT NOT NULL,
  kind TEXT NOT NULL, run_key TEXT NOT NULL, attempt INTEGER NOT NULL,
  idempotency_key TEXT UNIQUE, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS effects_by_run_key ON effects (run_key);
CREATE TABLE IF NOT EXISTS changes (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL
);
"""


class KeyReused(Exception):
    """The same idempotency key came with another request."""


@dataclass(frozen=True, slots=True)
class Order:
    """One request for an effect. ``details`` is what the kind needs: amount, seats, account."""

    kind: str
    run_key: str
    attempt: int
    details: Mapping[str, object]
    idempotency_key: str | None = None

    @property
    def body(self) -> str:
        """The same text for the same request, whichever attempt brought it."""
        told = {"kind": self.kind, "run_key": self.run_key, "details": dict(self.details)}
        return json.dumps(told, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Applied:
    """An effect that happened; ``repeated`` when the idempotent endpoint had it already."""

    id: int
    kind: str
    run_key: str
    attempt: int
    at: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What billing knows of an order or an account.

    ``revision`` grows with every refund of an order, and with every change that somebody made
    there by hand. ``seats`` is None until an account's number of seats was set here.
    """

    kind: str
    id: str
    revision: int
    refunds: int = 0
    refunded_cents: int = 0
    seats: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each run key arrived, and how many effects it had."""

    arrivals: Mapping[str, int]
    effects: Mapping[str, int]

    @property
    def doubled(self) -> tuple[str, ...]:
        """The run keys that had more than one effect: money that moved twice."""
        return tuple(sorted(key for key, count in self.effects.items() if count > 1))


class SinkStore:
    """The sink's file. Each write is on its way to the disk before the request is answered.

    A kill of the sink loses nothing that was answered. A power cut may lose the last moments:
    this is a demo's billing system, not a bank's.
    """

    def __init__(self, file: Path) -> None:
        self._file = sqlite3.connect(file, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")
        self._file.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def arrive(self, order: Order, *, now: datetime) -> int:
        """Write down that a request came, whatever becomes of it; returns the arrival's id."""
        with closing(self._file.cursor()) as cursor:
            cursor.execute(
                "INSERT INTO arrivals (at, kind, run_key, attempt, idempotency_key, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (now.isoformat(), *_told(order)),
            )
            return int(cursor.lastrowid or 0)

    def apply(self, order: Order, arrival_id: int, *, now: datetime) -> Applied:
        """Let the effect happen; once more for each arrival, unless an idempotency key says no.

        Raises:
            KeyReused: the key was used for another request.
        """
        if order.idempotency_key is not None:
            earlier = self._by_key(order)
            if earlier is not None:
                return earlier
        with closing(self._file.cursor()) as cursor:
            cursor.execute(
                "INSERT INTO effects (arrival_id, at, kind, run_key, attempt, idempotency_key,"
                " body) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (arrival_id, now.isoformat(), *_told(order)),
            )
            made = int(cursor.lastrowid or 0)
        return Applied(made, order.kind, order.run_key, order.attempt, now.isoformat())

    def effects(self, run_key: str) -> tuple[Applied, ...]:
        """What happened under this run key, oldest first."""
        rows = self._file.execute(
            "SELECT id, kind, run_key, attempt, at FROM effects WHERE run_key = ? ORDER BY id",
            (run_key,),
        )
        return tuple(Applied(*row) for row in rows)

    def record(self, kind: str, name: str) -> Record:
        """What is known of one order or account; anything unknown is at its first revision."""
        changes = self._file.execute(
            "SELECT count(*) FROM changes WHERE kind = ? AND name = ?", (kind, name)
        ).fetchone()[0]
        refunds, cents, seats = 0, 0, None
        if kind == "order":
            refunds, cents = self._file.execute(
                "SELECT count(*), coalesce(sum(json_extract(body, '$.details.amount_cents')), 0)"
                " FROM effects WHERE kind = 'refund' AND json_extract(body, '$.details.order') = ?",
                (name,),
            ).fetchone()
        if kind == "account":
            row = self._file.execute(
                "SELECT json_extract(body, '$.details.seats') FROM effects WHERE kind ="
                " 'change_seats' AND json_extract(body, '$.details.account') = ?"
                " ORDER BY id DESC LIMIT 1",
                (name,),
            ).fetchone()
            seats = None if row is None else int(row[0])
        return Record(kind, name, 1 + changes + refunds, refunds, int(cents), seats)

    def change(self, kind: str, name: str, *, now: datetime) -> None:
        """Somebody changes an order or an account by hand."""
        self._file.execute(
            "INSERT INTO changes (at, kind, name) VALUES (?, ?, ?)", (now.isoformat(), kind, name)
        )

    def forget(self) -> None:
        """Begin anew, as if nothing had ever happened."""
        self._file.executescript("DELETE FROM effects; DELETE FROM arrivals; DELETE FROM changes;")

    def counts(self) -> Counts:
        """For the judge."""
        return Counts(self._count("arrivals"), self._count("effects"))

    def _count(self, table: str) -> dict[str, int]:
        statement = {
            "arrivals": "SELECT run_key, count(*) FROM arrivals GROUP BY run_key",
            "effects": "SELECT run_key, count(*) FROM effects GROUP BY run_key",
        }[table]
        return dict(self._file.execute(statement).fetchall())

    def _by_key(self, order: Order) -> Applied | None:
        row = self._file.execute(
            "SELECT id, kind, run_key, attempt, at, body FROM effects WHERE idempotency_key = ?",
            (order.idempotency_key,),
        ).fetchone()
        if row is None:
            return None
        number, kind, run_key, attempt, at, body = row
        if body != order.body:
            raise KeyReused
        return Applied(number, kind, run_key, attempt, at, repeated=True)


def _told(order: Order) -> tuple[object, ...]:
    return (order.kind, order.run_key, order.attempt, order.idempotency_key, order.body)
