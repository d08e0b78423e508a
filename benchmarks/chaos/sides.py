"""The two that are compared, and the job that both run."""

from __future__ import annotations

from enum import StrEnum

TASK = "chaos.work"
QUEUE = "maintenance"
# What a job does besides its one row: it waits, as for a service that answers soon. Long enough
# that the workers' slots are the limit and not two processor cores, which would hide a worker that
# came back with half of its slots; and which other programs on the machine would share.
WORK_S = 0.04
# Jobs that one worker process runs at a time; procrastinate's default pool has as many connections.
CONCURRENCY = 4


class Side(StrEnum):
    """Whose worker processes run."""

    OURS = "ours"
    BARE = "bare"
