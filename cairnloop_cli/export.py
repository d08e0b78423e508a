"""Articles written into a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cairnloop_cli.boundary import Desk
from cairnloop_engine.core.errors import Invalid, JsonObject


async def export_articles(desk: Desk, folder: Path, tick: Callable[[], None]) -> list[JsonObject]:
    """Write each article that is not archived; returns what went where.

    Raises:
        Invalid: ``folder_unwritable``.
    """
    items: list[JsonObject] = []
    async for file in desk.engine.knowledge.export(desk.caller):
        _write(folder, file.path, file.text)
        items.append({"article_id": file.article_id, "version": file.version, "path": file.path})
        tick()
    return items


def _write(folder: Path, name: str, text: str) -> None:
    target = folder / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.resolve().is_relative_to(folder.resolve()):
            raise Invalid("folder_unwritable", "A link leads out of the folder.")
        target.write_text(text, encoding="utf-8", newline="\n")
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "a link leads to itself"
        raise Invalid("folder_unwritable", f"{name} cannot be written ({why}).") from error
