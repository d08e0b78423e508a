"""Writes a first ``cairnloop.toml``: every knob with what it does, commented out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from cairnloop_engine import Conflict, Settings
from cairnloop_engine.core.errors import JsonValue
from cairnloop_engine.settings import CONFIG_NAME

_HEADING = """\
# Settings of Cairnloop. Remove the "#" before a line to change its value.
# The environment (CAIRNLOOP_ and the upper-case name) and the command line win over this file.
"""


def write(folder: Path, given: Mapping[str, JsonValue]) -> Path:
    """Write the file; ``given`` values stand in it as they are, everything else as a comment.

    It may come to hold secrets, so only its owner can read it.

    Raises:
        Conflict: ``settings_exist``; the file is left as it is.
    """
    path = folder / CONFIG_NAME
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Conflict(
            "settings_exist", f"There already is a {path}; it was left as it is.", path=str(path)
        ) from error
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text(given))
    return path


def replace(path: Path, given: Mapping[str, JsonValue]) -> Path:
    """Write these settings and nothing else, in place of whatever the file held."""
    lines = [f"{name} = {_toml(value)}\n" for name, value in given.items() if value is not None]
    fresh = path.with_suffix(".fresh")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.writelines(lines)
    return fresh.replace(path)


def text(given: Mapping[str, JsonValue]) -> str:
    """The file's text."""
    parts = [_HEADING]
    for name, knob in Settings.model_fields.items():
        value = given.get(name)
        line = f"{name} = {_toml(knob.default if value is None else value)}"
        parts.append(f"# {knob.description}\n{line if value is not None else f'# {line}'}\n")
    return "\n".join(parts)


def _toml(value: object) -> str:
    match value:
        case None:
            return '""'
        case SecretStr():
            return json.dumps(value.get_secret_value())
        case bool() | int() | float():
            return json.dumps(value)
        case tuple() | list():
            return json.dumps(list(value))
        case _:
            # A JSON string is a TOML string too.
            return json.dumps(str(value))
