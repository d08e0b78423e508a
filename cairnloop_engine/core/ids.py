"""Names for the ids of each table, so that one is never passed for another."""

from __future__ import annotations

from typing import NewType

ApprovalId = NewType("ApprovalId", int)
ArticleId = NewType("ArticleId", int)
AuditEventId = NewType("AuditEventId", int)
CalibrationId = NewType("CalibrationId", int)
CaseId = NewType("CaseId", int)
ChunkId = NewType("ChunkId", int)
ConversationId = NewType("ConversationId", int)
DraftDecisionId = NewType("DraftDecisionId", int)
DraftId = NewType("DraftId", int)
GapEventId = NewType("GapEventId", int)
MessageId = NewType("MessageId", int)
ProposalId = NewType("ProposalId", int)
ResolutionId = NewType("ResolutionId", int)
RevisionId = NewType("RevisionId", int)
