"""The books of the kill cycles: effects at the sink against the rows of the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import text

from benchmarks.chaos.errands import MAYA, NOAH, Desk
from cairnloop_engine import Caller
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.demo.billing import BillingClient
from cairnloop_engine.governance.views import ActionRow

UNKNOWN = "execution_unknown"
# What a draft suggested, and nobody decided about.
SUGGESTED = "pending"
TERMINAL = {"executed", "execution_failed", "rejected", "expired", "superseded"}

_ACTIONS = """
SELECT p.id, p.tool_ref, a.status, (SELECT min(e.run_key) FROM {executions} AS e
  WHERE e.proposal_id = p.id AND e.started_at IS NOT NULL) AS run_key
FROM {proposals} AS p JOIN {approvals} AS a ON a.proposal_id = p.id
WHERE a.id = (SELECT max(newest.id) FROM {approvals} AS newest WHERE newest.proposal_id = p.id)
ORDER BY p.id
"""
_NOTES = """
SELECT content, count(*) FROM {messages} WHERE role = 'internal_note' GROUP BY content
"""
_DRAFTS = """
SELECT c.customer_ref, count(d.id) FROM {conversations} AS c
LEFT JOIN {drafts} AS d ON d.conversation_id = c.id GROUP BY c.customer_ref
"""
_SUGGESTED = """
SELECT c.customer_ref, count(p.id) FROM {conversations} AS c
LEFT JOIN {proposals} AS p ON p.conversation_id = c.id AND p.origin = 'ai' GROUP BY c.customer_ref
"""
_UNINDEXED = """
SELECT count(*) FROM {search_docs} AS d
WHERE NOT EXISTS (SELECT 1 FROM {search_vectors} AS v WHERE v.doc_id = d.id)
"""
_LEFT = "SELECT (SELECT count(*) FROM {dead_letters})"
_ENDINGS = """
SELECT count(*) FROM (SELECT subject_id FROM {audit_events} WHERE subject_kind = 'action'
  AND action IN ('governance.execution_succeeded', 'governance.settled',
                 'governance.execution_failed')
  GROUP BY subject_id HAVING count(*) <> 1) AS odd
"""


@dataclass(slots=True)
class Books:
    """What stands at the end. Every list names what is wrong; all are empty when all is well."""

    actions: int = 0
    executed: int = 0
    unknown: int = 0
    settled: int = 0
    arrivals: int = 0
    effects: int = 0
    # Run keys with more than one effect at the sink.
    doubled: list[str] = field(default_factory=list)
    # Actions whose state says something else than the sink.
    untrue: list[str] = field(default_factory=list)
    # Actions that neither ended nor wait for a person.
    stranded: list[str] = field(default_factory=list)
    # Unknown outcomes that a person would not find, or could not settle.
    hidden: list[str] = field(default_factory=list)
    # Notes, drafts and index entries that are missing or there twice.
    amiss: list[str] = field(default_factory=list)
    dead_letters: int = 0

    @property
    def balanced(self) -> bool:
        wrong = (self.doubled, self.untrue, self.stranded, self.hidden, self.amiss)
        return not any(wrong) and not self.dead_letters


@dataclass(frozen=True, slots=True)
class Auditor:
    """Reads both sides, settles what is unknown, and reads again."""

    desk: Desk
    billing: BillingClient

    async def balance(self) -> Books:
        books = Books()
        counts = await self.billing.counts()
        effects: Mapping[str, int] = counts["effects"]
        books.arrivals = sum(counts["arrivals"].values())
        books.effects = sum(effects.values())
        books.doubled = list(counts["doubled"])
        await self._actions(books, effects)
        await self._settle(books, effects)
        await self._others(books)
        return books

    async def _actions(self, books: Books, effects: Mapping[str, int]) -> None:
        for number, tool, status, run_key in await self._rows(_ACTIONS):
            books.actions += 1
            books.executed += status == "executed"
            books.unknown += status == UNKNOWN
            happened = effects.get(str(run_key), 0) > 0
            if status not in {*TERMINAL, UNKNOWN, SUGGESTED}:
                books.stranded.append(f"action {number} is {status}")
            outside = tool != "internal_note"
            if outside and status != UNKNOWN and happened != (status == "executed"):
                books.untrue.append(f"action {number} is {status}, effect: {happened}")

    async def _settle(self, books: Books, effects: Mapping[str, int]) -> None:
        """What an operator does: find every unknown outcome, look at billing, settle it."""
        waiting = {row.id for row in await self._listed()}
        unknown = [row for row in await self._rows(_ACTIONS) if row[2] == UNKNOWN]
        books.hidden = [f"action {row[0]}" for row in unknown if row[0] not in waiting]
        for number, _, _, run_key in unknown:
            outcome = "confirmed" if effects.get(str(run_key), 0) else "failed"
            await self.desk.engine.governance.settle(
                NOAH, ProposalId(int(str(number))), outcome=outcome, note="Looked it up in billing."
            )
            books.settled += 1
        left = [row for row in await self._rows(_ACTIONS) if row[2] not in {*TERMINAL, SUGGESTED}]
        books.hidden += [f"action {row[0]} could not be settled" for row in left]

    async def _others(self, books: Books) -> None:
        for content, count in await self._rows(_NOTES):
            if count != 1:
                books.amiss.append(f"{content}: {count} times")
        for ref, count in await self._rows(_DRAFTS):
            if count != 1:
                books.amiss.append(f"conversation of {ref}: {count} drafts")
        for ref, count in await self._rows(_SUGGESTED):
            if count != 1:
                books.amiss.append(f"conversation of {ref}: {count} suggested actions")
        noted = len(await self._rows(_NOTES))
        wanted = sum(1 for row in await self._rows(_ACTIONS) if row[1] == "internal_note")
        if noted != wanted:
            books.amiss.append(f"{noted} notes of {wanted}")
        ((unindexed,),) = await self._rows(_UNINDEXED)
        if unindexed:
            books.amiss.append(f"{unindexed} articles without vectors")
        ((odd,),) = await self._rows(_ENDINGS)
        if odd:
            books.amiss.append(f"{odd} actions with none or several endings in the trail")
        ((dead,),) = await self._rows(_LEFT)
        books.dead_letters = int(str(dead))

    async def _listed(self) -> list[ActionRow]:
        """Every unknown outcome as the console lists it."""
        found: list[ActionRow] = []
        cursor = None
        while True:
            page = await self.desk.engine.governance.actions(
                MAYA, status=UNKNOWN, cursor=cursor, limit=100
            )
            found += page.items
            cursor = page.next
            if cursor is None:
                return found

    async def _rows(self, statement: str) -> list[tuple[object, ...]]:
        async with self.desk.engine.db.read(Caller.system("chaos")) as read:
            names = {key: read.qualified(name) for key, name in _TABLES.items()}
            found = await read.session.execute(text(statement.format(**names)))
            return [tuple(row) for row in found]


_TABLES = {
    "actions": "tool_proposals",
    "proposals": "tool_proposals",
    "approvals": "tool_approvals",
    "executions": "tool_executions",
    "messages": "messages",
    "conversations": "conversations",
    "drafts": "drafts",
    "search_docs": "search_docs",
    "search_vectors": "search_vectors",
    "dead_letters": "dead_letters",
    "audit_events": "audit_events",
}
