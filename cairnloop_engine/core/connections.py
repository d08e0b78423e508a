"""From a database address to the three ways in which we connect to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.core.tables import SCHEMA

CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is. Keeps its password out of reprs and messages."""

    url: URL

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a ``postgresql://`` URL.

        Raises:
            Misconfigured: ``database_url_invalid``; the message never holds the URL.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError) as error:
            raise _not_understood() from error
        if parsed.get_backend_name() not in ("postgresql", "postgres"):
            raise _not_understood()
        return cls(parsed.set(drivername="postgresql+psycopg"))

    def driver_arguments(self, *, pgbouncer: bool) -> dict[str, Any]:
        """Keyword arguments for psycopg; nothing that a transaction pooler would refuse."""
        arguments: dict[str, Any] = {
            name: value
            for name, value in (
                ("host", self.url.host),
                ("port", self.url.port),
                ("user", self.url.username),
                ("password", self.url.password),
                ("dbname", self.url.database),
            )
            if value is not None
        }
        arguments.update(self.url.query)
        arguments.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
        if pgbouncer:
            arguments["prepare_threshold"] = None
        return arguments

    def engine(self, *, schema: str, pool_size: int, pgbouncer: bool) -> AsyncEngine:
        """SQLAlchemy's engine; a connection that died in the pool is replaced when taken."""
        arguments: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S}
        if pgbouncer:
            arguments["prepare_threshold"] = None
        return create_async_engine(
            self.url,
            connect_args=arguments,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            execution_options={"schema_translate_map": {SCHEMA: schema}},
        )

    async def listener(self) -> psycopg.AsyncConnection[Any]:
        """A connection of its own for LISTEN."""
        arguments = self.driver_arguments(pgbouncer=False)
        return await psycopg.AsyncConnection.connect(autocommit=True, **arguments)


def _not_understood() -> Misconfigured:
    return Misconfigured(
        "database_url_invalid",
        "The database URL is not understood. It has the form postgresql://user@host:port/name.",
    )
