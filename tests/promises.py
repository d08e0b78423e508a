"""The promises of the product, each with the tests that would fail if it were broken."""

from __future__ import annotations

_DECISIONS = "tests/engine/drafting/test_draft_decisions.py::test_"
_RACES = "tests/races/test_draft_decisions.py::test_"
_WORKER = "tests/engine/core/test_worker.py::test_"
_CHAT = "tests/channels/test_widget_"
_ACTIONS = "tests/engine/governance/test_"
_CHAOS = "tests/chaos/test_chaos.py::test_"

PROVEN_BY: dict[str, tuple[str, ...]] = {
    # An approved effect happens at most once.
    "P1": (
        f"{_RACES}ten_approvals_at_once_send_one_message",
        f"{_DECISIONS}approving_twice_sends_once_and_says_who_was_first",
        "tests/property/test_drafts.py::test_no_order_of_events_sends_a_draft_twice",
        "tests/races/test_conversations.py::test_a_release_and_a_retract_have_one_winner",
        f"{_CHAOS}a_worker_killed_at_any_point_or_frozen_in_a_call_repeats_no_effect",
        f"{_ACTIONS}executing.py::test_many_workers_at_one_approval_make_one_call",
        f"{_ACTIONS}unknowns.py::test_an_unclear_outcome_is_never_repeated_and_waits_for_a_person",
        "tests/cli/test_actions.py::test_an_unknown_outcome_is_shown_and_settled_once",
    ),
    # Nothing acknowledged is lost.
    "P2": (
        f"{_CHAT}conversation.py::test_an_accepted_message_is_in_the_database",
        f"{_CHAT}conversation.py::test_after_a_drop_the_rest_comes_in_order_and_once",
        f"{_WORKER}a_job_exists_if_and_only_if_its_transaction_commits",
        "tests/engine/core/test_dead_letters.py"
        "::test_a_job_is_in_the_queue_or_put_aside_at_every_moment",
        "tests/browser/test_chat_page.py::test_a_lost_acknowledgement_doubles_nothing",
        "tests/crash/test_drafting_worker.py"
        "::test_a_worker_killed_while_drafting_leaves_exactly_one_draft",
        f"{_CHAOS}no_disturbance_loses_a_job_and_a_dead_worker_is_replaced_within_a_minute",
        f"{_ACTIONS}executing.py::test_a_lost_job_is_queued_again_within_one_sweep_and_once",
    ),
    # A dead worker is replaced without a double run; the worker outlives Postgres.
    "P3": (
        f"{_WORKER}a_dead_workers_job_goes_back_into_the_queue_with_one_more_attempt",
        f"{_WORKER}a_living_workers_job_is_left_alone_until_it_is_overdue",
        f"{_WORKER}the_worker_outlives_a_stopped_database_and_loses_nothing",
        "tests/crash/test_fencing.py"
        "::test_a_thawed_worker_neither_ends_nor_repeats_the_run_that_took_its_job_over",
        "tests/engine/core/test_fence.py"
        "::test_a_stale_run_can_neither_finish_nor_repeat_nor_bury_a_job_that_runs_elsewhere",
        f"{_CHAOS}no_disturbance_loses_a_job_and_a_dead_worker_is_replaced_within_a_minute",
    ),
    # What goes out is what was approved.
    "P4": (
        f"{_DECISIONS}approving_sends_exactly_the_words_that_were_shown",
        f"{_DECISIONS}a_newer_customer_message_disarms_the_send",
        f"{_DECISIONS}somebody_elses_edit_is_not_sent_unseen",
        f"{_ACTIONS}revalidating.py"
        "::test_whatever_changes_after_the_approval_goes_back_with_the_difference",
        "tests/cli/test_actions.py::test_a_changed_input_comes_back_with_what_changed",
    ),
    # Everything fails closed.
    "P5": (
        f"{_CHAT}refusals.py::test_without_a_secret_nobody_gets_in",
        f"{_CHAT}refusals.py::test_a_broken_verifier_keeps_the_server_alive",
        f"{_DECISIONS}a_policy_sends_nothing_while_the_switch_is_off_whatever_it_was_told",
        "tests/engine/drafting/test_drafting_end_to_end.py"
        "::test_without_a_measured_model_nothing_is_answered_by_itself",
        f"{_ACTIONS}revalidating.py::test_a_directory_that_is_away_postpones_and_decides_nothing",
    ),
    # Authority is checked when used; nobody acts across workspaces.
    "P6": (
        f"{_CHAT}conversation.py::test_nobody_sees_anothers_conversation",
        f"{_CHAT}refusals.py::test_a_token_that_expires_meanwhile_closes_the_socket",
        f"{_DECISIONS}another_workspaces_draft_does_not_exist",
        "tests/cli/test_conversations.py::test_workspaces_do_not_see_each_other",
        f"{_ACTIONS}revalidating.py"
        "::test_what_is_not_allowed_any_more_is_invalidated_and_does_not_run",
        f"{_ACTIONS}records.py::test_another_workspace_s_action_is_not_there",
    ),
    # The audit tells the truth and cannot be edited quietly.
    "P7": (
        "tests/migrations/test_migrations.py::test_the_database_refuses_to_change_the_audit_trail",
        "tests/engine/conversations/test_ingest.py"
        "::test_the_audit_names_the_customer_and_holds_no_body",
        f"{_DECISIONS}a_refused_send_leaves_no_trace_of_a_decision",
        "tests/engine/audit/test_tampering.py::test_the_first_bad_row_is_named",
        "tests/engine/audit/test_coverage.py::test_no_body_and_no_secret_reaches_trail_jobs_or_log",
        "tests/cli/test_why_action.py::test_nothing_but_rows_is_needed_to_tell_it",
    ),
    # AI cannot reach a customer on its own.
    "P8": (
        "tests/architecture/test_import_contracts.py::test_every_import_contract_is_kept",
        f"{_DECISIONS}the_database_ties_each_message_to_a_decision_of_its_own_draft",
        f"{_DECISIONS}only_a_named_operator_decides",
        "tests/engine/drafting/test_proposed_actions.py"
        "::test_deciding_about_the_draft_decides_nothing_about_the_action",
    ),
    # Hostile input stays data.
    "P9": (
        "tests/property/test_text.py::test_nothing_that_a_terminal_obeys_is_ever_shown",
        "tests/browser/test_chat_page.py::test_hostile_text_is_text",
        "tests/console/test_hostile.py::test_every_conversation_of_the_pack_is_only_text",
        "tests/cli/test_conversations.py"
        "::test_hostile_text_steers_no_terminal_and_comes_back_whole_as_json",
        "tests/cli/test_actions.py::test_hostile_words_and_secrets_reach_no_terminal",
    ),
    # Upgrades and outages are boring.
    "P10": (
        "tests/migrations/test_migrations.py::test_twenty_processes_behind_a_barrier_migrate_once",
        f"{_CHAT}outages.py::test_the_database_may_go_and_come_back_under_a_running_chat",
        "tests/engine/core/test_transactions.py"
        "::test_the_feed_comes_back_after_the_database_was_away",
        "tests/console/test_outage.py"
        "::test_the_console_says_it_keeps_everything_and_recovers_by_itself",
    ),
}
