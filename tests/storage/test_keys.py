import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InvalidKey
from storage.keys import basename, folder_prefix, join, output_key, parent, sort_key


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
    assert key == text == join(parent(key), basename(key))
    assert not {"", ".", ".."} & set(key.split("/"))


def test_prefixes_end_in_a_slash() -> None:
    assert [folder_prefix(text) for text in ("", "room1", "room1/")] == ["", "room1/", "room1/"]


def test_parts_of_keys() -> None:
    assert (parent("a/b/c"), parent("a"), parent("a/b/")) == ("a/b/", "", "a/b/")
    assert (basename("a/b/c"), basename("a")) == ("c", "a")
    assert (join("", "a", "b"), join("x", "a"), join("x/", "a")) == ("a/b", "x/a", "x/a")


def test_order_is_that_of_bytes() -> None:
    assert sorted(["\U0001f600", "\uffee", "a/b", "a.b"], key=sort_key) == ["a.b", "a/b", "\uffee", "\U0001f600"]
