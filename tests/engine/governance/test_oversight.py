"""What whoever runs a site sees of governed actions: the doctor's check, and the numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cairnloop_engine import Engine, Settings
from cairnloop_engine.operations.metrics import Metrics
from cairnloop_engine.operations.model import Check, CheckStatus
from cairnloop_engine.wiring import HostParts
from tests.engine.governance.desk import MAYA, Desk
from tests.engine.governance.tools import Credit, Ledger, Refund


async def check(engine: Engine) -> Check:
    report = await engine.operations.doctor(MAYA)
    return next(one for one in report.checks if one.id == "governance")


async def older(desk: Desk, span: timedelta) -> None:
    """As if every approval had waited that much longer; the doctor minds a clock that is off."""
    await desk.sql(
        "UPDATE cairnloop.tool_approvals SET created_at = created_at - CAST(:span AS interval)",
        span=span,
    )


async def scraped(engine: Engine) -> dict[tuple[str, str], float]:
    written = Metrics().written(await engine.operations.numbers()).decode()
    return {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(written)
        for sample in family.samples
    }


async def test_the_doctor_counts_tools_and_says_where_rights_come_from(desk: Desk) -> None:
    await desk.propose()
    await older(desk, timedelta(minutes=5))

    found = await check(desk.engine)

    assert (found.status, found.promise) == (CheckStatus.OK, "P1")
    assert found.summary == (
        "Ready: 8 tools, rights from Rights; 1 pending, the oldest for 300 s; nothing is stuck."
    )


async def test_an_unknown_outcome_is_what_the_doctor_names_first(
    desk: Desk, ledger: Ledger
) -> None:
    ledger.fail(ConnectionResetError())
    await desk.approved()
    await desk.work()

    found = await check(desk.engine)

    assert (found.status, found.promise) == (CheckStatus.WARN, "P1")
    assert found.summary.startswith("Look: 1 with an unknown outcome;")
    assert "cairnloop settle" in (found.remedy or "")


async def test_an_attempt_that_never_ended_is_named_by_its_tool(desk: Desk) -> None:
    await desk.approved()
    await desk.work()
    await desk.sql(
        "UPDATE cairnloop.tool_executions"
        " SET state = 'started', finished_at = NULL, started_at = started_at - interval '1 hour'"
    )

    found = await check(desk.engine)

    assert found.status is CheckStatus.WARN
    assert "an attempt of refund never ended" in found.summary


@pytest.mark.parametrize(
    ("loosening", "status"), [(True, CheckStatus.WARN), (False, CheckStatus.OK)]
)
async def test_a_rule_that_was_loosened_is_named(
    settings: Settings, ledger: Ledger, loosening: bool, status: CheckStatus
) -> None:
    loose = settings.with_changes(
        approval_overrides=("low_write=auto",), approval_loosening=loosening
    )
    host = HostParts(tools=[Refund(ledger), Credit(ledger)])
    async with Engine(loose, host=host) as engine:
        found = await check(engine)

    assert found.status is status
    assert ("internal_note, credit;" in found.summary) is loosening
    assert "rights from the settings" in found.summary


async def test_a_decision_that_nobody_takes_is_told_before_it_expires(desk: Desk) -> None:
    await desk.propose()
    await older(desk, timedelta(hours=25))

    found = await check(desk.engine)

    assert found.status is CheckStatus.WARN
    assert "it expires when nobody decides" in found.summary


async def test_the_numbers_count_by_states_of_closed_lists(desk: Desk) -> None:
    await desk.approved()
    await desk.work()
    await desk.propose(given={"order": "B", "amount": "1.00"})
    desk.clock.advance(timedelta(seconds=90))

    found = await scraped(desk.engine)

    assert found["cairnloop_action_proposals", "proposed"] == 2
    assert found["cairnloop_action_approvals", "executed"] == 1
    assert found["cairnloop_action_approvals", "pending"] == 1
    assert found["cairnloop_action_approvals", "execution_unknown"] == 0
    assert found["cairnloop_action_executions", "confirmed"] == 1
    assert found["cairnloop_oldest_pending_action_seconds", ""] == 90
