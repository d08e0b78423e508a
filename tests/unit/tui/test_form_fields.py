"""From an input model to fields, and from what was typed to JSON."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Literal

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from cairnloop_engine import Invalid
from cairnloop_tui.forms.fields import Field as FormField
from cairnloop_tui.forms.fields import Shape, fields_of, given, options, typed_value


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    street: str


class Everything(BaseModel):
    name: str = Field(title="Full name", description="As in the passport.")
    order_id: str
    story: str = Field(max_length=5_000)
    count: int = Field(ge=1, le=9)
    price: Decimal
    share: float | None = None
    colour: Colour
    size: Literal["s", "m"] = "m"
    agreed: bool
    maybe: bool | None = None
    tags: list[str] = Field(default_factory=list)
    numbers: list[int] = Field(default_factory=list)
    address: Inner | None = None
    api_key: str | None = "stored"
    pin: str = Field("", json_schema_extra={"sensitive": True})


FIELDS = {field.name: field for field in fields_of(Everything.model_json_schema())}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("name", Shape.TEXT),
        ("story", Shape.LONG_TEXT),
        ("count", Shape.WHOLE),
        ("price", Shape.NUMBER),
        ("share", Shape.NUMBER),
        ("colour", Shape.CHOICE),
        ("size", Shape.CHOICE),
        ("agreed", Shape.YES_NO),
        ("maybe", Shape.YES_NO),
        ("tags", Shape.LIST),
        ("numbers", Shape.LIST),
        ("address", Shape.JSON),
        ("api_key", Shape.TEXT),
    ],
)
def test_every_kind_of_input_has_a_field_of_its_kind(name: str, shape: Shape) -> None:
    assert FIELDS[name].shape is shape


def test_a_field_tells_its_name_what_it_needs_and_its_bounds() -> None:
    assert FIELDS["name"].label == "Full name"
    assert FIELDS["order_id"].label == "Order id"
    assert FIELDS["name"].help == "As in the passport."
    assert FIELDS["count"].help == "(at least 1, at most 9)"
    assert (FIELDS["name"].required, FIELDS["share"].required) == (True, False)
    assert options(FIELDS["colour"]) == ("red", "blue")
    assert options(FIELDS["agreed"]) == ("yes", "no")
    assert FIELDS["size"].default == "m"


def test_secrets_are_known_by_mark_and_by_name_and_never_put_back() -> None:
    assert FIELDS["pin"].sensitive
    assert FIELDS["api_key"].sensitive
    assert FIELDS["api_key"].default is None
    assert typed_value(FIELDS["api_key"], "stored") == ""


def test_what_comes_from_elsewhere_is_no_field() -> None:
    schema = Everything.model_json_schema()

    assert "count" not in {field.name for field in fields_of(schema, fixed=("count",))}


def test_what_was_typed_becomes_values_of_their_kinds() -> None:
    typed = {
        "name": "Ada",
        "count": " 3 ",
        "price": "82.00",
        "share": "0.5",
        "colour": "blue",
        "agreed": "no",
        "tags": "a, b,, c",
        "numbers": "1, 2",
        "address": '{"street": "High"}',
        "maybe": "",
    }

    assert given(list(FIELDS.values()), typed) == {
        "name": "Ada",
        "count": 3,
        "price": "82.00",
        "share": 0.5,
        "colour": "blue",
        "agreed": False,
        "tags": ["a", "b", "c"],
        "numbers": [1, 2],
        "address": {"street": "High"},
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("count", "three", "no whole number"),
        ("count", "1.5", "no whole number"),
        ("price", "lots", "no number"),
        ("price", "NaN", "no number"),
        ("address", "{", "no JSON"),
        ("numbers", "1, x", "no whole number"),
    ],
)
def test_what_is_no_value_of_its_kind_is_said_at_its_field(name: str, text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        given(list(FIELDS.values()), {name: text})

    assert said in str(refused.value.facts[name])


@pytest.mark.parametrize(
    ("name", "stored", "shown"),
    [
        ("name", "Ada", "Ada"),
        ("agreed", True, "yes"),
        ("agreed", False, "no"),
        ("tags", ["a", "b"], "a, b"),
        ("address", {"street": "High"}, '{"street": "High"}'),
        ("colour", "red", "red"),
        ("colour", "gone", ""),
        ("share", None, ""),
    ],
)
def test_a_stored_value_comes_back_into_its_field(name: str, stored: object, shown: str) -> None:
    assert typed_value(FIELDS[name], stored) == shown  # type: ignore[arg-type]


SCHEMAS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["properties", "type", "enum", "anyOf", "$ref", "$defs", "items", "required"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@for_all(st.dictionaries(st.sampled_from(["properties", "required", "$defs"]), SCHEMAS))
def test_no_schema_breaks_a_form(schema: dict[str, object]) -> None:
    fields = fields_of(schema)  # type: ignore[arg-type]

    assert all(isinstance(field, FormField) for field in fields)
