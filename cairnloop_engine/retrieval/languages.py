"""Whether the words of the index were read in the language of the settings."""

from __future__ import annotations

from cairnloop_engine.core.database import Read
from cairnloop_engine.retrieval import lexicon_queries
from cairnloop_engine.retrieval.health import IndexProblem


async def language_problems(read: Read, language: str) -> tuple[IndexProblem, ...]:
    """What is wrong with the language, and what to do about it."""
    found: list[IndexProblem] = []
    if not await lexicon_queries.language_known(read, language):
        found.append(
            IndexProblem(
                "language_unknown",
                f"This Postgres has no text search configuration `{language}`; words are taken as "
                "they stand, without their stems.",
                "Set `language` to one that `\\dF` in psql lists, such as `english` or `simple`.",
            )
        )
    others = await lexicon_queries.read_otherwise(read, language)
    if others:
        found.append(
            IndexProblem(
                "language_changed",
                f"The words of {others} documents were read in another language than `{language}`,"
                " or by an older release, so questions miss some of them.",
                "Run `cairnloop retrieval rebuild` with a worker running.",
            )
        )
    return tuple(found)
