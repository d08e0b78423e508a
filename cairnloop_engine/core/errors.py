"""The error taxonomy: what can go wrong, in codes that an edge turns into words and exits."""

from __future__ import annotations

from typing import ClassVar

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]
JsonObject = dict[str, JsonValue]


class CairnloopError(Exception):
    """Root of every error that Cairnloop raises on purpose.

    ``code`` is a stable snake_case word for programs, ``message`` one calm sentence for people,
    ``facts`` the values that the sentence is about (never message bodies or secrets).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, message: str, **facts: JsonValue) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts: JsonObject = dict(facts)


class Refused(CairnloopError):
    """Understood and turned down; nothing was written; do not retry unchanged."""


class NotFound(Refused):
    """Missing, or outside the caller's workspace: the same answer for both."""


class Invalid(Refused):
    """The input is wrong; the message names what to change."""


class Forbidden(Refused):
    """This actor may not do this, or nobody is named as the actor."""


class Conflict(Refused):
    """The row moved on: already decided, expired, or another version; facts say where it is now."""


class Blocked(Refused):
    """A gate stopped it: policy, grounding, a limit; facts carry what the gate found."""


class Misconfigured(CairnloopError):
    """A setting, a schema version or a missing part stops the process from working correctly."""

    exit_code: ClassVar[int] = 2


class Unavailable(CairnloopError):
    """A dependency is away and nothing is known to have happened; trying later is safe."""

    exit_code: ClassVar[int] = 3

    def __init__(
        self, code: str, message: str, *, retry_after: float | None = None, **facts: JsonValue
    ) -> None:
        super().__init__(code, message, **facts)
        self.retry_after = retry_after


class UnknownOutcome(CairnloopError):
    """An outside effect may have happened; a person settles it; never repeated by itself."""

    exit_code: ClassVar[int] = 4
