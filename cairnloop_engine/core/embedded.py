"""The Postgres for the first minute: programs from a wheel, started and shared by ourselves.

Everything lives in one folder. Whoever comes first initialises and starts the server, under a file
lock; everybody holds a second lock together with the others while the server is in use, and whoever
leaves and finds nobody else holding it stops the server. The kernel releases the lock of a
process however it ends, so no dead process is ever counted. Whether the server runs is decided by
connecting to it, never by a pid file.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from psycopg import pq
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL

from cairnloop_engine.core.embedded_place import MAJOR, Place, available
from cairnloop_engine.core.errors import Blocked, Misconfigured, Unavailable

__all__ = ["EmbeddedAddress", "EmbeddedPostgres", "available"]

DATABASE = "cairnloop"
# Not "cairnloop": Postgres would then look for every bare name in our schema first.
SUPERUSER = "postgres"
# Names the socket's file; nothing listens on a network.
PORT = 5432
START_TIMEOUT_S = 60
LOCK_TIMEOUT_S = 2 * START_TIMEOUT_S
# Backends of a server that was killed may hold its memory for a moment.
RELAUNCH_TIMEOUT_S = 20
LARGEST_LOG = 10_000_000
_PAUSE_S = 0.05

StopMode = Literal["fast", "immediate"]

_SETTINGS = (
    "listen_addresses = ''",
    f"port = {PORT}",
    "unix_socket_permissions = 0700",
    "max_connections = 200",
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    # A log without what customers wrote: no statement, no row that violates a constraint.
    "log_error_verbosity = terse",
    "log_min_error_statement = panic",
)
# Tests may lose their data in a power cut, never in a crash, and gain seconds. Planner statistics
# stay as made.
_TEST_SETTINGS = (
    "fsync = off",
    "full_page_writes = off",
    "wal_level = minimal",
    "max_wal_senders = 0",
    "autovacuum = off",
    "shared_buffers = 64MB",
)


@dataclass(frozen=True, slots=True)
class EmbeddedAddress:
    """Where the server listens. There is no password: the socket's folder is the lock."""

    host: str
    port: int = PORT
    user: str = SUPERUSER
    dbname: str = DATABASE

    def url(self) -> URL:
        """The address for SQLAlchemy."""
        return URL.create(
            "postgresql+psycopg",
            username=self.user,
            database=self.dbname,
            query={"host": self.host, "port": str(self.port)},
        )


class EmbeddedPostgres:
    """One server in one home folder, shared by every process that may enter it.

    ``for_tests`` trades safety in a power cut for speed.
    """

    def __init__(self, home: Path, *, for_tests: bool = False) -> None:
        self._place = Place(home)
        self._for_tests = for_tests
        self._taking_part: int | None = None

    @property
    def address(self) -> EmbeddedAddress:
        return EmbeddedAddress(host=str(self._place.sockets))

    @property
    def data(self) -> Path:
        return self._place.data

    @property
    def log(self) -> Path:
        return self._place.log

    def start(self) -> EmbeddedAddress:
        """Make sure that the server runs, and count this process among its users.

        Raises:
            Misconfigured: ``embedded_missing``, ``home_unusable``, ``home_closed``,
                ``account_missing``, ``account_unusable`` or ``data_of_other_version``.
            Unavailable: ``embedded_failed`` with the last lines of the log, or ``embedded_busy``.
        """
        self._place.prepare_base()
        with self._deciding():
            if self._ping() is not pq.Ping.OK:
                self._bring_up()
            self._take_part()
        return self.address

    def stop_if_last(self) -> bool:
        """Leave. When no other process uses the server, stop it and answer True.

        Raises:
            Unavailable: ``embedded_failed`` when the server did not stop.
        """
        if self._taking_part is None:
            return False
        with self._deciding():
            self._leave()
            if not self._unused():
                return False
            self._stop("fast")
            self._place.remove_shared_sockets()
        return True

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server under whoever uses it; ``immediate`` is a crash.

        Raises:
            Unavailable: ``embedded_failed`` when the server did not stop.
        """
        if not self._place.base.is_dir():
            return
        with self._deciding():
            self._stop(mode)

    def restart(self) -> EmbeddedAddress:
        """Stop the server, whether it runs or not, and start it again. Raises as :meth:`start`."""
        self.stop()
        return self.start()

    def erase(self) -> None:
        """Stop the server and delete its data.

        Raises:
            Blocked: ``embedded_in_use`` while another process uses it.
        """
        if not self._place.base.is_dir():
            return
        with self._deciding():
            self._leave()
            if not self._unused():
                raise Blocked(
                    "embedded_in_use", "Other processes use this database. Stop them first."
                )
            self._stop("immediate")
            for folder in (self._place.data, self._place.log.parent, self._place.sockets):
                shutil.rmtree(folder, ignore_errors=True)
            if self._place.root != self._place.base:
                shutil.rmtree(self._place.root, ignore_errors=True)
                (self._place.base / "moved").unlink(missing_ok=True)

    # Starting

    def _bring_up(self) -> None:
        self._place.prepare()
        if self._settled():
            return
        self._clear_stale_files()
        if not self._place.data.exists():
            self._initialise()
        self._check_version()
        self._write_settings()
        self._launch()

    def _settled(self) -> bool:
        """Wait for a server that is on its way up or down. True when it is up."""
        until = time.monotonic() + START_TIMEOUT_S
        while self._server_lives():
            answer = self._ping()
            if answer is pq.Ping.OK:
                return True
            if answer is pq.Ping.NO_RESPONSE and self._lost_its_socket():
                self._stop("fast")
            elif time.monotonic() > until:
                raise self._failed("did not answer in time")
            else:
                time.sleep(_PAUSE_S)
        return False

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there whole, so that a kill leaves none."""
        fresh = self._place.root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._place.make_private(fresh)
        made = self._place.run(
            "initdb",
            *("-D", fresh.name, "-U", SUPERUSER, "-A", "trust", "--auth-host=reject"),
            *("-E", "UTF8", "--locale=C", "--locale-provider=builtin"),
            *("--builtin-locale=C.UTF-8", "--no-instructions"),
            *(("--no-sync", "--no-data-checksums", "--wal-segsize=1") if self._for_tests else ()),
        )
        if made.code != 0:
            raise self._failed("could not be set up", made.words)
        # No connection is needed, so that a cluster without our database never exists.
        made = self._place.run(
            "postgres",
            *("--single", "-D", fresh.name, "-c", "exit_on_error=on", "template1"),
            stdin=f"CREATE DATABASE {DATABASE}\n".encode(),
        )
        if made.code != 0:
            raise self._failed("could not be set up", made.words)
        # Relative to the file that names it, so that the home may be moved.
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(f"\ninclude '../{self._place.configuration.name}'\n")
        fresh.rename(self._place.data)

    def _check_version(self) -> None:
        found = (self._place.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != MAJOR:
            raise Misconfigured(
                "data_of_other_version",
                f"The data in {self._place.data} was made by Postgres {found}, and this release "
                f"brings {MAJOR}. Export it with the release that made it, or move it away.",
                path=str(self._place.data),
            )

    def _write_settings(self) -> None:
        """Written before each start, because the socket's place follows that of the home."""
        settings = [
            *_SETTINGS,
            f"unix_socket_directories = '{self._place.sockets}'",
            *(_TEST_SETTINGS if self._for_tests else ()),
        ]
        fresh = self._place.configuration.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.write_text("\n".join(settings) + "\n", encoding="utf-8")
        fresh.chmod(0o644)
        fresh.replace(self._place.configuration)

    def _launch(self) -> None:
        log = self._place.log
        if self._place.log_size() > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        until = time.monotonic() + RELAUNCH_TIMEOUT_S
        while True:
            before = self._place.log_size()
            ran = self._place.run(
                "pg_ctl",
                *("-D", self._place.data.name, "-l", f"{log.parent.name}/{log.name}"),
                *("-w", "-t", str(START_TIMEOUT_S), "start"),
            )
            if ran.code == 0 and self._ping() is pq.Ping.OK:
                return
            words = self._place.last_words(since=before) or ran.words
            if "shared memory" not in words or time.monotonic() > until:
                raise self._failed("did not start", words)
            time.sleep(_PAUSE_S)

    # The state of the server

    def _ping(self) -> pq.Ping:
        """A real connection attempt; a full house and an unknown name count as an answer."""
        where = self.address
        told = make_conninfo(
            host=where.host,
            port=where.port,
            user=where.user,
            dbname=where.dbname,
            connect_timeout=5,
        )
        return pq.Ping(pq.PGconn.ping(told.encode()))

    def _server_lives(self) -> bool:
        """Whether the pid file names a live server of this very data.

        The pid may have been reused since, or be that of a zombie, or of another machine's
        process when the folder is shared.
        """
        import psutil  # deferred: comes with the optional extra, like the programs

        try:
            pid = abs(int(self._pid_file().split("\n", 1)[0]))
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if not process.name().startswith("postgres"):
                return False
            return os.path.samefile(process.cwd(), self._place.data)
        except (psutil.Error, ValueError, OSError):
            return False

    def _lost_its_socket(self) -> bool:
        """Whether the server says that it is ready, and its socket was swept away."""
        socket = self._place.sockets / f".s.PGSQL.{PORT}"
        return "ready" in self._pid_file() and not socket.exists()

    def _pid_file(self) -> str:
        try:
            return (self._place.data / "postmaster.pid").read_text(errors="replace")
        except OSError:
            return ""

    def _clear_stale_files(self) -> None:
        """Take away what names a server that is gone.

        Postgres would trust the pid in them, though it may be a zombie's or somebody else's by
        now, and stumbles over an empty one. Two servers on one data folder stay impossible:
        Postgres also looks for shared memory that belongs to the folder.
        """
        socket = self._place.sockets / f".s.PGSQL.{PORT}"
        stale = (
            self._place.data / "postmaster.pid",
            socket,
            socket.with_name(f"{socket.name}.lock"),
        )
        for path in stale:
            path.unlink(missing_ok=True)

    def _stop(self, mode: StopMode) -> None:
        if not self._place.data.exists() or not self._server_lives():
            return
        self._place.prepare()
        ran = self._place.run(
            "pg_ctl",
            *("-D", self._place.data.name, "-m", mode),
            *("-w", "-t", str(START_TIMEOUT_S), "stop"),
        )
        if ran.code != 0 and self._server_lives():
            raise self._failed("did not stop", self._place.last_words() or ran.words)

    # Who uses it

    @contextmanager
    def _deciding(self) -> Iterator[None]:
        """One process at a time decides whether the server has to start or to stop."""
        descriptor = self._place.open_lock("lock")
        try:
            until = time.monotonic() + LOCK_TIMEOUT_S
            while not _locked(descriptor, fcntl.LOCK_EX):
                if time.monotonic() > until:
                    raise Unavailable(
                        "embedded_busy",
                        "Another process has been starting or stopping the embedded Postgres "
                        f"for {LOCK_TIMEOUT_S} seconds. Try again.",
                        retry_after=5.0,
                    )
                time.sleep(_PAUSE_S / 5)
            yield
        finally:
            os.close(descriptor)

    def _take_part(self) -> None:
        if self._taking_part is None:
            self._taking_part = self._place.open_lock("in-use")
            fcntl.flock(self._taking_part, fcntl.LOCK_SH)

    def _leave(self) -> None:
        if self._taking_part is not None:
            # Unlocked by name: a copy of the descriptor in a forked process must not count.
            fcntl.flock(self._taking_part, fcntl.LOCK_UN)
            os.close(self._taking_part)
            self._taking_part = None

    def _unused(self) -> bool:
        descriptor = self._place.open_lock("in-use")
        try:
            return _locked(descriptor, fcntl.LOCK_EX)
        finally:
            os.close(descriptor)

    def _failed(self, what: str, words: str | None = None) -> Unavailable:
        return Unavailable(
            "embedded_failed",
            f"The embedded Postgres {what}. It said: {words or self._place.last_words()}",
            log=str(self._place.log),
        )


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
