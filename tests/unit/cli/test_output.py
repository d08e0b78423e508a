"""What reaches a terminal, a pipe and a script."""

from __future__ import annotations

import io
import json

import pytest

from cairnloop_cli.answers import Answer, Block, Table, listing
from cairnloop_cli.output import Output, columns

HOSTILE = [
    "\x1b]52;c;aGk=\x07",
    "\x1b[2J\x1b[1;1H",
    "\x9b31mred",
    "[red]markup[/red] [/b] [@click=app.quit]x[/]",
    "pay \u202e00.1$ now",
    "zero\u200bwidth",
    "tag\U000e0041\U000e0042",
    "two\nlines\rand more",
    "nul\x00 del\x7f",
    "lone \ud800 surrogate",
]
CONTROL = {chr(code) for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))} - {"\n"}
HIDDEN = {"\u202e", "\u200b", "\U000e0041", "\u2028"}


class Terminal(io.StringIO):
    """A stream that says it is a screen."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


def shown(answer: Answer, *, as_json: bool = False, tty: bool = False) -> tuple[str, str]:
    stdout: io.StringIO = Terminal() if tty else io.StringIO()
    out = Output(as_json, stdout, io.StringIO())
    out.show(answer)
    return stdout.getvalue(), out.stderr.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_a_table_neither_steers_nor_hides(text: str) -> None:
    table = Table(("ID", "SUBJECT"), [["1", text], ["2", "plain"]])

    printed, _ = shown(Answer({}, [table, text, Block(text)]))

    assert not CONTROL & set(printed)
    assert not HIDDEN & set(printed)
    assert not any("\ud800" <= character <= "\udfff" for character in printed)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_keeps_a_table_to_one_line_a_row(text: str) -> None:
    printed, _ = shown(Answer({}, [Table(("ID", "SUBJECT"), [["1", text], ["2", "plain"]])]))

    assert len(printed.splitlines()) == 3


@pytest.mark.parametrize("text", HOSTILE)
def test_json_is_one_ascii_document_that_gives_the_text_back_whole(text: str) -> None:
    printed, _ = shown(Answer({"subject": text}), as_json=True)

    assert printed.isascii()
    assert not CONTROL & set(printed)
    assert json.loads(printed) == {"subject": text}


def test_narration_goes_to_standard_error_and_data_to_standard_output() -> None:
    answer = listing([{"id": 1}], Table(("ID",), [["1"]]), following="abc")

    assert shown(answer) == ("ID\n1\n", "More follows: --cursor abc\n")
    printed, noted = shown(answer, as_json=True)
    assert json.loads(printed) == {"items": [{"id": 1}], "next": "abc"}
    assert noted == "More follows: --cursor abc\n"


def test_a_pipe_gets_whole_cells_and_no_escape_sequence() -> None:
    long = "a subject that is a good deal longer than forty columns"
    printed, _ = shown(Answer({}, [Table(("ID", "SUBJECT"), [["1", long]])]))

    assert printed == f"ID  SUBJECT\n1   {long}\n"


@pytest.mark.usefixtures("narrow")
def test_a_terminal_gets_rows_that_fit_and_a_bold_heading() -> None:
    long = "a subject that is a good deal longer than forty columns"
    printed, _ = shown(Answer({}, [Table(("ID", "SUBJECT"), [["1", long]])]), tty=True)

    heading, row = printed.splitlines()
    assert heading == "\x1b[1mID  SUBJECT\x1b[0m"
    assert row == "1   a subject that is a good deal longer"[:39].rstrip() + "…"


def test_wide_characters_do_not_push_the_next_column() -> None:
    lines = columns([("A", "B"), ("日本", "x"), ("ab", "y")], width=None)

    assert lines == ["A     B", "日本  x", "ab    y"]


def test_a_failure_is_a_document_on_standard_output_and_a_line_on_standard_error() -> None:
    out = Output(True, io.StringIO(), io.StringIO())
    out.failure("not_held", "It was sent.", {"message_id": 4}, word="refused")

    assert json.loads(out.stdout.getvalue()) == {  # type: ignore[attr-defined]
        "error": {"code": "not_held", "message": "It was sent.", "facts": {"message_id": 4}}
    }
    assert out.stderr.getvalue() == "refused: It was sent. (not_held)\n"  # type: ignore[attr-defined]


def test_without_json_a_failure_leaves_standard_output_empty() -> None:
    out = Output(False, io.StringIO(), io.StringIO())
    out.failure("not_held", "It was sent.", {}, word="refused")

    assert out.stdout.getvalue() == ""  # type: ignore[attr-defined]


def test_a_reader_who_left_is_no_error() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    out = Output(False, Gone(), io.StringIO())
    out.line("one")
    out.line("two")

    assert out.gone


def test_progress_is_silent_when_nobody_watches() -> None:
    out = Output(False, io.StringIO(), io.StringIO())
    with out.progress("Importing", 2) as progress:
        progress.step()

    assert out.stderr.getvalue() == ""  # type: ignore[attr-defined]


def test_progress_draws_a_bar_and_takes_it_away() -> None:
    out = Output(False, io.StringIO(), Terminal())
    with out.progress("Importing", 2) as progress:
        progress.step()

    drawn = out.stderr.getvalue()  # type: ignore[attr-defined]
    assert "Importing [############............] 1/2" in drawn
    assert drawn.endswith("\r\x1b[2K")
