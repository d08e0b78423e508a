"""The client of the demo's billing system, as its vendor would ship it.

Tools call it, and it tells apart what a tool has to tell apart:

- it returns: the effect happened;
- :class:`BillingAway` (not reached, or "not now"): nothing happened, trying again is safe;
- :class:`BillingRefused`: nothing happened, and trying again cannot help;
- :class:`BillingUnclear` (hung up on, timed out, a failure inside): nobody knows. Ask
  :meth:`BillingClient.find`.

Being cancelled while a call is under way is as unclear: the request may have arrived.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from cairnloop_engine.core.database import assert_no_transaction

TIMEOUT_S = 10.0


class BillingError(Exception):
    """The call did not return an effect."""


class BillingAway(BillingError):
    """Nothing happened, and trying again is safe."""


class BillingRefused(BillingError):
    """Nothing happened, and the same request will never be taken."""


class BillingUnclear(BillingError):
    """Whether anything happened is not known."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What billing did. ``repeated``: it had done so before, under the same idempotency key."""

    id: int
    kind: str
    run_key: str
    attempt: int
    at: str
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What billing knows of an order or an account; see the service's own."""

    kind: str
    id: str
    revision: int
    refunds: int
    refunded_cents: int
    seats: int | None


@dataclass(frozen=True, slots=True)
class BillingClient:
    """One connection for each call to ``base_url``; ``timeout`` in seconds bounds a call.

    Each effect takes the ``run_key`` that stands for one approved action in every attempt, and
    the number of the ``attempt``. Billing applies every request that arrives. With
    ``idempotent`` the run key is sent as the idempotency key, and billing applies it once.

    Raises (each effect): :class:`BillingAway`, :class:`BillingRefused`, :class:`BillingUnclear`;
    RuntimeError inside an open transaction.
    """

    base_url: str
    timeout: float = TIMEOUT_S

    async def refund(
        self,
        run_key: str,
        *,
        amount_cents: int,
        currency: str,
        order: str,
        attempt: int = 1,
        idempotent: bool = False,
    ) -> Effect:
        """Give money back for an order."""
        details = {"amount_cents": amount_cents, "currency": currency, "order": order}
        return await self._effect("refund", run_key, attempt, details, idempotent=idempotent)

    async def change_seats(
        self, run_key: str, *, account: str, seats: int, attempt: int = 1, idempotent: bool = False
    ) -> Effect:
        """Set how many seats an account pays for."""
        details = {"account": account, "seats": seats}
        return await self._effect("change_seats", run_key, attempt, details, idempotent=idempotent)

    async def close_account(
        self, run_key: str, *, account: str, attempt: int = 1, idempotent: bool = False
    ) -> Effect:
        """Close an account for good."""
        details = {"account": account}
        return await self._effect("close_account", run_key, attempt, details, idempotent=idempotent)

    async def export_usage(
        self,
        run_key: str,
        *,
        account: str,
        takes_s: float,
        attempt: int = 1,
        idempotent: bool = False,
    ) -> Effect:
        """Write a usage report; billing answers only after ``takes_s`` seconds."""
        return await self._effect(
            "export_usage",
            run_key,
            attempt,
            {"account": account},
            idempotent=idempotent,
            takes_s=takes_s,
        )

    async def move_subscription(
        self, run_key: str, *, account: str, to: str, attempt: int = 1
    ) -> Effect:
        """Move what one account pays for to another account."""
        details = {"account": account, "to": to}
        return await self._effect("move_subscription", run_key, attempt, details, idempotent=False)

    async def demonstrate(self, run_key: str, *, conversation_id: int, attempt: int = 1) -> Effect:
        """Do nothing but write down that it was asked for."""
        details = {"conversation_id": conversation_id}
        return await self._effect("high_risk_demo", run_key, attempt, details, idempotent=False)

    async def record(self, kind: str, name: str) -> Record:
        """What is known of an ``order`` or an ``account``.

        Raises:
            BillingAway: billing could not be asked.
        """
        assert_no_transaction("billing")
        where = f"/records?kind={quote(kind, safe='')}&id={quote(name, safe='')}"
        try:
            status, told = await self._call("GET", where)
        except BillingUnclear as error:
            raise BillingAway(str(error)) from error
        if status != 200:
            raise BillingAway(f"billing answered {status}")
        return Record(**told["record"])

    async def change(self, kind: str, name: str) -> Record:
        """Change an order or an account by hand, as somebody at billing would."""
        _, told = await self._call("POST", "/records", {"kind": kind, "id": name})
        return Record(**told["record"])

    async def find(self, run_key: str) -> Effect | None:
        """What happened under this run key; None when nothing did. This is what reconciles.

        Raises:
            BillingAway: billing could not be asked.
        """
        assert_no_transaction("billing")
        try:
            status, told = await self._call("GET", f"/effects?run_key={quote(run_key, safe='')}")
        except BillingUnclear as error:
            # A question has no effect, so it may be asked again.
            raise BillingAway(str(error)) from error
        if status != 200:
            raise BillingAway(f"billing answered {status}")
        effects = told["effects"]
        return Effect(**effects[0]) if effects else None

    async def counts(self) -> dict[str, Any]:
        """Arrivals and effects for each run key, and the run keys that had more than one."""
        _, told = await self._call("GET", "/counts")
        return told

    async def order_weather(
        self,
        mode: str,
        *,
        kind: str | None = None,
        times: int = 1,
        status: int = 503,
        seconds: float = 0.0,
    ) -> None:
        """Order how the next requests fare: a word of :class:`~cairnloop_engine.demo.sink.Mode`.

        Raises:
            ValueError: billing knows no such weather.
        """
        told = {"mode": mode, "kind": kind, "times": times, "status": status, "seconds": seconds}
        code, answer = await self._call("POST", "/weather", told)
        if code != 200:
            raise ValueError(answer.get("error", "no such weather"))

    async def _effect(
        self,
        kind: str,
        run_key: str,
        attempt: int,
        details: Mapping[str, object],
        *,
        idempotent: bool,
        takes_s: float = 0.0,
    ) -> Effect:
        assert_no_transaction("billing")
        told: dict[str, object] = {"kind": kind, "run_key": run_key, "attempt": attempt}
        told |= {"details": dict(details), "takes_s": takes_s}
        key = run_key if idempotent else None
        status, answer = await self._call("POST", "/effects", told, idempotency_key=key)
        if status == 200:
            return Effect(**answer["effect"])
        words = f"billing answered {status}: {answer.get('error', '')}"
        if 400 <= status < 500:
            raise BillingRefused(words)
        # Only what says so in words had no effect; a bare failure may have come after it.
        raise BillingAway(words) if answer.get("effect") == "none" else BillingUnclear(words)

    async def _call(
        self,
        method: str,
        target: str,
        told: Mapping[str, object] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> tuple[int, dict[str, Any]]:
        where = urlsplit(self.base_url)
        try:
            async with asyncio.timeout(self.timeout):
                reader, writer = await asyncio.open_connection(where.hostname, where.port)
        except (OSError, TimeoutError) as error:
            raise BillingAway("billing was not reached") from error
        body = b"" if told is None else json.dumps(told).encode()
        head = [f"{method} {target} HTTP/1.1", f"Host: {where.netloc}"]
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        if idempotency_key is not None:
            head.append(f"Idempotency-Key: {quote(idempotency_key, safe=':')}")
        try:
            async with asyncio.timeout(self.timeout):
                writer.write("\r\n".join([*head, "", ""]).encode() + body)
                await writer.drain()
                answer = await reader.read()
            return _understood(answer)
        except (OSError, TimeoutError, ValueError) as error:
            raise BillingUnclear("billing did not answer") from error
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _understood(answer: bytes) -> tuple[int, dict[str, Any]]:
    """Status and body. Raises ValueError when the answer is cut short or not one."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        raise ValueError("cut short")
    status = int(head.split(b" ", 2)[1])
    told = json.loads(body)
    if not isinstance(told, dict):
        raise ValueError("not an object")
    return status, told
