"""Names of models from outside, as they may stand in a stored model id. No IO in this module."""

from __future__ import annotations

import hashlib
import re

_SIGNS = frozenset("._/-")
_FOREIGN = re.compile(r"[^a-z0-9]+")


def slug(name: str, *, length: int) -> str:
    """Lower-case letters and digits with single signs between them; ``model`` when none is left."""
    kept = _FOREIGN.sub(lambda found: found[0] if found[0] in _SIGNS else "-", name.lower())
    return kept.strip("._/-")[:length].strip("._/-") or "model"


def identity(name: str, *, length: int) -> str:
    """A slug that no other name has: one that had to be changed ends in what tells it apart."""
    plain = slug(name, length=length)
    if plain == name:
        return plain
    return f"{slug(name, length=length - 9)}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
