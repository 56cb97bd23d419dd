import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InvalidKey
from storage.keys import output_key, parent, sort_key


@pytest.mark.parametrize(
    "text", ["a", "a/b", "a.b/..c", "...", "ä/\U0001f600", "with space", "k" * 1024, "a/.b", "~+&%"]
)
def test_keys_that_may_be_written(text: str) -> None:
    assert output_key(text) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("/a", "begins"),
        ("a/", "ends"),
        ("a//b", "empty part"),
        (".", "as a part"),
        ("a/..", "as a part"),
        ("../a", "as a part"),
        ("a\tb", "control"),
        ("a\x7fb", "control"),
        ("a\u2028b", "control"),
        ("a\0b", "control"),
        ("k" * 1025, "1025 bytes"),
        ("ä" * 513, "1026 bytes"),
        ("\ud800", "Unicode"),
    ],
)
def test_keys_that_may_not(text: str, why: str) -> None:
    with pytest.raises(InvalidKey, match=why) as caught:
        output_key(text)
    assert (caught.value.operation, caught.value.key) == ("output_key", text)


@given(st.text(max_size=40))
def test_any_text_is_a_key_or_is_refused(text: str) -> None:
    try:
        key = output_key(text)
    except InvalidKey:
        return
    assert key == text
    assert not {"", ".", ".."} & set(key.split("/"))


def test_the_parent_ends_in_a_slash() -> None:
    assert (parent("a/b/c"), parent("a"), parent("a/b/")) == ("a/b/", "", "a/b/")


def test_order_is_that_of_bytes() -> None:
    assert sorted(["\U0001f600", "\uffee", "a/b", "a.b"], key=sort_key) == ["a.b", "a/b", "\uffee", "\U0001f600"]
