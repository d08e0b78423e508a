"""The acceptance cases of the specification: how many there are, and which are not built yet.

A test names the case that it proves with ``@pytest.mark.requirement("01-conversations:141")``.
A case inside an open range may be proven already; a case outside of every open range must be.
``tests/architecture/test_requirements.py`` compares both directions.
"""

from __future__ import annotations

from dataclasses import dataclass

# Case numbers run from 1; spec 04 leaves some out. A letter begins a series of its own.
CASES = {
    "01-conversations": 158,
    "02-governance": 156,
    "03-retrieval-drafting": 115,
    "04-knowledge-automation": 166,
    "05-ui": 145,
    "06-demo-fixtures": 21,
}
EXTRA_CASES = {("02-governance", "B"): 19}


@dataclass(frozen=True, slots=True)
class Open:
    """Cases first…last of a document are not (all) built yet, because of ``reason``.

    ``series`` is the letter before the numbers of cases that stand apart.
    """

    document: str
    first: int
    last: int
    reason: str
    series: str = ""

    def cases(self) -> set[tuple[str, str]]:
        """Document and number of each."""
        numbers = range(self.first, self.last + 1)
        return {(self.document, f"{self.series}{number}") for number in numbers}


def every_case() -> list[tuple[str, str]]:
    """Document and number of each case that there is, in order."""
    series = {(document, ""): count for document, count in CASES.items()} | EXTRA_CASES
    return [
        (document, f"{letter}{number}")
        for (document, letter), count in series.items()
        for number in range(1, count + 1)
    ]


OPEN = (
    Open("01-conversations", 1, 20, "the parts that name the original's tables and seams"),
    Open("01-conversations", 21, 40, "SLA clocks come with the channels"),
    Open("01-conversations", 41, 54, "CSAT, SLA and notifications at resolving"),
    Open("01-conversations", 55, 57, "the notifier"),
    Open("01-conversations", 58, 81, "follow-ups and their delivery"),
    Open("01-conversations", 82, 104, "bulk recovery"),
    Open("01-conversations", 105, 124, "the inbox beyond its first cut"),
    Open("01-conversations", 125, 144, "mail, CSAT from the chat"),
    Open("01-conversations", 145, 158, "host auditor, traces, the whole golden path"),
    Open("02-governance", 8, 8, "typed forms from the input model replace a tool's own screen"),
    Open("02-governance", 46, 49, "the one trail of all domains replaces a table of its own"),
    Open("02-governance", 125, 125, "web sessions of a host; a console has one operator"),
    Open("02-governance", 128, 128, "rows that a host scopes by operator"),
    Open("02-governance", 129, 129, "there is one trail, and no auditor to be left out"),
    Open("02-governance", 139, 150, "tokens and MCP"),
    Open("02-governance", 152, 154, "bulk recovery and its envelopes"),
    Open("02-governance", 155, 155, "the default requires approval, and drafting proves it"),
    Open("02-governance", 3, 3, "the half about MCP", series="B"),
    Open("02-governance", 16, 16, "MCP", series="B"),
    Open("02-governance", 19, 19, "tokens beside the replies and drafts", series="B"),
    Open("03-retrieval-drafting", 53, 53, "the telemetry of knowledge maintenance"),
    Open("04-knowledge-automation", 1, 166, "knowledge maintenance"),
    Open("05-ui", 1, 145, "the console beyond its first cut"),
    Open("06-demo-fixtures", 1, 21, "governance, gaps, suggestions and tokens in the scenario"),
)
