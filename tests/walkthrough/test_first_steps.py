"""``seed`` and ``init`` from the command line."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest

from cairnloop_cli.demo.config_file import text
from cairnloop_engine import Settings
from tests.engine.demo.loading import counts
from tests.walkthrough.processes import ran


@pytest.mark.slow
@pytest.mark.requirement("06-demo-fixtures:12")
@pytest.mark.requirement("06-demo-fixtures:17")
def test_seeding_twice_gives_identical_counts_and_verifies(
    own_database: str, tmp_path: Path
) -> None:
    def seeded(*options: str) -> tuple[int, dict[str, object]]:
        done = ran("seed", *options, "--json", home=tmp_path, CAIRNLOOP_DATABASE_URL=own_database)
        return done.returncode, json.loads(done.stdout)

    missing, checks = seeded("--verify")
    assert missing == 1
    assert checks["ok"] is False

    assert seeded("--states")[0] == 0
    first = counts(own_database)
    assert seeded("--states") == (
        0,
        {
            "parts": [
                {
                    "part": "story",
                    "workspace": "default",
                    "articles": 6,
                    "conversations": 20,
                    "fresh": False,
                },
                {
                    "part": "states",
                    "workspace": "default",
                    "articles": 0,
                    "conversations": 7,
                    "fresh": False,
                },
            ]
        },
    )

    assert counts(own_database) == first
    code, checks = seeded("--states", "--verify")
    assert (code, checks["ok"]) == (0, True)


def test_init_writes_every_setting_as_a_comment_and_keeps_what_was_given(tmp_path: Path) -> None:
    done = ran("init", "--operator", "maya", "--json", home=tmp_path)

    written = tmp_path / "cairnloop.toml"
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"path": "cairnloop.toml", "written": True}
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert tomllib.loads(written.read_text()) == {"operator": "maya"}
    assert all(f"{name} = " in written.read_text() for name in Settings.model_fields)


def test_init_leaves_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "cairnloop.toml").write_text('operator = "maya"\n')

    done = ran("init", "--json", home=tmp_path)

    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "settings_exist"
    assert (tmp_path / "cairnloop.toml").read_text() == 'operator = "maya"\n'


def test_what_init_comments_out_is_what_holds_without_it(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in text({}).splitlines()]
    told = {
        name: value
        for name, value in tomllib.loads(
            "\n".join(line for line in lines if _is_setting(line))
        ).items()
        if value != ""
    }

    shown = tmp_path / "cairnloop.toml"
    shown.write_text("")
    assert Settings.load(shown, **told).model_dump() == Settings.load(shown).model_dump()


def _is_setting(line: str) -> bool:
    return line.partition(" = ")[0] in Settings.model_fields
