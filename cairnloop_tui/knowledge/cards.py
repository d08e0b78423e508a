"""How articles read in their list, and what stands around one of them; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cairnloop_engine.core.ids import ArticleId
from cairnloop_engine.core.text import humanise
from cairnloop_engine.knowledge.model import ArticleStatus, RevisionState
from cairnloop_engine.knowledge.reads import ArticleRow, ArticleView, RevisionView
from cairnloop_tui.labels import Label
from cairnloop_tui.lists.row_list import RowSpot
from cairnloop_tui.text import (
    Block,
    Line,
    Para,
    Piece,
    ago,
    ago_words,
    clock_time,
    cut_line,
    fit,
    fit_right,
    muted,
    one_line,
    strong,
)
from cairnloop_tui.theme.glyphs import Glyphs
from cairnloop_tui.theme.tokens import Tone
from cairnloop_tui.widgets.tab_strip import Tab

_STATUSES: Mapping[ArticleStatus, Label] = MappingProxyType(
    {
        ArticleStatus.PUBLISHED: Label("Published", Tone.SUCCESS),
        ArticleStatus.DRAFT: Label("Draft", Tone.AI),
        ArticleStatus.ARCHIVED: Label("Archived", Tone.MUTED),
    }
)
_STATES: Mapping[RevisionState, Label] = MappingProxyType(
    {
        RevisionState.PUBLISHED: Label("Published", Tone.SUCCESS),
        RevisionState.DRAFT: Label("Draft", Tone.AI),
        RevisionState.ARCHIVED: Label("Replaced", Tone.MUTED),
    }
)


@dataclass(frozen=True, slots=True)
class StatusTab:
    """Which articles are listed; ``letter`` follows ``f`` and stands in the label."""

    key: str
    label: str
    letter: str
    status: ArticleStatus | None
    empty: str


TABS: Mapping[str, StatusTab] = MappingProxyType(
    {
        tab.key: tab
        for tab in (
            StatusTab("all", "All", "a", None, "There is no article yet. c writes the first."),
            StatusTab(
                "published",
                "Published",
                "p",
                ArticleStatus.PUBLISHED,
                "Nothing is published, so no draft can be grounded.",
            ),
            StatusTab(
                "drafts",
                "Never published",
                "n",
                ArticleStatus.DRAFT,
                "Every article was published at least once.",
            ),
            StatusTab("archived", "Archived", "r", ArticleStatus.ARCHIVED, "Nothing is archived."),
        )
    }
)


def tab_strip() -> tuple[Tab, ...]:
    return tuple(Tab(tab.key, tab.label, tab.letter) for tab in TABS.values())


def status_label(status: ArticleStatus) -> Label:
    return _STATUSES.get(status) or Label(humanise(str(status)))


# The list


def row_line(row: ArticleRow, spot: RowSpot) -> Line:
    """One line. What we know stands left of what others wrote."""
    label = status_label(row.status)
    index = {None: "", True: "indexed", False: "words"}[row.indexed]
    return cut_line(
        (
            Piece(f"{spot.glyphs.of(label.tone)} ", label.tone),
            Piece(fit(label.words, 10), label.tone),
            muted(fit(f"v{row.published_version or row.version}", 5)),
            Piece(fit("draft" if draft_beside(row) else "", 6), Tone.AI, bold=True),
            Piece(fit(index, 8), Tone.MUTED if row.indexed else Tone.WARNING),
            muted(f"{fit_right(ago(row.updated_at, spot.now), 4)}  "),
            Piece(one_line(row.title, 300), bold=row.status is not ArticleStatus.ARCHIVED),
            muted(f"  {one_line(row.source_path, 200)}"),
        ),
        spot.width,
    )


def draft_beside(row: ArticleRow) -> bool:
    """Whether a draft waits beside what is published."""
    return row.has_draft and row.published_version is not None


def head_line(width: int) -> Line:
    """What the columns are."""
    words = "".join(
        ("   ", fit("  Status", 12), fit("Ver.", 5), fit("", 6), fit("Search", 8), "Age   Title")
    )
    return cut_line((muted(words),), width)


# One article


def article_lines(article: ArticleView, width: int, now: datetime, glyphs: Glyphs) -> list[Line]:
    """Status and title, then how current it is and who changed it."""
    label = status_label(article.status)
    first = (
        Piece(f" {glyphs.of(label.tone)} {label.words}", label.tone),
        muted(f"  article {article.id}  "),
        strong(one_line(article.title, 300)),
    )
    dot = f" {glyphs.dot} "
    facts = [*_index_words(article), f"changed {ago_words(article.updated_at, now)}"]
    if article.source_path:
        facts.append(f"from {one_line(article.source_path, 200)}")
    second: list[Piece] = [muted(f" {dot.join(facts)}")]
    draft = article.draft
    if draft is not None and article.published is not None:
        waits = Piece(f" {glyphs.of(Tone.AI)} draft v{draft.version} waits", Tone.AI)
        second = [waits, muted(f" {glyphs.dot}"), *second]
    return [cut_line(first, width), cut_line(tuple(second), width)]


def _index_words(article: ArticleView) -> list[str]:
    current = article.published
    if current is None:
        return ["not to be found by a search"]
    found = "indexed" if current.indexed else "found by words, vectors follow"
    return [f"v{current.version} published", found]


def revision_words(revision: RevisionView, now: datetime) -> str:
    """Which revision, and who made it what it is."""
    label = _STATES.get(revision.state) or Label(humanise(str(revision.state)))
    return f"v{revision.version} {label.words.lower()}, {changed_by(revision, now)}"


def changed_by(revision: RevisionView, now: datetime) -> str:
    """Who saved or published a revision last, and when."""
    at, verb, who = revision.updated_at, "saved", revision.author
    if revision.published_at is not None:
        at, verb, who = revision.published_at, "published", revision.published_by or ""
    return f"{verb} by {one_line(who, 40) or 'nobody known'} {ago_words(at, now)}"


def saved_elsewhere(article: ArticleView, now: datetime) -> str:
    """What happened to an article under somebody who writes in it."""
    if article.status is ArticleStatus.ARCHIVED:
        return f"The article was archived {ago_words(article.updated_at, now)}"
    latest = article.latest
    at = latest.published_at or latest.updated_at
    did = "published" if latest.published_at is not None else "saved"
    who = (latest.published_by if latest.published_at else latest.author) or "Somebody"
    return f"{one_line(who, 40)} {did} v{latest.version} at {clock_time(at)}"


def revision_blocks(
    article: ArticleView, shown: int, now: datetime, glyphs: Glyphs
) -> tuple[Block, ...]:
    """Every revision, newest first; the one that is shown is marked."""
    blocks = [Block((Para((strong(" Revisions"),)),))]
    for revision in article.revisions:
        label = _STATES.get(revision.state) or Label(humanise(str(revision.state)))
        is_shown = revision.version == shown
        head = (
            Piece(f"{glyphs.of(label.tone)} ", label.tone),
            Piece(f"v{revision.version} {label.words}", label.tone, bold=is_shown),
            *((strong("  shown", Tone.PRIMARY),) if is_shown else ()),
        )
        paras = [Para(head), Para((muted(f"  {changed_by(revision, now)}"),), hang=2)]
        if revision.hidden_characters:
            words = f"  {glyphs.warning} hidden characters"
            paras.append(Para((Piece(words, Tone.WARNING),), hang=2))
        blocks.append(Block(tuple(paras), key=revision.version))
    return tuple(blocks)


@dataclass(frozen=True, slots=True)
class Place:
    """A link from this article, or one that leads here; ``key`` is that of its block."""

    key: int
    words: str
    article_id: ArticleId | None
    broken: bool
    leads_here: bool


def places(article: ArticleView) -> tuple[Place, ...]:
    """The links of the newest revision, then those of other articles that lead here."""
    there = [
        (one_line(link.title or link.target, 200), link.article_id, link.broken, False)
        for link in article.links
    ]
    here = [(one_line(link.title, 200), link.article_id, False, True) for link in article.backlinks]
    # Versions count upwards, so that no revision has such a key.
    return tuple(Place(-number, *place) for number, place in enumerate((*there, *here), start=1))


def place_blocks(article: ArticleView, glyphs: Glyphs) -> tuple[Block, ...]:
    """Where the article leads, and what leads to it."""
    blocks: list[Block] = []
    for title, back in ((" Links", False), (" Linked from", True)):
        found = [place for place in places(article) if place.leads_here is back]
        if found:
            blocks.append(Block((Para(), Para((strong(title),)))))
        for place in found:
            sign = Piece(f"{glyphs.path} ", Tone.PRIMARY)
            if place.broken:
                sign = Piece(f"{glyphs.warning} ", Tone.WARNING)
            words = " leads nowhere" if place.broken else ""
            para = Para((sign, Piece(place.words), Piece(words, Tone.WARNING)), hang=2)
            blocks.append(Block((para,), key=place.key))
    return tuple(blocks)


# Around the editor


def editor_banner(
    article: ArticleView, *, unsaved: bool, theirs: ArticleView | None, now: datetime
) -> tuple[str, Tone]:
    """Where a save goes, or that somebody else saved meanwhile."""
    if theirs is not None:
        said = saved_elsewhere(theirs, now)
        return f"{said} while you wrote. Your text is kept; Ctrl+S asks what to do.", Tone.WARNING
    state = "Not saved yet. " if unsaved else ""
    draft, current = article.draft, article.published
    if draft is None:
        newest = article.latest.version
        words = f"Published v{newest} stays as it is: editing begins a new draft, v{newest + 1}."
        return f"{state}{words}", Tone.INFO
    words = f"Draft v{draft.version}, {changed_by(draft, now)}."
    if current is not None:
        words = f"{words} Published v{current.version} is what customers get."
    return f"{state}{words}", Tone.INFO if not unsaved else Tone.AI
