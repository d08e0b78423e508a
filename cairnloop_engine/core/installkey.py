"""The install key: the one secret of an installation that never enters its database.

It is the text of the file ``install.key`` in the home folder, made once by whoever needs it
first, or the setting ``audit_key``, which hosts that share a database set to the same text.
"""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cairnloop_engine.core.errors import Misconfigured

log = logging.getLogger(__name__)

KEY_FILE = "install.key"
SHORTEST_KEY = 32
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class InstallKey:
    """A secret to derive others from; never used itself, never shown."""

    secret: bytes = field(repr=False)

    @classmethod
    def load(cls, home: Path, configured: str | None = None) -> Self:
        """The configured key, else the one in ``home``, which is made when there is none.

        Raises:
            Misconfigured: ``install_key_short``, ``install_key_unreadable`` or
                ``install_key_unwritable``.
        """
        found = cls.find(home, configured)
        if found is None:
            _make(home)
            found = cls.find(home, configured)
        if found is None:
            raise _unwritable("it vanished again")
        return found

    @classmethod
    def find(cls, home: Path, configured: str | None = None) -> Self | None:
        """The key as :meth:`load` finds it, but never made anew.

        Raises:
            Misconfigured: ``install_key_short`` or ``install_key_unreadable``.
        """
        if configured is not None:
            return cls._checked(configured, "CAIRNLOOP_AUDIT_KEY")
        try:
            text = (home / KEY_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(
                "install_key_unreadable",
                f"The install key {KEY_FILE} in the home folder cannot be read"
                f" ({type(error).__name__}).",
            ) from error
        return cls._checked(text, KEY_FILE)

    def derived(self, purpose: bytes) -> bytes:
        """A key for one purpose: 32 bytes that tell nothing about any other."""
        return hmac.digest(self.secret, purpose, "sha256")

    @classmethod
    def _checked(cls, text: str, where: str) -> Self:
        secret = text.strip().encode()
        if len(secret) < SHORTEST_KEY:
            raise Misconfigured(
                "install_key_short",
                f"The install key ({where}) is shorter than {SHORTEST_KEY} bytes.",
                shortest=SHORTEST_KEY,
            )
        return cls(secret)


@dataclass(slots=True)
class KeyHolder:
    """The install key of this process: looked for when first needed, then remembered.

    A key that cannot be read counts as none; whoever needs one says what follows from that.
    """

    home: Path
    configured: str | None = field(default=None, repr=False)
    _key: InstallKey | None = field(default=None, repr=False)
    _told: bool = False

    def find(self) -> InstallKey | None:
        """The key, never made anew."""
        if self._key is None:
            self._key = self._quietly(InstallKey.find)
        return self._key

    def make(self) -> InstallKey | None:
        """The key, made when there is none; only for an installation that never had one."""
        if self._key is None:
            self._key = self._quietly(InstallKey.load)
        return self._key

    def _quietly(self, look: Callable[[Path, str | None], InstallKey | None]) -> InstallKey | None:
        try:
            return look(self.home, self.configured)
        except Misconfigured as refusal:
            if not self._told:
                log.error("%s", refusal.message, extra={"code": refusal.code})
                self._told = True
            return None


def readable_by_others(home: Path) -> bool:
    """Whether the key file lets somebody else than its owner read it."""
    try:
        return bool((home / KEY_FILE).stat().st_mode & 0o077)
    except OSError:
        return False


def _make(home: Path) -> None:
    """Put a new key in place, whole or not at all; whoever comes second leaves the first's."""
    fresh = home / f".{KEY_FILE}.{secrets.token_hex(8)}"
    try:
        # Passable: the embedded server's account has to reach its data below. The key is 0600.
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(f"{secrets.token_hex(KEY_BYTES)}\n")
                stream.flush()
                os.fsync(stream.fileno())
            _link(fresh, home / KEY_FILE)
        finally:
            fresh.unlink(missing_ok=True)
        _remember(home)
        log.warning("made an install key in the home folder; keep a copy outside of this host")
    except OSError as error:
        raise _unwritable(type(error).__name__) from error


def _link(fresh: Path, final: Path) -> None:
    try:
        os.link(fresh, final)
    except FileExistsError:
        return


def _remember(home: Path) -> None:
    """Make the new name survive a power cut, as its content already does."""
    folder = os.open(home, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unwritable(why: str) -> Misconfigured:
    return Misconfigured(
        "install_key_unwritable",
        f"No install key could be made in the home folder ({why})."
        " Make the folder writable, or set CAIRNLOOP_AUDIT_KEY.",
    )
