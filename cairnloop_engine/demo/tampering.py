"""What somebody with a database client could do to a stored action, for the demo to try it."""

from __future__ import annotations

import json

from sqlalchemy import text

from cairnloop_engine.core.actors import Caller
from cairnloop_engine.core.errors import JsonValue
from cairnloop_engine.core.ids import ProposalId
from cairnloop_engine.engine import Engine

_CHANGE = (
    "UPDATE {table} SET input_snapshot = jsonb_set(input_snapshot, ARRAY[:field],"
    " CAST(:value AS jsonb)) WHERE id = :id"
)


async def change_stored_input(
    engine: Engine, proposal_id: ProposalId, field: str, value: JsonValue
) -> None:
    """Change one value of what an action is to be given, behind everybody's back."""
    async with engine.db.work(Caller.system("superuser", engine.settings.workspace)) as work:
        statement = text(_CHANGE.format(table=work.qualified("tool_proposals")))
        await work.session.execute(
            statement, {"field": field, "value": json.dumps(value), "id": proposal_id}
        )
