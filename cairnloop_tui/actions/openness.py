"""Which parts of an action card are open: the operator's choice, which no refresh takes back."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from cairnloop_engine.governance import presenter
from cairnloop_engine.governance.views import ActionView

# The keys of blocks are numbers: an action's number, then the part of its card.
_PARTS = 8
MORE_KEY = 0


class Part(IntEnum):
    """The parts of a card that the cursor can stand on."""

    HEAD = 0
    INPUTS = 1
    HISTORY = 2
    POLICY = 3
    TRACE = 4
    RAW_INPUT = 5
    RAW_POLICY = 6


TIER_TWO = (Part.INPUTS, Part.HISTORY, Part.POLICY)


def block_key(action_id: int, part: Part = Part.HEAD) -> int:
    return action_id * _PARTS + part


def of_block(key: int) -> tuple[int, Part]:
    """The action and the part that a block stands for."""
    action_id, part = divmod(key, _PARTS)
    return action_id, Part(part)


class Openness:
    """What is open, by action and part; the first look at an action decides the beginning."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, Part], bool] = {}

    def is_open(self, view: ActionView, part: Part) -> bool:
        key = (int(view.row.id), part)
        if key not in self._open:
            self._open[key] = _at_first(view, part)
        return self._open[key]

    def toggle(self, view: ActionView, part: Part) -> None:
        self._open[int(view.row.id), part] = not self.is_open(view, part)

    def set_all(self, action_ids: Iterable[int], *, is_open: bool) -> None:
        """Open or close the second tier of these; what identifies them stays as it is."""
        for action_id in action_ids:
            for part in TIER_TWO:
                self._open[action_id, part] = is_open


def _at_first(view: ActionView, part: Part) -> bool:
    match part:
        case Part.INPUTS:
            return presenter.opens_inputs(view.row)
        case Part.POLICY:
            return presenter.opens_policy(view.row)
    return False
