"""The entry point of ``cairnloop`` and of ``python -m cairnloop_cli``."""

from __future__ import annotations

import sys

from cairnloop_cli.main import run


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
