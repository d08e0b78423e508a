"""Asking a verifier, whoever wrote it: with a deadline, and with refusal as the only failure."""

from __future__ import annotations

import asyncio
import logging

from cairnloop_engine.channels.widget.config import WidgetConfig
from cairnloop_engine.channels.widget.ports import WidgetIdentity, WidgetVerifier, unauthorized
from cairnloop_engine.channels.widget.tokens import FailClosed, JwtVerifier
from cairnloop_engine.core.database import assert_no_transaction
from cairnloop_engine.core.errors import Forbidden

log = logging.getLogger(__name__)

TELLING = frozenset({"unauthorized", "token_expired", "not_configured"})


def verifier_for(config: WidgetConfig) -> WidgetVerifier:
    """The built-in verifier; without a secret it refuses everybody.

    Raises:
        Misconfigured: ``widget_secret_short``.
    """
    if not config.secret:
        log.warning("no chat secret is configured: every visitor is refused")
        return FailClosed()
    return JwtVerifier(config.secret, leeway=config.token_leeway)


async def identify(verifier: WidgetVerifier, token: str, *, timeout: float) -> WidgetIdentity:  # noqa: ASYNC109 - a setting of ours, not of the caller's patience
    """Who holds the token.

    Raises:
        Forbidden: ``unauthorized``, ``token_expired`` or ``not_configured``; also when the
            verifier is late, breaks, or answers with something that is no identity.
    """
    assert_no_transaction("the chat's token verifier")
    try:
        async with asyncio.timeout(timeout):
            identity: object = await verifier.verify(token)
    except Forbidden as refusal:
        if refusal.code in TELLING:
            raise
        raise unauthorized() from refusal
    except Exception as error:
        # A host's bug must not open the door; its text may quote the token, so only its class.
        log.warning("the token verifier failed", extra={"code": type(error).__name__})
        raise unauthorized() from error
    if not isinstance(identity, WidgetIdentity):
        log.warning("the token verifier failed", extra={"code": "not_an_identity"})
        raise unauthorized()
    return identity
