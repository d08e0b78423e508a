"""What the trail needs to know of its installation: where its key and its outside head are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cairnloop_engine.audit.chain import ChainKeys
from cairnloop_engine.core.errors import Misconfigured
from cairnloop_engine.core.installkey import InstallKey


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """``key`` is the configured install key; None means the one in ``home``."""

    home: Path
    key: str | None = field(default=None, repr=False)

    def has_key(self) -> bool:
        """Whether this host has an install key at all."""
        return InstallKey.find(self.home, self.key) is not None

    def keys(self, *, create: bool = False) -> ChainKeys:
        """The keys of the chain; ``create`` makes an install key when there is none.

        Raises:
            Misconfigured: ``install_key_missing`` and whatever :class:`InstallKey` raises.
        """
        if create:
            return ChainKeys.derive(InstallKey.load(self.home, self.key).derived)
        found = InstallKey.find(self.home, self.key)
        if found is None:
            raise Misconfigured(
                "install_key_missing",
                "This host does not have the install key that seals the audit trail."
                " Copy install.key from a host that has it, or set CAIRNLOOP_AUDIT_KEY.",
            )
        return ChainKeys.derive(found.derived)


def nobodys_keys() -> ChainKeys:
    """Keys that never marked or sealed anything, for a trail that has no key yet."""
    return ChainKeys.derive(lambda purpose: purpose)


def unfit() -> Misconfigured:
    """The refusal of a key that did not make the chain."""
    return Misconfigured(
        "install_key_unfit",
        "The audit trail was sealed with another install key than this host has."
        " If this key is the right one, somebody replaced the chain.",
    )
