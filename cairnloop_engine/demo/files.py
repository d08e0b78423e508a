"""Reads the scenario from ``seeds/``, in a checkout or in an installed package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.demo.scenario import (
    ActionEnd,
    ActionSeed,
    ArticleSeed,
    Cast,
    ConversationSeed,
    Part,
    Person,
    RevisionSeed,
    Step,
    StepKind,
)

STORY = "story"
STATES = "states"
HOSTILE = "hostile"

# The conversations beyond the story live in a file of their own.
STATES_FILE = "6-states.yaml"

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile(r"(?:\d+[dhms])+\Z")
_KINDS = frozenset(kind.value for kind in StepKind)


def seeds_folder() -> Path:
    """Where the scenario is.

    Raises:
        Misconfigured: ``seeds_missing``.
    """
    here = Path(__file__).resolve()
    for candidate in (here.parent / "seeds", here.parents[2] / "seeds"):
        if (candidate / "people.yaml").is_file():
            return candidate
    raise Misconfigured(
        "seeds_missing",
        "The demo's files are not part of this installation. Install Cairnloop again.",
    )


@lru_cache(maxsize=1)
def cast() -> Cast:
    """Everybody in the story."""
    told = _read(seeds_folder() / "people.yaml")
    visitor = told["visitor"]
    return Cast(
        operator=told["operator"],
        colleague=told["colleague"],
        visitor=Person("visitor", visitor["ref"], visitor["name"]),
        customers=_customers(told),
    )


@lru_cache(maxsize=1)
def hostile_cast() -> Mapping[str, Person]:
    """The customers of the hostile pack."""
    return _customers(_read(seeds_folder() / "hostile" / "people.yaml"))


def story() -> Part:
    """The articles and the twenty conversations of Trailmark."""
    folder = seeds_folder()
    files = sorted(
        path for path in (folder / "conversations").glob("*.yaml") if path.name != STATES_FILE
    )
    told = [item for path in files for item in _read(path)]
    articles = tuple(_article(item, folder) for item in _read(folder / "articles.yaml"))
    return Part(STORY, articles, _conversations(told, cast().customers))


def states() -> Part:
    """The conversations that show what the story does not reach."""
    told = _read(seeds_folder() / "conversations" / STATES_FILE)
    return Part(STATES, (), _conversations(told, cast().customers))


def hostile() -> Part:
    """The pack of text that attacks whoever shows it."""
    folder = seeds_folder() / "hostile"
    articles = tuple(_article(item, folder) for item in _read(folder / "articles.yaml"))
    told = _read(folder / "conversations.yaml")
    return Part(HOSTILE, articles, _conversations(told, hostile_cast()))


def duration(words: str) -> timedelta:
    """A length of time written as ``1d2h30m20s``.

    Raises:
        ValueError: when it is written otherwise.
    """
    if not _DURATION.match(words):
        raise ValueError(f"not a duration: {words!r}")
    parts = re.findall(r"(\d+)([dhms])", words)
    return timedelta(**{_UNITS[unit]: int(number) for number, unit in parts})


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _customers(told: Mapping[str, Any]) -> dict[str, Person]:
    return {
        key: Person(key, person["ref"], person["name"], person["context"])
        for key, person in told["customers"].items()
    }


def _article(told: Mapping[str, Any], folder: Path) -> ArticleSeed:
    if "content" in told:
        revisions: tuple[RevisionSeed, ...] = (
            RevisionSeed(told["content"], True, timedelta(days=1)),
        )
    else:
        revisions = tuple(_revision(item, folder) for item in told["revisions"])
    return ArticleSeed(told["key"], told["title"], revisions)


def _revision(told: Mapping[str, Any], folder: Path) -> RevisionSeed:
    return RevisionSeed(
        content=(folder / told["file"]).read_text(encoding="utf-8"),
        published=told["state"] == "published",
        ago=timedelta(days=told["days_ago"]),
    )


def _conversations(told: list[Any], people: Mapping[str, Person]) -> tuple[ConversationSeed, ...]:
    return tuple(
        ConversationSeed(
            key=item["key"],
            subject=_words(item["subject"]) or None,
            person=people[item["customer"]],
            ends=duration(item["ends"]),
            steps=tuple(_step(step) for step in item["steps"]),
        )
        for item in told
    )


def _step(told: Mapping[str, Any]) -> Step:
    (kind,) = _KINDS.intersection(told)
    value = told[kind]
    after = duration(told.get("after", "0s"))
    if kind == StepKind.ACTION:
        return Step(StepKind.ACTION, "", after, action=_action(value))
    return Step(
        kind=StepKind(kind),
        text="" if value is True else _words(value),
        after=after,
        cites=tuple(told.get("cites", ())),
    )


def _action(told: Mapping[str, Any]) -> ActionSeed:
    return ActionSeed(
        tool=told["tool"],
        input=told["input"],
        ends=ActionEnd(told["ends"]),
        reason=told.get("reason", ""),
    )


def _words(told: str | Mapping[str, Any]) -> str:
    """Text as it is written, or built from a piece that is repeated."""
    if isinstance(told, str):
        return told
    repeat = told["repeat"]
    built = repeat["text"] * repeat["times"]
    return f"{told.get('before', '')}{built}{told.get('after', '')}"
