import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.uris import Resolution, Rule, resolve

PLAYLIST = "rec/a/p.m3u8"
KNOWN = frozenset(
    {
        PLAYLIST,
        "rec/a/s1.ts",
        "rec/a/sub/s2.ts",
        "rec/a/s 3.ts",
        "rec/a/s%204.ts",
        "rec/a/q?x.ts",
        "rec/a/q",
        "rec/a/zoë.ts",
        "rec/a/av.m3u8",
        "rec/a//twice.ts",
        "rec/ab/other.ts",
        "other/s.ts",
        "s1.ts",
    }
)


def resolved(uri: str, prefix: str = "rec/a/") -> Resolution:
    return resolve(uri, playlist_key=PLAYLIST, prefix=prefix, known=KNOWN)


@pytest.mark.parametrize(
    ("uri", "key", "rule"),
    [
        ("s1.ts", "rec/a/s1.ts", Rule.RELATIVE),
        ("./s1.ts", "rec/a/s1.ts", Rule.RELATIVE),
        ("sub/s2.ts", "rec/a/sub/s2.ts", Rule.RELATIVE),
        ("../a/s1.ts", "rec/a/s1.ts", Rule.RELATIVE),
        ("sub/../s1.ts", "rec/a/s1.ts", Rule.RELATIVE),
        ("s%203.ts", "rec/a/s 3.ts", Rule.RELATIVE),
        ("s%204.ts", "rec/a/s%204.ts", Rule.RELATIVE),
        ("zo%C3%AB.ts", "rec/a/zoë.ts", Rule.RELATIVE),
        ("zo%EB.ts", "rec/a/zo%EB.ts", Rule.ABSENT),
        ("s1.ts?token=a/b&c", "rec/a/s1.ts", Rule.RELATIVE),
        ("s%203.ts?token=1", "rec/a/s 3.ts", Rule.RELATIVE),
        ("q?x.ts", "rec/a/q?x.ts", Rule.RELATIVE),
        ("q?y", "rec/a/q", Rule.RELATIVE),
        ("s1.ts#t=1", "rec/a/s1.ts", Rule.RELATIVE),
        ("rec/a/s1.ts", "rec/a/s1.ts", Rule.ROOT),
        ("/rec/a/s1.ts", "rec/a/s1.ts", Rule.ROOT),
        ("/bucket/rec/a/s1.ts", "rec/a/s1.ts", Rule.ROOT),
        ("moved/s1.ts", "rec/a/s1.ts", Rule.BASENAME),
        ("https://store.example/rec/a/s1.ts", "rec/a/s1.ts", Rule.URL),
        ("HTTP://store.example:8080/bucket/rec/a/s1.ts?sig=%2F", "rec/a/s1.ts", Rule.URL),
        ("//store.example/rec/a/s%203.ts", "rec/a/s 3.ts", Rule.URL),
        ("https://cdn.example/other/place/s1.ts", "rec/a/s1.ts", Rule.BASENAME),
        ("s9.ts", "rec/a/s9.ts", Rule.ABSENT),
        ("rec/a/s9.ts", "rec/a/rec/a/s9.ts", Rule.ABSENT),
        ("https://store.example/rec/a/s9.ts?sig=1", "rec/a/s9.ts?sig=1", Rule.ABSENT),
        ("/rec/a/s9.ts", "rec/a/s9.ts", Rule.ABSENT),
    ],
)
def test_keys(uri: str, key: str, rule: Rule) -> None:
    assert resolved(uri) == Resolution(key=key, rule=rule)


def test_the_playlist_comes_before_the_root_of_the_bucket() -> None:
    assert resolved("s1.ts", prefix="").key == "rec/a/s1.ts"


def test_empty_elements_are_part_of_a_key() -> None:
    assert resolve(".//twice.ts", playlist_key=PLAYLIST, prefix="rec/a/", known=KNOWN).key == "rec/a//twice.ts"


@pytest.mark.parametrize(
    "uri",
    [
        *("../../other/s.ts", "../ab/other.ts", "/other/s.ts", "https://store.example/other/s.ts", "..", "../"),
        *("..%2f..%2fother/s.ts", "%2e%2e/%2e%2e/other/s.ts", "%2E%2E%2Fab/other.ts", "sub/../../ab/other.ts"),
        *("../../../../../../etc/passwd", "/etc/passwd", "/../etc/passwd", "https://store.example/../../etc/passwd"),
        *(
            "file:///etc/passwd",
            "FILE:/etc/passwd",
            "file%3A///etc/passwd",
            "data:video/mp2t;base64,AAAA",
            "concat:a|b",
        ),
        *(
            "ftp://store.example/rec/a/s1.ts",
            "subfile:x",
            "C:\\HLS Video\\s1.ts",
            "C:/s1.ts",
            "sub\\s1.ts",
            "sub%5Cs1.ts",
        ),
        *(
            "s1.ts\x00",
            "s1%00.ts",
            "s1\n.ts",
            "s1%0a.ts",
            "s1\u2028.ts",
            "",
            ".",
            "sub/",
            "https://store.example",
            "//",
        ),
        *("http://169.254.169.254/latest/meta-data", "https://user:secret@store.example/other/s.ts"),
    ],
)
def test_what_is_refused(uri: str) -> None:
    found = resolved(uri)
    assert (found.key, found.rule) == (None, Rule.OUTSIDE)
    assert found.problem
    assert found.problem.isprintable()


def test_absolute_paths_are_refused_without_a_prefix_too() -> None:
    assert resolved("/etc/passwd", prefix="").rule is Rule.OUTSIDE
    assert resolved("/other/s.ts", prefix="").key == "other/s.ts"


@pytest.mark.parametrize("uri", ["p.m3u8", "./p.m3u8?x=1", "p%2em3u8", "https://cdn.example/p.m3u8", "/rec/a/p.m3u8"])
def test_a_playlist_that_names_itself(uri: str) -> None:
    found = resolve(uri, playlist_key=PLAYLIST, prefix="rec/a/", known=())
    assert (found.key, found.rule) == (None, Rule.SELF)
    assert found.problem


@pytest.mark.parametrize("uri", ["av.m3u8", "unknown.m3u8", "unknown.m3u8?x=.ts", "sub/old.m3u", "/rec/a/av.m3u8"])
def test_a_playlist_that_names_another(uri: str) -> None:
    found = resolved(uri)
    assert (found.key, found.rule) == (None, Rule.PLAYLIST)
    assert found.problem


_PIECES = st.sampled_from(
    ["..", ".", "/", "%2e", "%2f", "a", "rec", "s1.ts", "?", "#", "http:", "//", "\\", ":", "%", " "]
)


@given(st.lists(_PIECES, max_size=9).map("".join) | st.text(max_size=30))
def test_nothing_leads_out(uri: str) -> None:
    found = resolved(uri)
    assert (found.key is None) == (found.problem is not None)
    if found.key is not None:
        assert found.key.startswith("rec/a/")
        assert not {"..", "."} & set(found.key.split("/"))
        assert (found.key in KNOWN) == (found.rule is not Rule.ABSENT)


@given(st.lists(_PIECES, max_size=4).map("".join) | st.text(max_size=30), st.sampled_from(["rec/a/", "rec/", "", "x/"]))
def test_what_is_resolved_sooner_is_resolved_alike(uri: str, prefix: str) -> None:
    known = {*KNOWN, f"rec/a/{uri}"}
    sooner = resolve(uri, playlist_key=PLAYLIST, prefix=prefix, known=known)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("media.uris.bare_key", lambda *_: None)
        assert resolve(uri, playlist_key=PLAYLIST, prefix=prefix, known=known) == sooner
