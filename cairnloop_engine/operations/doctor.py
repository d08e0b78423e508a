"""The doctor: looks at one part after the other and says what it found, never failing itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from cairnloop_engine.audit.facade import Audit
from cairnloop_engine.channels.widget.tokens import SHORTEST_SECRET
from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.clock import Clock
from cairnloop_engine.core.database import Database
from cairnloop_engine.core.errors import CairnloopError
from cairnloop_engine.governance.execution import GRACE
from cairnloop_engine.governance.gates import Gates
from cairnloop_engine.governance.ports import ConfiguredIdentity
from cairnloop_engine.governance.registry import resolve
from cairnloop_engine.operations import model, reads
from cairnloop_engine.operations.governed import ActionRules, judge_actions
from cairnloop_engine.operations.model import Check, DoctorReport, Schema
from cairnloop_engine.retrieval.facade import Retrieval
from cairnloop_engine.retrieval.health import IndexStatus
from cairnloop_engine.settings import Settings

# What the checks below need to be there first.
OF_THE_DATABASE = ("postgres_version", "vector", "queue", "schema", "audit", "clock")
OF_THE_TABLES = ("audit_chain", "governance", "workers", "jobs", "embedder", "retrieval")
PROMISES = {
    "postgres_version": "P10",
    "schema": "P10",
    "audit": "P7",
    "audit_chain": "P7",
    "governance": "P1",
    "workers": "P3",
    "jobs": "P2",
}

PROBE_QUESTION = "Does the search answer?"


@dataclass(frozen=True, slots=True)
class Site:
    """What the doctor looks at."""

    db: Database
    settings: Settings
    clock: Clock
    audit: Audit
    gates: Gates
    retrieval: Retrieval
    migrations: Sequence[str]
    schema_version: Callable[[], Awaitable[str | None]]
    # The class that words replies.
    generator: str = "Scoria"

    async def schema(self) -> Schema:
        """The version of the database's schema, beside the one that this release needs.

        Raises:
            Unavailable: ``database_unavailable``.
        """
        return Schema(await self.schema_version(), self.migrations[-1])


async def examine(site: Site, caller: Caller, *, probe: bool) -> DoctorReport:
    """Every check, in order. ``probe`` adds a search that writes nothing."""
    checks = [model.ok("settings", f"the settings are valid; workspace {caller.workspace}.")]
    checks += _of_the_settings(site)
    database = await _database(site, caller)
    checks += database
    if any(check.status is model.CheckStatus.FAIL for check in database):
        checks += [_waiting_for_the_database(check_id) for check_id in OF_THE_TABLES]
        if probe:
            checks.append(_waiting_for_the_database("probe"))
        return DoctorReport(tuple(checks))
    checks.append(await _chain(site, caller))
    checks.append(await _governance(site, caller))
    checks += await _work(site, caller)
    checks += await _index(site, caller)
    if probe:
        checks.append(await _probe(site, caller))
    return DoctorReport(tuple(checks))


def _of_the_settings(site: Site) -> list[Check]:
    settings = site.settings
    secret = settings.widget_secret
    size = None if secret is None else len(secret.get_secret_value().encode())
    return [
        model.judge_operator(settings.operator),
        model.judge_secret(size, shortest=SHORTEST_SECRET),
        model.judge_auto_send(settings.auto_send_enabled),
        model.judge_drafting(
            site.generator,
            model=settings.anthropic_model,
            keyed=settings.anthropic_api_key is not None,
        ),
    ]


async def _database(site: Site, caller: Caller) -> list[Check]:
    try:
        async with site.db.read(caller) as read:
            server = await reads.server(read, site.clock)
        schema = await site.schema()
    except CairnloopError as error:
        return [model.judge_unreachable(error), *map(_waiting_for_the_database, OF_THE_DATABASE)]
    took = server.answered_in.total_seconds() * 1000
    checks = [
        model.ok("database", f"the database answered in {took:.0f} ms."),
        model.judge_version(server),
        model.judge_vector(server),
        model.judge_queue(server),
        model.judge_schema(schema, site.migrations),
    ]
    migrated = schema.current is not None
    guards = model.judge_audit(server) if migrated else _waiting_for_the_database("audit")
    return [*checks, guards, model.judge_clock(server)]


async def _chain(site: Site, caller: Caller) -> Check:
    try:
        return model.judge_chain(await site.audit.chain(caller))
    except CairnloopError as error:
        return _failed("audit_chain", error)


async def _governance(site: Site, caller: Caller) -> Check:
    try:
        async with site.db.read(caller) as read:
            actions = await reads.actions(read)
    except CairnloopError as error:
        return _failed("governance", error)
    return judge_actions(actions, _rules(site.gates))


def _rules(gates: Gates) -> ActionRules:
    specs = [tool.spec for tool in gates.registry]
    configured = isinstance(gates.identity, ConfiguredIdentity)
    return ActionRules(
        limits={spec.name: (spec.timeout + GRACE).total_seconds() for spec in specs},
        identity="the settings" if configured else type(gates.identity).__name__,
        loosened=tuple(spec.name for spec in specs if resolve(spec, gates.config).loosened),
        approval_ttl=gates.config.approval_ttl.total_seconds(),
    )


async def _work(site: Site, caller: Caller) -> list[Check]:
    try:
        async with site.db.read(caller) as read:
            queues = await reads.queues(read)
            workers = await reads.workers(read)
    except CairnloopError as error:
        return [_failed("workers", error), _failed("jobs", error)]
    return [model.judge_workers(workers, queues), model.judge_jobs(queues)]


async def _index(site: Site, caller: Caller) -> list[Check]:
    try:
        index = await site.retrieval.status(caller)
    except CairnloopError as error:
        return [_failed("embedder", error), _failed("retrieval", error)]
    return [_embedder(index), _retrieval(index)]


def _embedder(index: IndexStatus) -> Check:
    of_it = [problem for problem in index.problems if problem.code.startswith("embedder_")]
    if of_it:
        first = of_it[0]
        return model.look("embedder", first.message, first.remedy)
    return model.ok("embedder", f"{index.label} answers.")


def _retrieval(index: IndexStatus) -> Check:
    said = f"{index.n_ready} of {index.n_documents} articles have their vectors."
    others = [problem for problem in index.problems if not problem.code.startswith("embedder_")]
    if others:
        first = others[0]
        return model.look("retrieval", first.message, first.remedy, promise="P2")
    return model.ok("retrieval", said, promise="P2")


async def _probe(site: Site, caller: Caller) -> Check:
    began = monotonic()
    try:
        found = await site.retrieval.search(caller, PROBE_QUESTION, limit=1)
    except CairnloopError as error:
        return _failed("probe", error)
    took = (monotonic() - began) * 1000
    if found.degraded:
        lacking = ", ".join(found.degraded)
        return model.look(
            "probe", f"a search took {took:.0f} ms, without all it needs: {lacking}.", _ELSEWHERE
        )
    return model.ok("probe", f"a question was embedded and searched for in {took:.0f} ms.")


_ELSEWHERE = "See the checks `embedder` and `retrieval`."


def _failed(check_id: str, error: CairnloopError) -> Check:
    return model.blocked(
        check_id,
        error.message,
        "Settle this first, then look again.",
        promise=PROMISES.get(check_id),
    )


def _waiting_for_the_database(check_id: str) -> Check:
    return model.unchecked(check_id, "the database comes first.", promise=PROMISES.get(check_id))
