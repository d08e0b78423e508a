"""Writing the audit trail, inside the transaction of the change that it tells of."""

from __future__ import annotations

from sqlalchemy import insert

from cairnloop_engine.audit.tables import AuditEventRow
from cairnloop_engine.core.database import Work
from cairnloop_engine.core.errors import JsonValue


async def record(
    work: Work,
    action: str,
    *,
    subject: tuple[str, int],
    conversation_id: int | None = None,
    **facts: JsonValue,
) -> None:
    """Append one audit event in the name of the Work's actor.

    ``action`` is ``slice.past_verb``. ``facts`` hold ids, words and counts; never a message
    body, a secret or an address (P7).
    """
    await work.session.execute(
        insert(AuditEventRow).values(
            workspace=work.workspace,
            occurred_at=work.now,
            actor_kind=work.actor.kind.value,
            actor_id=work.actor.id,
            action=action,
            subject_kind=subject[0],
            subject_id=subject[1],
            conversation_id=conversation_id,
            facts=facts,
        )
    )
    work.changed("audit", subject[1])
