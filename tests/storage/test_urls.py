from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import Unsupported
from storage.opening import open_store
from storage.urls import StoreUrl

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", min_size=1, max_size=20)
PIECES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=10)


@given(
    bucket=NAMES,
    pieces=st.lists(PIECES, max_size=3),
    options=st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=3),
)
def test_a_url_reads_as_it_was_written(bucket: str, pieces: list[str], options: dict[str, str]) -> None:
    url = StoreUrl(scheme="s3", bucket=bucket, prefix="".join(f"{piece}/" for piece in pieces), options=options)
    assert StoreUrl.parse(str(url)) == url


@given(st.text(max_size=60), st.sampled_from(["", "s3://", "oss://", "cos://b/?region=", "s3://b/?endpoint="]))
def test_any_text_is_a_store_or_unsupported(text: str, begin: str) -> None:
    with suppress(Unsupported):
        url = StoreUrl.parse(begin + text)
        assert url.bucket
        url.address("endpoint")


@pytest.mark.parametrize(
    "url", ["s3://[", "s3://[x/", "s3://b/?endpoint=http://[", "oss://b/?region=r&endpoint=http://[::"]
)
def test_what_cannot_be_split_is_unsupported(url: str) -> None:
    with pytest.raises(Unsupported):
        open_store(f"{url}{'&' if '?' in url else '?'}credentials=none", environment={})


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("s3://b", ""),
        ("s3://b/", ""),
        ("s3://b/a", "a/"),
        ("s3://b/a/b/", "a/b/"),
        ("s3://b//a//", "/a//"),
        ("s3://b/%E4%BC%9A%20x", "会 x/"),
    ],
)
def test_prefixes_end_in_a_slash(url: str, prefix: str) -> None:
    assert StoreUrl.parse(url).prefix == prefix


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://key:secret@b/", "holds no credentials"),
        ("s3://b:80/", "it is written"),
        ("s3:///a", "it is written"),
        ("s3://b/#x", "it is written"),
        ("s3://b/?region=a&region=b", "twice"),
    ],
)
def test_what_is_no_store_url(url: str, why: str) -> None:
    with pytest.raises(Unsupported, match=why) as caught:
        StoreUrl.parse(url)
    assert "secret" not in str(caught.value)


def test_options() -> None:
    url = StoreUrl.parse("s3://b/?region=eu-west-1&parts=equal&endpoint=http://127.0.0.1:80/")
    url.require_known(dict.fromkeys(("region", "parts", "endpoint"), "known"))
    assert url.required("region", "x") == "eu-west-1"
    assert url.choice("parts", ("any", "equal")) == "equal"
    assert url.choice("etags", ("md5", "opaque")) == "md5"
    assert url.address("endpoint") == ("http", "127.0.0.1:80")
    assert url.address("domain") is None
    with pytest.raises(Unsupported, match=r"there is no option 'parts'\. There are region"):
        url.require_known({"region": "where"})
    with pytest.raises(Unsupported, match="parts=equal is none of a, b"):
        url.choice("parts", ("a", "b"))
    with pytest.raises(Unsupported, match=r"write \?none=, for example none=x"):
        url.required("none", "x")


@pytest.mark.parametrize(
    "value", ["host", "ftp://host", "http://", "http://u:p@host", "http://host/path", "http://h?q=1"]
)
def test_addresses_that_are_none(value: str) -> None:
    with pytest.raises(Unsupported, match="endpoint=https://host"):
        StoreUrl(scheme="s3", bucket="b", options={"endpoint": value}).address("endpoint")


def test_the_place_is_what_people_recognise() -> None:
    assert StoreUrl.parse("s3://b/a b/?region=x").place == "s3://b/a%20b/"
