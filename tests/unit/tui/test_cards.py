"""How conversations, messages, drafts and results read; states always in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cairnloop_engine.conversations.model import (
    Activity,
    Citation,
    Delivery,
    Role,
    Sort,
    State,
    Status,
)
from cairnloop_engine.conversations.reads import (
    ContextView,
    Counts,
    InboxRow,
    MessageView,
    PresenceView,
    Thread,
)
from cairnloop_engine.core.ids import ConversationId, DraftId, MessageId
from cairnloop_engine.governance.views import ActionCounts
from cairnloop_tui import labels
from cairnloop_tui.conversation import cards, decide
from cairnloop_tui.conversation.window import Window
from cairnloop_tui.home.cards import hero_lines, lane_line, lanes, next_lines
from cairnloop_tui.inbox.cards import preview_blocks, row_line
from cairnloop_tui.inbox.tabs import TABS, narrowed, tab_filter, tab_strip
from cairnloop_tui.lists.row_list import RowSpot
from cairnloop_tui.text import Block, Line, width_of, words_of, wrap
from cairnloop_tui.theme.glyphs import ASCII, UNICODE, Glyphs
from cairnloop_tui.widgets.tab_strip import tab_line

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROW = InboxRow(
    id=ConversationId(17),
    status=Status.OPEN,
    state=State.NEW,
    subject="Refund for a double charge",
    customer_ref="acme",
    assignee=None,
    revision=3,
    waiting_since=NOW - timedelta(hours=2),
    last_message_at=NOW - timedelta(hours=1),
    last_excerpt="Could you refund it?",
    last_role=Role.USER,
    message_count=5,
    draft_id=None,
    draft_type=None,
    held=False,
    resolved_at=None,
    resolved_by=None,
    previous_id=None,
    inserted_at=NOW - timedelta(hours=3),
)
MESSAGE = MessageView(
    id=MessageId(1),
    conversation_id=ConversationId(17),
    sequence=1,
    customer_position=1,
    role=Role.USER,
    delivery=Delivery.RECEIVED,
    content="I was charged twice.",
    author_kind="customer",
    author_id="acme",
    draft_id=None,
    citations=(),
    hidden_characters=False,
    visible_at=None,
    released_at=None,
    inserted_at=NOW - timedelta(hours=2),
)
NO_COUNTS = Counts(0, 0, 0, 0, 0, 0, 0)


def spot(width: int = 76, glyphs: Glyphs = UNICODE) -> RowSpot:
    return RowSpot(width, NOW, glyphs)


def text_of(blocks: tuple[Block, ...], width: int = 60) -> str:
    lines = [one for block in blocks for para in block.paras for one in wrap(para, width)]
    return "\n".join(words_of(one).rstrip() for one in lines)


def words(line: Line) -> str:
    return words_of(line).rstrip()


# Rows


def test_a_row_tells_state_age_flags_and_id_before_what_the_customer_wrote() -> None:
    row = replace(ROW, draft_id=DraftId(4), held=True, assignee="noor")

    assert words(row_line(row, spot())).startswith(
        "◆ New        2h  DH@ #17  Refund for a double charge  acme"
    )


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_every_state_has_a_sign_and_a_word_in_its_row(state: State, glyphs: Glyphs) -> None:
    label = labels.state_label(state)

    shown = words(row_line(replace(ROW, state=state), spot(glyphs=glyphs)))

    assert shown.startswith(f"{glyphs.of(label.tone)} {label.words}")


@pytest.mark.parametrize("width", [30, 57, 76, 120, 200])
def test_a_row_never_takes_more_than_its_width(width: int) -> None:
    wide = replace(ROW, subject="退款" * 80, customer_ref="客户" * 40, id=ConversationId(10**7))

    assert width_of(row_line(wide, spot(width))) <= width


def test_a_conversation_without_a_subject_is_called_by_its_last_words() -> None:
    assert "Could you refund it?" in words(row_line(replace(ROW, subject=None), spot()))
    assert labels.title_of(replace(ROW, subject=None, last_excerpt="")) == "No subject"


def test_the_preview_shows_the_last_messages_and_counts_the_rest() -> None:
    thread = Thread(ROW, (MESSAGE,), (), None)

    shown = text_of(preview_blocks(ROW, thread, NOW, UNICODE))

    assert "4 earlier" in shown
    assert "│ I was charged twice." in shown


def test_a_preview_of_another_conversation_is_not_shown() -> None:
    other = replace(ROW, id=ConversationId(99))

    shown = text_of(preview_blocks(ROW, Thread(other, (MESSAGE,), (), None), NOW, UNICODE))

    assert "charged twice" not in shown


# Tabs


def test_every_letter_of_a_tab_stands_in_its_label_and_means_one_tab() -> None:
    letters = [tab.letter for tab in TABS.values()]

    assert len(set(letters)) == len(letters)
    assert all(tab.letter in tab.label.lower() for tab in TABS.values())


def test_the_strip_fits_eighty_columns_with_counts() -> None:
    counts = Counts(6, 4, 4, 5, 0, 1, 0)

    line = tab_line(tab_strip(counts, "you"), "you", (), 80)

    assert words(line).startswith(" [Needs you 10]  Drafts 1  New 6")
    assert words(line).endswith("All")


def test_rare_tabs_appear_when_something_is_in_them_or_they_are_chosen() -> None:
    def shown(counts: Counts, chosen: str) -> set[str]:
        return {tab.key for tab in tab_strip(counts, chosen)}

    assert "held" not in shown(NO_COUNTS, "you")
    assert "held" in shown(replace(NO_COUNTS, held=1), "you")
    assert "archived" in shown(NO_COUNTS, "archived")


def test_a_typed_filter_narrows_the_tab_and_its_states_win() -> None:
    typed = TABS["resolved"].filter
    both = narrowed(tab_filter("mine", "maya"), typed)

    assert (both.assignee, both.states) == ("maya", frozenset({State.RESOLVED}))


def test_mine_without_an_operator_lists_nobodys() -> None:
    assert tab_filter("mine", None).assignee == ""


# Home


def test_home_calms_down_only_when_the_count_is_known_and_nobody_waits() -> None:
    calm = " ".join(words(one) for one in hero_lines(NO_COUNTS, 60, problem=False))
    unknown = " ".join(words(one) for one in hero_lines(None, 60, problem=True))

    assert "All caught up" in calm
    assert "All caught up" not in unknown
    assert "Count unavailable" in unknown


def test_home_names_who_waits_and_who_is_next() -> None:
    counts = replace(NO_COUNTS, new=1, drafts=2)

    hero = " ".join(words(one) for one in hero_lines(counts, 60, problem=False))
    following = words(next_lines(ROW, 80, NOW, UNICODE)[0])

    assert "customer waits for an answer" in hero
    assert "2 drafts ready" in hero
    assert "#17 Refund for a double charge" in following


def test_every_lane_leads_to_a_tab_of_the_inbox_or_to_the_actions() -> None:
    piles = lanes(NO_COUNTS, ActionCounts(pending=1, unknown=1))

    assert [lane.tab for lane in piles[:2]] == ["unknown", "actions"]
    assert all(lane.tab in TABS for lane in piles[2:])
    assert all(width_of(lane_line(lane, spot(70))) <= 70 for lane in piles)


# Thread


def test_a_customer_cannot_imitate_a_role_label() -> None:
    message = replace(MESSAGE, content="Agent maya  12:00 ✓ sent\n[system] approved")

    lines = text_of((Block(cards.message_paras(message, NOW, UNICODE)),)).split("\n")

    assert lines[0].startswith("Customer")
    assert lines[1] == "│ Agent maya  12:00 ✓ sent"
    assert lines[2] == "│ [system] approved"


def test_an_internal_note_has_a_gutter_of_its_own() -> None:
    note = replace(MESSAGE, role=Role.INTERNAL_NOTE, author_id="maya")

    shown = text_of((Block(cards.message_paras(note, NOW, UNICODE)),))

    assert shown.startswith("Internal note maya")
    assert "┆ I was charged twice." in shown


def test_a_held_reply_counts_down_then_says_that_it_waits() -> None:
    held = replace(
        MESSAGE, role=Role.AGENT, delivery=Delivery.HELD, visible_at=NOW + timedelta(seconds=3.2)
    )

    def delivery(now: datetime) -> str:
        piece = cards.delivery_piece(held, now, UNICODE)
        return "" if piece is None else piece.text

    assert "sending in 4 s" in delivery(NOW)
    assert "u takes it back" in delivery(NOW)
    assert "waits for a worker" in delivery(NOW + timedelta(seconds=9))


def test_hidden_characters_are_flagged() -> None:
    odd = replace(MESSAGE, hidden_characters=True, content="pay \u202e00.84$ now")

    shown = text_of((Block(cards.message_paras(odd, NOW, UNICODE)),))

    assert "hidden characters" in shown
    assert "⟨U+202E⟩" in shown


def test_what_a_reply_rests_on_stands_below_it() -> None:
    cited = replace(
        MESSAGE, role=Role.AGENT, citations=(Citation("Rotating a key", "knowledge_base", 1),)
    )

    assert "rests on Rotating a key" in text_of((Block(cards.message_paras(cited, NOW, UNICODE)),))


def test_days_are_told_apart() -> None:
    yesterday = replace(MESSAGE, id=MessageId(0), inserted_at=NOW - timedelta(days=1))

    shown = text_of(
        cards.thread_blocks((yesterday, MESSAGE), has_older=True, now=NOW, glyphs=UNICODE)
    )

    assert "yesterday" in shown
    assert "today" in shown
    assert "earlier messages" in shown


def test_somebody_who_replies_matters_more_than_somebody_who_looks() -> None:
    noor = PresenceView("noor", Activity.REPLYING, NOW)
    maya = PresenceView("maya", Activity.VIEWING, NOW)
    sam = PresenceView("sam", Activity.VIEWING, NOW)

    assert cards.presence_words((maya, noor, sam), "maya") == "noor is replying"
    assert cards.presence_words((maya, sam), "maya") == "sam is looking"
    assert cards.presence_words((maya,), "maya") == ""


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_head_fits_and_tells_state_subject_and_customer(width: int) -> None:
    lines = cards.head_lines(ROW, (), me="maya", width=width, now=NOW, glyphs=UNICODE)

    assert len(lines) == 2
    assert all(width_of(one) <= width for one in lines)
    assert words(lines[0]).startswith(" ◆ New  #17  Refund")


@pytest.mark.parametrize(
    ("context", "says"),
    [
        (None, "acme"),
        (ContextView("empty"), "No customer context yet"),
        (ContextView("unavailable"), "unavailable"),
        (ContextView("ready", (("Plan", (("Seats", "4 of 4"),)),)), "Seats  4 of 4"),
    ],
)
def test_the_customer_card_says_what_is_known(context: ContextView | None, says: str) -> None:
    assert says in text_of(cards.context_blocks(context, ROW, UNICODE))


@pytest.mark.parametrize("state", list(State))
def test_without_a_draft_every_state_says_what_to_do_next(state: State) -> None:
    row = replace(ROW, state=state)

    blocks = decide.decision_blocks(row, None, now=NOW, glyphs=UNICODE)

    assert len(text_of(blocks).split("\n")) >= 3
    assert width_of(decide.decision_line(row, None, 80, NOW, UNICODE)) <= 80


# Labels


def test_words_for_unknown_values_are_human_too() -> None:
    assert labels.draft_type_label("brand_new").words == "Brand new"
    assert labels.source_label("forum_post").words == "Forum post"
    assert labels.grounding_label("odd").words == "Grounding needs review"
    assert labels.reason_words("odd") == "Grounding needs review."
    assert [labels.sort_words(sort) for sort in Sort] == [
        "oldest waiting first",
        "most recent first",
    ]


# The loaded part of a thread


def _messages(*sequences: int) -> tuple[MessageView, ...]:
    return tuple(replace(MESSAGE, id=MessageId(n), sequence=n) for n in sequences)


def test_a_refresh_keeps_earlier_messages_that_were_loaded() -> None:
    window = Window().refreshed(Thread(ROW, _messages(5, 6), (), "back"))
    window = window.extended(Thread(ROW, _messages(3, 4), (), None))
    window = window.refreshed(Thread(ROW, _messages(6, 7), (), "back"))

    assert [m.sequence for m in window.messages] == [3, 4, 5, 6, 7]
    assert window.cursor is None


def test_when_more_arrived_than_a_page_the_thread_starts_over_without_a_gap() -> None:
    window = Window().refreshed(Thread(ROW, _messages(1, 2), (), None))
    window = window.refreshed(Thread(ROW, _messages(8, 9), (), "back"))

    assert [m.sequence for m in window.messages] == [8, 9]
    assert window.cursor == "back"
