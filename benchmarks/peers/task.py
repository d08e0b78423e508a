"""What a peer is asked: texts with their vectors, questions with theirs; and what it answers.

A task is a folder: ``texts.jsonl {id, text}``, ``texts.npy``, ``questions.jsonl {text}``,
``questions.npy`` and ``most`` (how many texts a question may find).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float32]
# A question and its vector; the ids that were found, best first, with their scores.
Find = Callable[[str, Sequence[float]], list[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class Task:
    ids: list[str]
    texts: list[str]
    vectors: Numbers
    questions: list[str]
    question_vectors: Numbers
    most: int

    @classmethod
    def read(cls, folder: Path) -> Task:
        texts = _rows(folder / "texts.jsonl")
        return cls(
            ids=[row["id"] for row in texts],
            texts=[row["text"] for row in texts],
            vectors=np.load(folder / "texts.npy"),
            questions=[row["text"] for row in _rows(folder / "questions.jsonl")],
            question_vectors=np.load(folder / "questions.npy"),
            most=int((folder / "most").read_text()),
        )

    def write(self, folder: Path) -> None:
        _write(folder / "texts.jsonl", zip_rows(self.ids, self.texts))
        _write(folder / "questions.jsonl", [{"text": text} for text in self.questions])
        np.save(folder / "texts.npy", self.vectors)
        np.save(folder / "questions.npy", self.question_vectors)
        (folder / "most").write_text(str(self.most))

    def known(self) -> Mapping[str, list[float]]:
        """The vector of every text and question, for libraries that insist on embedding."""
        known = dict(zip(self.texts, self.vectors.tolist(), strict=True))
        known.update(zip(self.questions, self.question_vectors.tolist(), strict=True))
        return known


def zip_rows(ids: Sequence[str], texts: Sequence[str]) -> list[dict[str, str]]:
    return [{"id": one, "text": text} for one, text in zip(ids, texts, strict=True)]


def asked(task: Task, find: Find) -> dict[str, Any]:
    """Every question in turn, with the milliseconds that each answer took."""
    found, taken = [], []
    for question, vector in zip(task.questions, task.question_vectors.tolist(), strict=True):
        began = perf_counter()
        answer = find(question, vector)
        taken.append(round((perf_counter() - began) * 1000, 3))
        found.append(answer)
    return {"found": found, "ms": taken}


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
