"""A difference is always told: a person cannot decide about what is not shown."""

from __future__ import annotations

import pytest

from cairnloop_engine.core.errors import JsonValue
from cairnloop_engine.governance.masking import shown_change


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("input.amount", "82.00", "82.00"),
        ("input.confirmed", True, "Yes"),
        ("input.note", None, ""),
        ("input.seats", [1, 2], "1, 2"),
        ("input.lines", [{"sku": "A", "n": 2}, {"sku": "B", "n": 1}], "sku: A, n: 2; sku: B, n: 1"),
        ("input.lines", [{"sku": "A", "api_key": "s3cret"}], "sku: A, api_key: ••••••"),
        ("input.lines", [{"sku": "A", "iban": "s3cret"}], "sku: A, iban: ••••••"),
        ("targets", [["order", "A-17", "3"]], "order A-17, revision 3"),
        (
            "targets",
            [["order", "A", "3"], ["seat", "9", "x"]],
            "order A, revision 3; seat 9, revision x",
        ),
        ("targets", ["odd"], "Unsupported value"),
    ],
)
def test_every_value_of_a_difference_has_words(field: str, value: JsonValue, shown: str) -> None:
    assert shown_change(field, value, {"iban"}) == shown
