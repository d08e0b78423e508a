"""Sentences that give orders to an assistant instead of telling a reader something. Pure.

Somebody may plant them in an article or in a message. What a customer gets is never quoted from
such a sentence, and no model is shown one as a source.
"""

from __future__ import annotations

import re

from cairnloop_engine.core.text import normalise_line

_MACHINE = r"(?:ai|llm|assistant|chat ?bot|bot|language model|gpt|claude|drafter)s?"
_RULES = r"(?:instruction|prompt|rule|message|guideline|direction|context|polic(?:y|ie)|text)s?"
_DEEDS = r"(?:reply|respond|answer|say|tell|promise|refund|approve|ignore|write|offer|send|include)"

_ORDERS = tuple(
    re.compile(pattern)
    for pattern in (
        # "Ignore all previous instructions"
        r"\b(?:ignore|disregard|forget|override|bypass)\b[^.!?]{0,20}"
        rf"\b(?:previous|above|prior|earlier|preceding|all|any|your|these|those)\b"
        rf"[^.!?]{{0,20}}\b{_RULES}\b",
        r"\b(?:system prompt|system message|developer mode|jail ?break|prompt injection)\b",
        rf"\b(?:you are|act as|pretend to be|behave as|as) (?:now |an? |the )*{_MACHINE}\b",
        r"\b(?:attention|note|notice|instructions?|message|hint|hello|dear|hey)\b[^.!?]{0,20}"
        rf"\b(?:to|for)\s+(?:the |any |all |this |our )?{_MACHINE}\b",
        rf"\battention\b[^.!?]{{0,15}}\b{_MACHINE}\b",
        rf"\b{_MACHINE}\b[^.!?]{{0,40}}\b(?:must|should|shall|has to|have to) {_DEEDS}\b",
        # A forged speaker or a forged border.
        rf"^\W{{0,3}}(?:system|developer|{_MACHINE})\s*[:>\]]",
        r"</?\s*(?:system|instructions?|assistant|prompt|source|data|im_start|im_end)\b",
        r"\[/?(?:inst|system)\]|<\|",
        # What an answer is to be, rather than the answer.
        r"\b(?:reply|respond|answer|output|print|repeat)\b(?: \w+)?"
        r"(?: only| exactly| just| verbatim| with| in)+ "
        r"(?:exactly|only|just|the (?:word|phrase|text|following|sentence)s?|[\"'“‘])",
        r"\b(?:tell|inform|promise|assure|instruct) (?:the |every |each |all )?customers?\b",
        r"\b(?:do not|don't|never) (?:cite|mention|reveal|quote)\b",
        rf"\bnew {_RULES}\b\s*:",
        # Deeds that no draft does.
        r"\b(?:call|invoke) (?:the )?[\w.\- ]{0,30}\btools?\b",
        r"\bapprove (?:this|the|all|every|any) (?:draft|refund|proposal|action|reply)s?\b",
    )
)


def gives_orders(text: str) -> bool:
    """Whether a text speaks to an assistant."""
    said = normalise_line(text)
    return any(order.search(said) for order in _ORDERS)
