"""What the demo's drafts suggest to do: a list of the scenario, read as it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from cairnloop_engine.core.errors import JsonObject, JsonValue
from cairnloop_engine.demo.files import cast, seeds_folder
from cairnloop_engine.drafting.ports import SuggestedAction, SuggestionContext
from cairnloop_engine.drafting.proposal import Proposal


@dataclass(frozen=True, slots=True)
class Rule:
    """When a customer's words hold every one of ``words``, this tool is suggested.

    The first of them stands in the newest message: what was asked for before, and perhaps was done
    since, is not suggested again because the customer says thanks. A value of ``input`` is used as
    it is, or, written as ``find: pattern``, is what the pattern's group finds in the customer's
    words; when it finds nothing, nothing is suggested.
    """

    words: tuple[str, ...]
    customer: str | None
    tool: str
    input: Mapping[str, Any]

    def suggestion(
        self, customer_ref: str | None, messages: Sequence[str]
    ) -> SuggestedAction | None:
        """What this rule suggests to somebody who wrote these messages, newest first."""
        if self.customer is not None and self.customer != customer_ref:
            return None
        said = "\n".join(messages)
        if not (messages and _holds(messages[0], self.words[0])):
            return None
        if not all(_holds(said, word) for word in self.words):
            return None
        given: JsonObject = {}
        for name, value in self.input.items():
            found = _value(value, said)
            if found is None:
                return None
            given[name] = found
        return SuggestedAction(self.tool, given)


class DemoSuggester:
    """Suggests the first rule of the scenario that fits.

    Name it in the settings: ``cairnloop_engine.demo.suggester:DemoSuggester``.
    """

    async def suggest(
        self, proposal: Proposal, context: SuggestionContext
    ) -> SuggestedAction | None:
        for rule in rules():
            found = rule.suggestion(context.customer_ref, context.turn.messages)
            if found is not None:
                return found
        return None


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """The scenario's rules, in order."""
    told = yaml.safe_load((seeds_folder() / "suggestions.yaml").read_text(encoding="utf-8"))
    people = cast().customers
    return tuple(
        Rule(
            words=tuple(item["words"]),
            customer=people[item["customer"]].ref if "customer" in item else None,
            tool=item["tool"],
            input=item["input"],
        )
        for item in told
    )


def _holds(text: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}", text, re.IGNORECASE) is not None


def _value(value: Any, said: str) -> JsonValue:
    if not isinstance(value, dict):
        plain: JsonValue = value
        return plain
    found = re.search(value["find"], said)
    if found is None:
        return None
    word: str = found[1]
    return int(word) if value.get("as") == "number" else word
