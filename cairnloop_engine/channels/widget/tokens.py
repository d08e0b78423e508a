"""Chat tokens: JWTs signed by the host (HS256) which name a customer and a workspace."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from cairnloop_engine.channels.widget.ports import WidgetIdentity, unauthorized
from cairnloop_engine.core.clock import Clock, SystemClock
from cairnloop_engine.core.errors import Forbidden, Misconfigured

# Pinned: a token never chooses how it is checked.
ALGORITHM = "HS256"
REQUIRED = ("sub", "workspace", "exp")
SHORTEST_SECRET = 32
# The year 9999; beyond it a datetime cannot go.
LAST_MOMENT = 253_402_300_799


class FailClosed:
    """The verifier of a server without a secret: nobody is let in."""

    async def verify(self, token: str) -> WidgetIdentity:
        raise Forbidden(
            "not_configured",
            "The chat is not set up yet. Its owner needs to configure a signing secret.",
        )


@dataclass(frozen=True, slots=True)
class JwtVerifier:
    """Checks tokens against the shared secret.

    Raises:
        Misconfigured: ``widget_secret_short`` for fewer than 32 bytes.
    """

    secret: str = field(repr=False)
    leeway: float = 5.0

    def __post_init__(self) -> None:
        _check_secret(self.secret)

    async def verify(self, token: str) -> WidgetIdentity:
        """Who holds this token.

        Raises:
            Forbidden: ``unauthorized`` or ``token_expired``.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.secret,
                algorithms=[ALGORITHM],
                leeway=self.leeway,
                options={"require": list(REQUIRED)},
            )
        except jwt.ExpiredSignatureError as error:
            raise expired() from error
        except jwt.PyJWTError as error:
            raise unauthorized() from error
        return WidgetIdentity(
            customer_ref=claims["sub"],
            workspace=claims["workspace"],
            expires_at=_moment(claims["exp"], self.leeway),
            name=_words(claims.get("name")),
            email=_words(claims.get("email")),
        )


def mint_token(
    secret: str,
    *,
    customer_ref: str,
    workspace: str,
    ttl: timedelta = timedelta(hours=1),
    name: str | None = None,
    email: str | None = None,
    clock: Clock | None = None,
) -> str:
    """A token as a host's own backend would sign it; for development and the demo.

    Raises:
        Misconfigured: ``widget_secret_short``.
        Forbidden: ``unauthorized`` when the reference or the workspace names nobody.
    """
    _check_secret(secret)
    identity = WidgetIdentity(customer_ref=customer_ref, workspace=workspace)
    now = (clock or SystemClock()).now()
    claims: dict[str, str | int] = {
        "sub": identity.customer_ref,
        "workspace": identity.workspace,
        "iat": int(now.timestamp()),
        "exp": int((now + ttl).timestamp()),
    }
    if name is not None:
        claims["name"] = name
    if email is not None:
        claims["email"] = email
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def expired() -> Forbidden:
    """The answer to a token that was right once."""
    return Forbidden(
        "token_expired",
        "This chat link has expired. Open the chat again from where you came.",
    )


def _check_secret(secret: str) -> None:
    if len(secret.encode()) < SHORTEST_SECRET:
        raise Misconfigured(
            "widget_secret_short",
            f"The chat's signing secret needs at least {SHORTEST_SECRET} bytes.",
            shortest=SHORTEST_SECRET,
        )


def _moment(exp: float | str, leeway: float) -> datetime:
    return datetime.fromtimestamp(min(int(exp) + leeway, LAST_MOMENT), UTC)


def _words(claim: object) -> str | None:
    return claim[:200] if isinstance(claim, str) and claim.strip() else None
