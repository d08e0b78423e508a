"""docs/reference/settings.md: every setting, from the fields of ``Settings``."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from cairnloop_engine.settings import CONFIG_NAME, PREFIX, Settings
from tools.reference.code import table

INTRODUCTION = f"""\
# Settings

A value comes, weakest first, from the default, from `{CONFIG_NAME}` in the working directory (or
the file that `--config` or `{PREFIX}CONFIG` names), from the environment, and from an option of
the command. In the file the names are as in the first column; in the environment they are
upper-case with `{PREFIX}` in front: `pool_size` is `{PREFIX}POOL_SIZE`.

A name that is not in this list is refused at start, so a typing mistake cannot hide. Settings are
read once; a change needs a restart.
"""


def page() -> str:
    rows = [
        (f"`{name}`", _default(name, field), _bounds(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return f"{INTRODUCTION}\n{table(('setting', 'default', 'allowed', 'meaning'), rows)}\n"


def undescribed() -> list[str]:
    """Settings without a sentence."""
    return [name for name, field in Settings.model_fields.items() if not field.description]


def _default(name: str, field: FieldInfo) -> str:
    value = field.default
    if name == "home":
        return "the user's data folder; as root `/var/lib/cairnloop`"
    if value is None or value == () or isinstance(value, Path | SecretStr):
        return "not set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥"}
    parts = [
        f"{sign} {getattr(constraint, name)}"
        for constraint in field.metadata
        for name, sign in signs.items()
        if getattr(constraint, name, None) is not None
    ]
    for constraint in field.metadata:
        pattern = getattr(constraint, "pattern", None)
        if pattern is not None:
            parts.append(_pattern(str(pattern)))
    return ", ".join(parts)


def _pattern(pattern: str) -> str:
    """A list of words reads as one; a path to an object says so; anything else stays as it is."""
    inner = pattern.removeprefix("^").removesuffix("$")
    if inner.startswith("(") and inner.endswith(")"):
        return ", ".join(f"`{word}`" for word in inner[1:-1].split("|"))
    if ":" in inner:
        return "`package.module:name`"
    return f"`{pattern}`"
