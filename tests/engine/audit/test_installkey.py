"""The install key: made once, whoever comes first, and never shown."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cairnloop_engine import Misconfigured
from cairnloop_engine.core.installkey import KEY_FILE, InstallKey


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"

    first = InstallKey.load(home)

    assert InstallKey.load(home) == InstallKey.find(home) == first
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == [KEY_FILE]


def test_many_that_come_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: InstallKey.load(tmp_path).secret, range(64)))

    assert len(keys) == 1


def test_the_file_of_one_host_is_the_setting_of_another(tmp_path: Path) -> None:
    key = InstallKey.load(tmp_path)

    text = (tmp_path / KEY_FILE).read_text()

    assert InstallKey.load(tmp_path / "other", text) == key
    assert not (tmp_path / "other").exists()


def test_looking_for_a_key_makes_none(tmp_path: Path) -> None:
    assert InstallKey.find(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_keys_for_different_purposes_have_nothing_in_common(tmp_path: Path) -> None:
    key = InstallKey.load(tmp_path)

    derived = {key.derived(purpose) for purpose in (b"one", b"two")}

    assert len(derived | {key.secret}) == 3
    assert {len(one) for one in derived} == {32}


def test_a_key_is_never_part_of_what_is_printed(tmp_path: Path) -> None:
    key = InstallKey.load(tmp_path)

    assert key.secret.decode() not in repr(key)


@pytest.mark.parametrize("text", ["", "short", "x" * 31, "  \n"])
def test_a_key_that_is_too_short_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY_FILE).write_text(text)

    for configured in (None, text):
        with pytest.raises(Misconfigured) as refusal:
            InstallKey.load(tmp_path, configured)
        assert refusal.value.code == "install_key_short"
        assert "x" * 31 not in refusal.value.message


def test_a_home_that_cannot_hold_a_key_is_a_calm_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Misconfigured) as refusal:
        InstallKey.load(tmp_path / "file")

    assert refusal.value.code in {"install_key_unwritable", "install_key_unreadable"}


def test_a_key_that_is_no_text_is_a_calm_refusal(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"\xff" * 64)

    with pytest.raises(Misconfigured) as refusal:
        InstallKey.find(tmp_path)

    assert refusal.value.code == "install_key_unreadable"
