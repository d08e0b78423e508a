"""All tables of the engine in one metadata, for migrations and for the check that they match."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from sqlalchemy import MetaData

import cairnloop_engine
from cairnloop_engine.core import dead_letters, pending
from cairnloop_engine.core.tables import Base


def complete_metadata() -> MetaData:
    """The metadata after every slice has declared its tables."""
    assert pending.PendingWorkRow.__table__ is not None
    assert dead_letters.DeadLetterRow.__table__ is not None
    for slice_ in iter_modules(cairnloop_engine.__path__):
        if not slice_.ispkg:
            continue
        package = import_module(f"cairnloop_engine.{slice_.name}")
        if any(module.name == "tables" for module in iter_modules(package.__path__)):
            import_module(f"cairnloop_engine.{slice_.name}.tables")
    return Base.metadata
