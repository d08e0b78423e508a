"""One peer on one task: ``python -m benchmarks.peers PEER FOLDER URL`` prints its answers.

Ends with 3 when the peer is not installed here.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
from pathlib import Path

from benchmarks.peers.task import Task

NOT_INSTALLED = 3
PEERS = ("langchain", "llama_index", "haystack")


def main() -> int:
    name, folder, url = sys.argv[1:]
    if name not in PEERS:
        raise SystemExit(f"There is no peer {name}; there are {', '.join(PEERS)}.")
    try:
        peer = importlib.import_module(f"benchmarks.peers.with_{name}")
    except ImportError as error:
        print(error, file=sys.stderr)
        return NOT_INSTALLED
    answers = peer.run(Task.read(Path(folder)), url)
    versions = {package: importlib.metadata.version(package) for package in peer.PACKAGES}
    (Path(folder) / f"{name}.json").write_text(
        json.dumps({"versions": versions, "systems": answers})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
