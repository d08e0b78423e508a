"""The index over the vectors of one model: whether it is there, and making it under traffic."""

from __future__ import annotations

import hashlib

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from cairnloop_engine.core.database import (
    Database,
    Read,
    assert_no_transaction,
    sqlstate,
    translated,
)
from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.core.tables import qualified
from cairnloop_engine.retrieval.ports import EmbedderRecord

# What Postgres says to the user of another owner's table, and to whoever comes second.
_NOT_OWNER = "42501"
_EXISTS = ("42P07", "23505")

_OF_MODEL = (
    " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
    " WHERE i.indrelid = CAST(:vectors AS regclass) AND a.amname = 'hnsw'"
    " AND position(:predicate IN pg_get_expr(i.indpred, i.indrelid)) > 0"
)
_VALID = text(f"SELECT count(*){_OF_MODEL} AND i.indisvalid")
# What an attempt that was killed leaves behind: in the catalogue, used by nobody, made by nobody.
_LEFT_OVER = text(
    f"SELECT c.relname{_OF_MODEL} AND NOT i.indisvalid AND NOT EXISTS"  # noqa: S608
    " (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)"
)


async def exists(read: Read, model_id: str) -> bool:
    """Whether Postgres has a usable index over the vectors of this model."""
    return bool(await read.session.scalar(_VALID, _named(read.schema, model_id)))


async def create(db: Database, record: EmbedderRecord) -> bool:
    """Build the index of this model while everybody goes on reading and writing.

    Takes seconds for thousands of vectors and minutes for a million. What a killed attempt left
    is removed first. False when the index is there, or somebody else is building it.

    Raises:
        Misconfigured: ``vector_index_forbidden``.
        Unavailable: ``database_unavailable`` or ``database_timeout``.
    """
    assert_no_transaction("the building of an index")
    try:
        # Postgres builds an index beside its writers only outside of any transaction.
        with translated():
            async with db.engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                return await _build(connection, db.schema, record)
    except DBAPIError as error:
        if sqlstate(error) in _EXISTS:
            # Somebody else began between our look and our statement.
            return False
        if sqlstate(error) == _NOT_OWNER:
            raise Misconfigured(
                "vector_index_forbidden",
                "The database user may not create an index on the table of vectors. Run a worker "
                "once as the owner of the schema.",
            ) from error
        raise


async def _build(connection: AsyncConnection, schema: str, record: EmbedderRecord) -> bool:
    named = _named(schema, record.model_id)
    if await connection.scalar(_VALID, named):
        return False
    for left_over in (await connection.scalars(_LEFT_OVER, named)).all():
        await connection.exec_driver_sql(
            f"DROP INDEX CONCURRENTLY IF EXISTS {qualified(schema, left_over)}"
        )
    # Id and dimension were checked when the record was made; nothing else can be in a predicate.
    await connection.exec_driver_sql(
        f'CREATE INDEX CONCURRENTLY "{index_name(record.model_id)}"'
        f" ON {qualified(schema, 'search_vectors')}"
        f" USING hnsw ((embedding::halfvec({record.dim})) halfvec_cosine_ops)"
        " WITH (m = 16, ef_construction = 64)"
        f" WHERE model_id = '{record.model_id}'"
    )
    return True


def index_name(model_id: str) -> str:
    """Short, as names in Postgres must be, and another one for every model."""
    return f"ix_search_vectors_{hashlib.sha256(model_id.encode()).hexdigest()[:16]}"


def _named(schema: str, model_id: str) -> dict[str, str]:
    return {"vectors": qualified(schema, "search_vectors"), "predicate": f"'{model_id}'"}
