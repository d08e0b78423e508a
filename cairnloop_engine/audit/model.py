"""What can be asked of the audit trail. No IO in this module."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to list; None means any."""

    action: str | None = None
    actor: str | None = None
    subject: tuple[str, int] | None = None
    conversation_id: int | None = None
    since: datetime | None = None
