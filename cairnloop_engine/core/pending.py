"""Debounced work: a row per (kind, key) whose generation tells the newest request from the rest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Text, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from cairnloop_engine.core.database import Read, Work
from cairnloop_engine.core.jobs import JobContext
from cairnloop_engine.core.tables import Base, PrimaryKey, UtcTime


class PendingWorkRow(Base):
    __tablename__ = "pending_work"
    __table_args__ = (UniqueConstraint("workspace", "kind", "key"),)

    id: Mapped[PrimaryKey]
    workspace: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    generation: Mapped[int] = mapped_column(BigInteger)


async def is_current(read: Read, *, kind: str, job: JobContext) -> bool:
    """Whether this job carries the newest request; an older one stands down."""
    found = await read.session.scalar(
        select(PendingWorkRow.generation).where(
            PendingWorkRow.workspace == read.workspace,
            PendingWorkRow.kind == kind,
            PendingWorkRow.key == job.text("key"),
        )
    )
    return found == job.integer("generation")


async def settle(work: Work, *, kind: str, job: JobContext) -> bool:
    """Take the request off the list if it is still the newest; False means stand down.

    Called in the transaction that records the result, so that result and request go together.
    """
    settled = await work.session.execute(
        delete(PendingWorkRow)
        .where(
            PendingWorkRow.workspace == work.workspace,
            PendingWorkRow.kind == kind,
            PendingWorkRow.key == job.text("key"),
            PendingWorkRow.generation == job.integer("generation"),
        )
        .returning(PendingWorkRow.id)
    )
    return settled.first() is not None
