"""How actions read: every state has words, odd input never breaks a screen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairnloop_engine.audit.labels import KNOWN
from cairnloop_engine.core.ids import ApprovalId, ConversationId, ProposalId
from cairnloop_engine.governance import history, labels, presenter
from cairnloop_engine.governance.labels import Group, Tone
from cairnloop_engine.governance.masking import MASK, InputRow, input_rows
from cairnloop_engine.governance.model import (
    ApprovalMode,
    ApprovalStatus,
    AttemptState,
    Origin,
    ProposalStatus,
    ResultState,
    RiskTier,
)
from cairnloop_engine.governance.views import (
    ActionRow,
    ActionView,
    AttemptView,
    HistoryEvent,
    PolicyView,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROW = ActionRow(
    id=ProposalId(4),
    tool="refund",
    title="Refund an order",
    consequence="Pays 82.00 back for order A-17.",
    status=ProposalStatus.PROPOSED,
    approval_id=ApprovalId(9),
    approval_status=ApprovalStatus.PENDING,
    risk_tier=RiskTier.HIGH_WRITE,
    approval_mode=ApprovalMode.REQUIRES_APPROVAL,
    origin=Origin.OPERATOR,
    proposed_by_kind="operator",
    proposed_by="maya",
    conversation_id=ConversationId(17),
    digest="a" * 64,
    changed=False,
    expires_at=NOW + timedelta(hours=48),
    defer_until=None,
    decided_by=None,
    decided_at=None,
    reason=None,
    blocked_code=None,
    blocked_reason=None,
    outcome_code=None,
    outcome=None,
    attempts=0,
    result_state=ResultState.NOT_EXECUTED,
    created_at=NOW,
    updated_at=NOW,
)
VIEW = ActionView(
    row=ROW,
    version="1",
    account_id="acme",
    inputs=(InputRow("order", "Order", "A-17", False),),
    raw_input={},
    scopes=("billing",),
    required_scopes=("billing",),
    policy=PolicyView("proposed", "requires_approval", None, "derived", "r1", None, None),
    targets=(("order", "A-17", "1"),),
    idempotency_key="0123456789abcdef",
    supersedes_id=ProposalId(3),
    approvals=(),
    attempts=(),
    history=(),
)
ATTEMPT = AttemptView(
    id=1,
    approval_id=ApprovalId(9),
    attempt=2,
    state=AttemptState.UNKNOWN,
    run_key="k",
    code=None,
    summary=None,
    facts={},
    prepared_at=NOW,
    started_at=NOW,
    finished_at=None,
)
RAW_SYNTAX = ("{", "}", "<", "ApprovalStatus.", "None", "governance.", "_")


def event(
    name: str,
    *,
    actor: str = "maya",
    kind: str = "operator",
    words: dict[str, str] | None = None,
    **facts: object,
) -> HistoryEvent:
    return HistoryEvent(1, NOW, kind, actor, f"governance.{name}", words or {}, facts)  # type: ignore[arg-type]


# States


@pytest.mark.requirement("02-governance:105")
@pytest.mark.parametrize(
    ("status", "words", "pile"),
    [
        ("proposed", "Proposed", Group.AWAITING),
        ("needs_input", "Needs input", Group.AWAITING),
        ("scope_invalid", "Not available here", Group.BLOCKED),
        ("policy_denied", "Blocked by policy", Group.BLOCKED),
        ("something_else", "Unknown status", Group.BLOCKED),
    ],
)
def test_what_the_gates_said_has_words_a_meaning_and_a_pile(
    status: str, words: str, pile: Group
) -> None:
    label = labels.proposal_label(status)

    assert (label.words, labels.group(status)) == (words, pile)
    assert label.meaning.endswith(".")


@pytest.mark.requirement("02-governance:105")
@pytest.mark.parametrize(
    ("pile", "statuses"),
    [
        (Group.AWAITING, ["pending", "returned", "execution_unknown"]),
        (Group.ACTIVE, ["approved", "execution_pending"]),
        (
            Group.DONE,
            [
                "rejected",
                "deferred",
                "expired",
                "invalidated",
                "superseded",
                "executed",
                "execution_failed",
            ],
        ),
    ],
)
def test_approvals_lie_in_their_pile_and_what_ran_is_never_blocked(
    pile: Group, statuses: list[str]
) -> None:
    assert {labels.group(status) for status in statuses} == {pile}
    assert labels.group_label(pile) == pile.value.title()


def test_an_unknown_pile_has_a_word() -> None:
    assert labels.group_label("lost") == "Unknown"
    assert labels.group_label(None) == "Unknown"


@pytest.mark.parametrize("status", list(ApprovalStatus))
def test_every_state_of_an_approval_has_words_and_a_meaning(status: ApprovalStatus) -> None:
    label = labels.approval_label(status)

    assert label.words != "Unknown status"
    assert label.meaning


def test_one_chip_shows_the_outcome_of_the_approval_over_what_the_gates_said() -> None:
    assert presenter.row_chip(ROW).words == "Waits for a decision"
    ran = replace(ROW, approval_status=ApprovalStatus.EXECUTED)
    assert presenter.row_chip(ran) == labels.approval_label("executed")
    blocked = replace(ROW, status=ProposalStatus.POLICY_DENIED, approval_status=None)
    assert presenter.row_chip(blocked).words == "Blocked by policy"


def test_an_unknown_outcome_says_that_a_person_is_needed() -> None:
    assert labels.approval_label("execution_unknown").words == "Unknown, needs a person"
    assert labels.approval_label("execution_unknown").tone is Tone.DANGER


@pytest.mark.requirement("02-governance:108")
@pytest.mark.parametrize(
    ("tier", "words", "tone"),
    [
        (RiskTier.READ_ONLY, "Read-only", Tone.INFO),
        (RiskTier.LOW_WRITE, "Low write", Tone.WARNING),
        (RiskTier.HIGH_WRITE, "High write", Tone.DANGER),
        (RiskTier.DESTRUCTIVE, "Destructive", Tone.DANGER),
        ("novel", "Unknown", Tone.INFO),
        (None, "Unknown", Tone.INFO),
    ],
)
def test_every_risk_has_words_and_a_tone(tier: object, words: str, tone: Tone) -> None:
    label = labels.risk_label(tier)

    assert (label.words, label.tone) == (words, tone)


def test_modes_attempts_and_origins_have_words() -> None:
    assert [labels.mode_label(mode) for mode in ApprovalMode] == [
        "Auto",
        "Requires approval",
        "Always blocked",
    ]
    assert labels.mode_label(7) == "Unknown"
    assert all(labels.attempt_label(state).meaning for state in AttemptState)
    assert labels.attempt_label("odd").words == "Unknown state"
    assert labels.origin_words("ai") == "the AI flow"
    assert labels.origin_words(None) == "somebody"


# Outlook


@pytest.mark.requirement("02-governance:106")
def test_before_there_is_an_approval_the_outlook_speaks_of_the_future() -> None:
    assert presenter.outlook(ApprovalMode.AUTO, None) is None
    needed = presenter.outlook(ApprovalMode.REQUIRES_APPROVAL, None)
    assert needed is not None
    assert "will be needed" in needed
    blocked = presenter.outlook(ApprovalMode.ALWAYS_BLOCK, None)
    assert blocked is not None
    assert "cannot" in blocked
    assert presenter.outlook("odd", None) is None


@pytest.mark.requirement("02-governance:106")
def test_with_an_approval_that_waits_the_outlook_speaks_of_now() -> None:
    said = presenter.row_outlook(ROW)

    assert said is not None
    assert said.startswith("Pending approval")
    assert "will be" not in said


@pytest.mark.parametrize("status", list(ApprovalStatus))
def test_every_state_of_an_approval_has_an_outlook(status: ApprovalStatus) -> None:
    said = presenter.outlook("requires_approval", status)

    assert said
    assert not any(raw in said for raw in RAW_SYNTAX)


@pytest.mark.requirement("02-governance:107")
def test_an_outcome_tells_what_the_tool_said_and_never_nothing() -> None:
    ran = replace(ROW, approval_status=ApprovalStatus.EXECUTED, outcome="Paid 82.00 back.")
    assert presenter.row_outlook(ran) == "Action completed: Paid 82.00 back."
    assert presenter.row_outlook(replace(ran, outcome=None)) == "Action completed: Done."
    failed = replace(ran, approval_status=ApprovalStatus.EXECUTION_FAILED, outcome=None)
    assert presenter.row_outlook(failed) == "Action failed: it did not take effect."


def test_a_decision_tells_its_reason_or_that_there_is_none() -> None:
    assert presenter.outlook("auto", "rejected", reason="Too much") == "Rejected: Too much"
    assert presenter.outlook("auto", "rejected") == "Rejected: no reason was given"
    later = presenter.outlook("auto", "deferred", reason="Weekend", until=NOW)
    assert later is not None
    assert later.startswith("Deferred: Weekend It comes back at 2026-06-0")
    assert presenter.outlook("auto", "not_a_state") is None


def test_a_blocked_attempt_promises_nothing() -> None:
    stopped = replace(ROW, status=ProposalStatus.NEEDS_INPUT, approval_status=None)
    assert presenter.row_outlook(stopped) is None
    never = replace(
        stopped, status=ProposalStatus.POLICY_DENIED, approval_mode=ApprovalMode.ALWAYS_BLOCK
    )
    assert "cannot be approved" in str(presenter.row_outlook(never))


# Reasons


@pytest.mark.requirement("02-governance:109")
@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (None, None),
        ("", None),
        ("denied", "Denied by policy"),
        ("no_policy_defined", "No policy defined"),
        ("scope_mismatch", "Scope mismatch"),
        ("unknown_tool", "Tool not available"),
        ("over_the_limit", "Over the limit"),
        ("It is too much.", "It is too much."),
        (("missing_scopes", ["billing", "refunds"]), "Missing rights: billing, refunds"),
        ({"scopes": ["billing"]}, "Missing rights: billing"),
        ({"scopes": []}, "Missing rights: unknown"),
        (("denied", {"by": "rule 4"}), "Denied by policy"),
        ({"code": "denied"}, "Denied by policy"),
        ({"odd": 1}, "It was blocked"),
        (object(), "It was blocked"),
        (3, "It was blocked"),
    ],
)
def test_a_reason_of_any_shape_has_words(reason: object, words: str | None) -> None:
    assert presenter.reason_label(reason) == words


def test_what_stopped_an_attempt_is_told_and_what_passed_has_no_such_line() -> None:
    assert presenter.row_block_reason(ROW) is None
    denied = replace(
        ROW,
        status=ProposalStatus.POLICY_DENIED,
        blocked_code="too_much",
        blocked_reason="That is too much.",
    )
    assert presenter.row_block_reason(denied) == "Blocked by policy: That is too much."
    assert (
        presenter.row_block_reason(replace(denied, blocked_reason=None))
        == "Blocked by policy: Too much"
    )
    bare = replace(denied, blocked_reason=None, blocked_code=None)
    assert str(presenter.row_block_reason(bare)).startswith("Blocked by policy: A rule")
    assert presenter.block_reason("odd") is None


@pytest.mark.parametrize(
    ("outcome", "part"),
    [
        ("policy_denied", "said no"),
        ("scope_invalid", "did not hold the rights"),
        ("needs_input", "not complete"),
        ("proposed", "passed the policy"),
        (None, "passed the policy"),
        ("odd", "unavailable"),
        (4, "unavailable"),
    ],
)
def test_the_outcome_alone_explains_the_policy(outcome: object, part: str) -> None:
    assert part in presenter.policy_explanation(outcome)


def test_needed_rights_are_listed_and_missing_ones_named() -> None:
    assert presenter.scope_summary(()) == "No special rights needed."
    assert presenter.scope_summary(["billing"], ["billing"]) == "Needs billing."
    assert presenter.scope_summary(["billing"], []) == "Needs billing. Missing: billing."
    assert presenter.scope_summary(None) == "Required rights are unavailable."


@pytest.mark.requirement("02-governance:110")
def test_inputs_show_no_structure_and_no_secret() -> None:
    rows = input_rows({"order": "A-17", "api_key": "sk-1", "lines": [{"a": 1}], "note": None})

    assert [(row.label, row.value) for row in rows] == [
        ("Api key", MASK),
        ("Lines", "Unsupported value"),
        ("Note", ""),
        ("Order", "A-17"),
    ]


# Names, times, identifiers


@pytest.mark.requirement("02-governance:104")
def test_an_action_is_called_by_what_was_stored_about_it() -> None:
    assert presenter.row_headline(ROW) == "Refund an order"
    assert presenter.headline(" ", "Pays 82.00 back.", "refund") == "Pays 82.00 back."
    assert presenter.headline(None, None, "host.tools.RefundOrder") == "Refund Order"
    for odd in (None, "", "host.tools.", 5):
        assert presenter.headline(None, None, odd) == "Unknown tool"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1m ago"),
        (3_599, "59m ago"),
        (3_600, "1h ago"),
        (86_400, "1d ago"),
        (30 * 86_400, "1mo ago"),
        (365 * 86_400, "1y ago"),
    ],
)
def test_ages_are_told_in_one_unit(seconds: int, words: str) -> None:
    assert presenter.relative_time(NOW - timedelta(seconds=seconds), NOW) == words


def test_an_unknown_time_is_said_to_be_unknown() -> None:
    assert presenter.relative_time(None, NOW) == "Unknown time"


def test_long_keys_show_their_end_and_digests_their_beginning() -> None:
    assert presenter.tail("0123456789abcdef") == "…89abcdef"
    assert presenter.tail("short") == "short"
    assert presenter.tail(None) == "—"
    assert presenter.short_digest("a" * 64) == "aaaaaaaaaaaa…"
    assert presenter.short_digest(None) == "—"


def test_the_trace_holds_what_identifies_an_action_and_never_the_whole_key() -> None:
    rows = dict(presenter.trace(VIEW))

    assert rows["Action"] == "4"
    assert rows["Key"] == "…89abcdef"
    assert rows["Replaces"] == "action 3"
    assert rows["About"] == "order A-17, revision 1"
    assert VIEW.idempotency_key not in str(rows)


def test_a_line_of_the_ledger_says_what_is_known() -> None:
    assert presenter.attempt_line(ATTEMPT) == (
        "Attempt 2: Unknown. nobody knows whether it happened"
    )
    done = replace(ATTEMPT, state=AttemptState.CONFIRMED, summary="Paid.")
    assert presenter.attempt_line(done) == "Attempt 2: Confirmed. Paid."


@pytest.mark.requirement("02-governance:118")
def test_what_waits_opens_its_inputs_and_what_policy_denied_its_policy_too() -> None:
    denied = replace(ROW, status=ProposalStatus.POLICY_DENIED, approval_status=None)
    plain = replace(ROW, approval_status=None)
    assert (presenter.opens_inputs(ROW), presenter.opens_policy(ROW)) == (True, False)
    assert (presenter.opens_inputs(denied), presenter.opens_policy(denied)) == (True, True)
    assert (presenter.opens_inputs(plain), presenter.opens_policy(plain)) == (False, False)


# History


@pytest.mark.requirement("02-governance:111")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (event("proposed"), "Proposed by maya"),
        (event("proposed", kind="system", actor="drafting"), "Proposed by the system"),
        (event("proposed", kind="token", actor="claude"), "Proposed by claude"),
        (event("blocked", words={"reason": "Too much."}), "Blocked: Too much."),
        (event("asked_again"), "Asked for again by maya"),
        (event("approval_requested", changed=[]), "Approval requested"),
        (
            event("approval_requested", changed=["input.amount"]),
            "Approval requested again, because of input.amount",
        ),
        (event("approved", words={"reason": "Fine"}), "Approved by maya: Fine"),
        (
            event("approved", kind="system", by_policy="policy:auto"),
            "Approved by the site's policy",
        ),
        (event("rejected", words={"reason": "No"}), "Rejected by maya: No"),
        (event("deferred", words={"reason": "Later"}), "Deferred by maya: Later"),
        (event("returned", words={"reason": "Which?"}), "Returned by maya with a question: Which?"),
        (event("answered", words={"answer": "A-17"}), "Answered by maya: A-17"),
        (event("reopened"), "Opened again by maya"),
        (event("superseded"), "Replaced by maya with another version"),
        (event("expired"), "Expired: nobody decided in time"),
        (event("invalidated"), "Invalidated"),
        (event("digest_mismatch", changed=["input.amount"]), "after the approval: input.amount"),
        (event("revalidation_passed"), "Checked again and passed"),
        (event("revalidation_failed", words={"reason": "No rights"}), "stopped: No rights"),
        (event("execution_started", attempt=2), "Attempt 2 started"),
        (event("execution_succeeded", words={"summary": "Paid"}), "Attempt 1 completed: Paid"),
        (
            event("execution_attempt_failed", attempt=3, effect="none"),
            "Attempt 3 failed, no effect",
        ),
        (event("execution_attempt_failed", effect="unknown"), "its effect is unknown"),
        (event("execution_failed", attempt=3), "Failed after attempt 3"),
        (event("execution_unknown", attempt=1), "a person has to settle it"),
        (event("reconciled", found="confirmed"), "the effect happened"),
        (event("reconciled", found="absent"), "knows of no effect"),
        (event("reconciled", found="unclear"), "could not tell"),
        (
            event("settled", outcome="confirmed", words={"reason": "Seen"}),
            "Settled by maya: it happened (Seen)",
        ),
        (event("settled", outcome="failed"), "it did not happen"),
        (event("late_outcome", outcome="confirmed"), "A late report about attempt 1: confirmed"),
        (event("never_heard_of"), "Workflow updated"),
    ],
    ids=lambda value: value.event if isinstance(value, HistoryEvent) else "",
)
def test_each_event_tells_what_happened_who_did_it_and_why(given: HistoryEvent, said: str) -> None:
    line = history.history_line(given)

    assert said in line
    assert "governance." not in line


def test_every_recorded_event_of_governance_has_its_own_line() -> None:
    recorded = set(labels_of_the_trail())

    unknown = {name for name in recorded if history.history_line(event(name)) == "Workflow updated"}
    assert unknown == {"override_loosened"}


def labels_of_the_trail() -> list[str]:
    return [name.removeprefix("governance.") for name in KNOWN if name.startswith("governance.")]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.integers()),
)


@given(ODD, ODD)
def test_no_odd_value_breaks_a_line(one: object, other: object) -> None:
    labels.chip(one, other)
    labels.risk_label(one)
    labels.mode_label(one)
    labels.attempt_label(one)
    labels.group_label(one)
    presenter.outlook(one, other, reason=one, outcome=other, until=one)
    presenter.block_reason(one, other, one)
    presenter.reason_label(one)
    presenter.scope_summary(one, other)
    presenter.policy_explanation(one)
    presenter.headline(one, other, one)
    presenter.relative_time(one, NOW)
    presenter.tail(one)


@given(st.sampled_from(labels_of_the_trail()), ODD, ODD)
def test_no_odd_fact_breaks_the_history(name: str, one: object, other: object) -> None:
    facts = {"attempt": one, "changed": other, "outcome": one, "found": other, "effect": one}

    assert history.history_line(event(name, **facts))


@pytest.mark.parametrize(
    ("status", "approval"), list(product(ProposalStatus, [None, *ApprovalStatus]))
)
def test_every_combination_of_states_has_a_chip(
    status: ProposalStatus, approval: ApprovalStatus | None
) -> None:
    assert labels.chip(status, approval).words != "Unknown status"
