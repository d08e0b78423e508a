"""One deed on several things: each is tried, each is reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from cairnloop_cli.answers import Answer, Table, listing
from cairnloop_cli.boundary import Desk
from cairnloop_engine.core.errors import CairnloopError, JsonObject, Unavailable

AWAY = "database_unavailable"


async def each(
    desk: Desk, key: str, ids: Sequence[int], act: Callable[[int], Awaitable[JsonObject]]
) -> Answer:
    """Do it to every id; an id named twice is done once, and not ok is reported, not raised.

    Raises:
        Forbidden: ``operator_missing`` before anything is tried.
        Unavailable: ``database_unavailable`` when that kept all of them from being done.
    """
    desk.caller.acting_operator()
    items: list[JsonObject] = []
    away: Unavailable | None = None
    for one in dict.fromkeys(ids):
        if away is not None:
            # Each further try would wait for a connection just to learn the same.
            items.append(_failed(key, one, away))
            continue
        try:
            items.append({key: one, "ok": True, **await act(one)})
        except CairnloopError as error:
            items.append(_failed(key, one, error))
            if isinstance(error, Unavailable) and error.code == AWAY:
                away = error
    if away is not None and not any(item["ok"] for item in items):
        raise away
    return reported(key, items)


def _failed(key: str, one: int, error: CairnloopError) -> JsonObject:
    return {key: one, "ok": False, "code": error.code, "message": error.message}


def reported(key: str, items: list[JsonObject]) -> Answer:
    """What became of each; not ok when one of them is not."""
    rows = [(str(item[key]), "ok" if item["ok"] else "refused", str(_told(item))) for item in items]
    table = Table((key.removesuffix("_id").upper(), "RESULT", "NOTE"), rows, whole=True)
    return listing(items, table, ok=all(item["ok"] for item in items))


def _told(item: JsonObject) -> str:
    if not item["ok"]:
        return f"{item['message']} ({item['code']})"
    return "already so" if item.get("changed") is False else ""
