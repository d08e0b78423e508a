"""The example of docs/actions.md works as it stands there, and does what the guide says."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cairnloop_engine import Caller, Engine, Settings
from cairnloop_engine.core.errors import Blocked, Conflict
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.governance.model import ApprovalStatus
from tools.sources import ROOT

MODULE = "shop_tools"
MAYA, NOAH = Caller.operator("maya"), Caller.operator("noah")

GUIDE = (ROOT / "docs" / "actions.md").read_text(encoding="utf-8")
CODE, CONFIGURED = re.findall(r"^```(?:python|toml)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, home: Path
) -> AsyncIterator[Engine]:
    """An engine with the guide's module and its settings file, as a host would have it."""
    (tmp_path / f"{MODULE}.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "cairnloop.toml").write_text(CONFIGURED, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    settings = Settings.load(tmp_path / "cairnloop.toml", database_url=database_url, home=home)
    async with Engine(settings) as engine:
        yield engine
    sys.modules.pop(MODULE, None)


def provider() -> Any:
    return import_module(MODULE).PROVIDER


async def proposed(site: Engine, amount: str = "82.00", order: str = "A-17") -> ProposalId:
    made = await site.governance.propose(MAYA, "refund", {"order": order, "amount": amount})
    return made.proposal_id


async def carried_out(site: Engine, proposal_id: ProposalId) -> ApprovalStatus | None:
    await site.governance.approve(NOAH, proposal_id)
    await site.run_worker(queues=["effects"], drain=True)
    return (await site.governance.action(MAYA, proposal_id)).row.approval_status


async def test_the_tool_of_the_guide_pays_back_once(site: Engine) -> None:
    proposal_id = await proposed(site)

    assert await carried_out(site, proposal_id) is ApprovalStatus.EXECUTED
    assert list(provider().paid.values()) == [Decimal("82.00")]


async def test_what_the_guide_denies_is_denied(site: Engine) -> None:
    with pytest.raises(Blocked) as refused:
        await proposed(site, amount="501.00")

    assert refused.value.facts["reason"] == "too_much"


async def test_the_order_of_the_guide_brings_the_action_back_when_it_changed(site: Engine) -> None:
    proposal_id = await proposed(site)
    provider().orders["A-17"] = Decimal("20.00")

    assert await carried_out(site, proposal_id) is ApprovalStatus.PENDING
    changes = (await site.governance.action(MAYA, proposal_id)).changes
    assert [(one.field, one.before, one.after) for one in changes] == [
        ("targets", "order A-17, revision 120.00", "order A-17, revision 20.00")
    ]
    assert provider().paid == {}


async def test_the_guides_order_is_refunded_by_one_action_at_a_time(site: Engine) -> None:
    await proposed(site)

    with pytest.raises(Conflict) as refused:
        await proposed(site, amount="10.00")

    assert refused.value.code == "already_proposed"


async def test_an_order_that_is_not_there_fails_for_good(site: Engine) -> None:
    proposal_id = await proposed(site, order="Z-1")

    assert await carried_out(site, proposal_id) is ApprovalStatus.EXECUTION_FAILED
