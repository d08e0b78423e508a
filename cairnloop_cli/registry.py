"""Every command by name, with where it lives; a module is imported when its command is called."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as built


@dataclass(frozen=True, slots=True)
class Row:
    """One command: where its function or its Typer group is, and its line in the help."""

    name: str
    target: str
    help: str

    def load(self) -> TyperCommand | TyperGroup:
        """Import the module and build the command."""
        module_name, _, attribute = self.target.partition(":")
        found = getattr(import_module(f"cairnloop_cli.commands.{module_name}"), attribute)
        if not isinstance(found, typer.Typer):
            alone = plain_typer()
            alone.command(self.name)(found)
            found = alone
        command = built(found)
        if not isinstance(command, TyperCommand | TyperGroup):
            raise TypeError(f"{self.target} is no command")
        command.name = self.name
        return command


def plain_typer(help: str | None = None, *, group: bool = False) -> typer.Typer:  # noqa: A002 - typer's word
    """A Typer as all of ours are: help as plain text, errors left to the boundary.

    A ``group`` stays one also with a single command in it.
    """
    made = typer.Typer(
        help=help,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=group,
    )
    if group:
        made.callback()(_nothing_shared)
    return made


SECTIONS: tuple[tuple[str, tuple[Row, ...]], ...] = (
    (
        "First steps",
        (
            Row("demo", "demo:demo", "A whole support desk with a story in it."),
            Row("init", "demo:init", "Write a first cairnloop.toml."),
            Row("migrate", "site:migrate", "Bring the database to this release's schema."),
            Row("seed", "demo:seed", "Load the demo scenario."),
            Row("doctor", "site:doctor", "What is ready, what is not, and what to do."),
            Row("gen", "generating:gen", "A working skeleton of a part of your own."),
        ),
    ),
    (
        "Run",
        (
            Row("tui", "running:tui", "The operator's console."),
            Row("worker", "running:worker", "Run jobs."),
            Row("serve-widget", "running:serve_widget", "The customer chat."),
            Row("serve", "running:serve_http", "Health, readiness and metrics over HTTP."),
            Row("jobs", "jobs:jobs", "The queue: list, dead, redrive, drop."),
        ),
    ),
    (
        "Conversations",
        (
            Row("inbox", "inbox:inbox", "Who waits, how long, and what it needs."),
            Row("show", "inbox:show", "One thread, with its draft and its customer."),
            Row("stats", "inbox:stats", "Counts and ages."),
            Row("ingest", "ingesting:ingest", "Take in customer messages."),
            Row("reply", "answering:reply", "Answer a customer."),
            Row("retract", "answering:retract", "Take back a reply while it is held."),
            Row("note", "answering:note", "Leave a note that customers never see."),
            Row("resolve", "answering:resolve", "Close conversations."),
            Row("reopen", "answering:reopen", "Open them again."),
            Row("archive", "answering:archive", "Put them away for good."),
            Row("assign", "answering:assign", "Give one to an operator."),
        ),
    ),
    (
        "Drafts",
        (
            Row("drafts", "drafting:drafts", "Drafts, newest first."),
            Row("show-draft", "drafting:show_draft", "What would be sent, and what it rests on."),
            Row("discard", "drafting:discard", "Drop a draft."),
            Row("replay", "replaying:replay", "Past drafts under today's settings."),
        ),
    ),
    (
        "Decisions",
        (
            Row("approve", "governing:approve", "Send a draft, or let an action run, exactly so."),
            Row("reject", "deciding:reject", "Say no, for good."),
            Row("defer", "deciding:defer", "Not now."),
        ),
    ),
    (
        "Governed actions",
        (
            Row("tools", "governing:tools", "The tools, with their risk and what they need."),
            Row("propose", "governing:propose", "Ask for an action; nothing runs yet."),
            Row("actions", "governing:actions", "Actions, newest first."),
            Row("show-action", "governing:show_action", "What would run, and what came of it."),
            Row("amend", "deciding:amend", "Your own version in the place of one that waits."),
            Row("ask-back", "deciding:ask_back", "Return one with a question."),
            Row("answer", "deciding:answer", "Answer that question."),
            Row("reopen-action", "deciding:reopen_action", "Open one again, judged anew."),
            Row("settle", "deciding:settle", "Say what became of an unknown outcome."),
            Row("approvers", "governing:approvers", "Who decides how much, and how fast."),
        ),
    ),
    (
        "Knowledge",
        (
            Row("kb", "knowledge:kb", "Articles: list, show, new, edit, publish, import, ..."),
            Row("search", "searching:search", "Search as the drafter sees it."),
            Row("retrieval", "searching:retrieval", "The search index: health and repair."),
            Row("eval", "examining:evaluation", "Measure retrieval and drafts; calibrate."),
        ),
    ),
    (
        "Trail",
        (
            Row("audit", "trail:audit", "Who did what, when."),
            Row("why", "explaining:why", "A decision, rebuilt from its rows."),
        ),
    ),
    (
        "As a customer",
        (
            Row("widget-token", "customers:widget_token", "A signed chat token, for development."),
            Row("chat", "customers:chat", "Chat as a customer, in the terminal."),
        ),
    ),
)


def rows() -> Iterator[Row]:
    """Every command, in the order of the help."""
    for _, section in SECTIONS:
        yield from section


class Commands(TyperGroup):
    """The root: lists commands from the table, and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._rows = {row.name: row for row in rows()}
        # What a mistyped name is compared with.
        names: Any = dict.fromkeys(self._rows)
        self.commands = names

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self._rows)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        row = self._rows.get(cmd_name)
        return None if row is None else row.load()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, section in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(row.name, row.help) for row in section])


def _nothing_shared() -> None:
    """A callback makes a Typer a group, also around one command."""
