"""The declarative base, the shared column types, and the one way to name a table in raw SQL."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import BigInteger, Dialect, Identity, MetaData, Text, types
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, mapped_column

from cairnloop_engine.core.errors import JsonObject

# Tables are declared in this schema; the engine translates it to the configured one.
SCHEMA = "cairnloop"

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Words(types.TypeDecorator[StrEnum]):
    """A StrEnum stored as its word; the table's CHECK constraint refuses any other."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:
        return None if value is None else self.words(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.words(value)


def one_of(column: str, words: type[StrEnum]) -> str:
    """The CHECK condition that a column holds one of the words of an enum."""
    listed = ", ".join(f"'{word.value}'" for word in words)
    return f"{column} IN ({listed})"


UtcTime = TIMESTAMP(timezone=True)

PrimaryKey = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
Moment = Annotated[datetime, mapped_column(UtcTime)]
Json = Annotated[JsonObject, mapped_column(JSONB)]


class Base(DeclarativeBase):
    """The base of every row class."""

    metadata = MetaData(schema=SCHEMA, naming_convention=NAMING)
    type_annotation_map: dict[Any, Any] = {
        str: Text,
        int: BigInteger,
        datetime: UtcTime,
        JsonObject: JSONB,
    }


def qualified(schema: str, name: str) -> str:
    """A table or function of ours, quoted and with its schema, for raw SQL."""
    return f'"{schema}"."{name}"'
