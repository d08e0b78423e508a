"""A trail that can be sealed, and tampered with."""

from __future__ import annotations

import pytest

from cairnloop_engine import Engine
from tests.engine.audit.vault import Vault, vault_of


@pytest.fixture
def vault(engine: Engine, database_url: str) -> Vault:
    return vault_of(engine, database_url)
