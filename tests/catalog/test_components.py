import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.components import Abbreviated, decode_component, encode_component
from catalog.errors import LayoutError

short_ids = st.text(min_size=1, max_size=9)  # at most 36 bytes, 108 when encoded
any_ids = st.text(min_size=1)


@given(short_ids | st.text(alphabet="ab./~%_- é", min_size=1, max_size=19))
@example(".")
@example("..")
@example("a/../b")
@example("%2E~0123456789abcdef")
@example("\x00\r\n")
@example("学员-7")
@example("\ud800")
def test_short_ids_go_both_ways(value: str) -> None:
    encoded = encode_component(value)

    assert decode_component(encoded) == value
    assert re.fullmatch(r"([A-Za-z0-9._-]|%[0-9A-F]{2})+", encoded)
    assert encoded not in {".", ".."}


@given(any_ids, any_ids)
@example("Anna", "anna")
@example("a/b", "a%2Fb")
@example("x" * 200, "x" * 201)
@example("é" * 200, "é" * 201)
def test_different_ids_have_different_components(one: str, other: str) -> None:
    assert (encode_component(one) == encode_component(other)) == (one == other)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("sid_Cd34.x-1", "sid_Cd34.x-1"),
        ("a b/c", "a%20b%2Fc"),
        ("~", "%7E"),
        ("100%", "100%25"),
        ("é", "%C3%A9"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "..."),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 80 + "~79072a47bfaa54e6"),
    ],
)
def test_how_ids_look_in_keys(value: str, encoded: str) -> None:
    assert encode_component(value) == encoded


@given(st.text(min_size=41, max_size=60, alphabet="éß学") | st.text(min_size=4_000, max_size=4_100, alphabet="ab/~"))
def test_long_ids_are_abbreviated_and_decode_to_the_mark(value: str) -> None:
    encoded = encode_component(value)

    assert 95 <= len(encoded) <= 97
    assert not re.search(r"%[0-9A-F]?~", encoded)
    assert decode_component(encoded) == Abbreviated(encoded)
    assert encode_component(decode_component(encoded)) == encoded


def test_an_id_that_spells_an_abbreviation_is_not_taken_for_one() -> None:
    mark = encode_component("x" * 300)

    assert decode_component(encode_component(mark)) == mark
    assert encode_component(mark) != mark


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(LayoutError, match="empty"):
        encode_component("")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a b",
        "a/b",
        "é",
        "%2f",
        "%41",
        "%",
        "%4",
        "%ZZ",
        "%FF",
        "~",
        "a~b",
        "x~0123456789abcdef",
        "x" * 121,
    ],
)
def test_what_no_id_encodes_to_is_refused(text: str) -> None:
    with pytest.raises(LayoutError):
        decode_component(text)


@given(st.text(alphabet="aZ9._-%~/é2EF", max_size=30) | st.text())
def test_any_text_is_refused_or_is_the_encoding_of_what_it_decodes_to(text: str) -> None:
    try:
        value = decode_component(text)
    except LayoutError:
        return
    assert encode_component(value) == text
