"""Keeping the developer's machine and the world outside of it out of a test run."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path

# What changes how Cairnloop or its tools behave, and differs from machine to machine.
_PREFIXES = ("CAIRNLOOP_", "ANTHROPIC_", "OTEL_", "PG", "XDG_")
_NAMES = frozenset(
    {"NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES"}
    | {"EDITOR", "VISUAL", "PAGER", "LESS"}
)


class OutsideWorld(RuntimeError):
    """A test reached for another machine."""


def forget_environment(home: Path) -> None:
    """Take the developer's settings out of the environment, and give the run an empty home."""
    for name in list(os.environ):
        proxy = name.lower().endswith("_proxy")
        if name.startswith(_PREFIXES) or name in _NAMES or proxy:
            del os.environ[name]
    os.environ["HOME"] = str(home)
    # Root's home would be the system's, and a worker leaves its install key there.
    os.environ["CAIRNLOOP_HOME"] = str(home / "cairnloop")


def forbid_the_outside() -> None:
    """Let this process talk to itself and to loopback only. It cannot be undone."""
    sys.addaudithook(_refuse_outside)


def _refuse_outside(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if not _is_here(host):
        raise OutsideWorld(f"no test may talk to {host!r}")


def _is_here(host: object) -> bool:
    name = host.decode(errors="replace") if isinstance(host, bytes) else host
    if name is None or name in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(name))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
