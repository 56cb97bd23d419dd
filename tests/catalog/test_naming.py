import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import NamingError
from catalog.layout import MediaName
from catalog.model import StreamKind
from catalog.naming import NameFields, NamingRule

NAME = MediaName(plan16="0123456789abcdef", extension="mp4")
FIELDS = NameFields(
    vendor="agora",
    task_id="5f0c1e",
    room="math/7",
    user="学员 7",
    stream="学员 7_video",
    kind=StreamKind.PARTICIPANT,
    started_at=datetime(2026, 5, 3, 14, 0, 11, 250_000, tzinfo=UTC),
)
ALL = "{vendor} {task_id} {room} {user} {stream} {kind} {started_at}"


def test_a_download_name_is_for_people() -> None:
    name = NamingRule("{room}/{started_at} {user}").download_name(FIELDS, NAME)

    assert name == "math_7_20260503T140011Z 学员 7.mp4"


def test_the_files_of_one_output_have_names_of_their_own() -> None:
    rule = NamingRule("{user}")
    parts = [replace(NAME, content="video", part=n, extension="webm") for n in (1, 2)]

    assert [rule.download_name(FIELDS, part) for part in parts] == ["学员 7.video.p01.webm", "学员 7.video.p02.webm"]


def test_what_is_unknown_is_a_dash() -> None:
    mix = replace(FIELDS, room=None, user=None, started_at=None)

    assert NamingRule("{room}_{user}_{started_at}_{kind}").download_name(mix, NAME) == "-_-_-_participant.mp4"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_download_name_can_do_no_harm(user: str, room: str) -> None:
    name = NamingRule(ALL).download_name(replace(FIELDS, user=user, room=room), replace(NAME, part=2))

    assert not re.search(r'[/\\:*?"<>|\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]', name)
    assert not name.startswith((".", " "))
    assert name.endswith(".p02.mp4")
    assert len(name.encode()) <= 255


def test_a_name_of_dots_only_is_a_dash() -> None:
    assert NamingRule("{user}").download_name(replace(FIELDS, user=".."), NAME) == "-.mp4"


def test_a_media_key_encodes_ids_and_ends_in_the_plan() -> None:
    key = NamingRule("{room}/{started_at}_{task_id}_{stream}").media_key(FIELDS, replace(NAME, attempt=2))

    stream = "%E5%AD%A6%E5%91%98%207_video"
    assert key == f"media/math%2F7/20260503T140011Z_5f0c1e_{stream}.0123456789abcdef-2.mp4"
    assert MediaName.from_end_of(key) == replace(NAME, attempt=2)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_no_id_breaks_a_media_key(task_id: str, stream: str, room: str) -> None:
    rule = NamingRule("{room}/{task_id}_{stream}_{room}_{user}")
    key = rule.media_key(replace(FIELDS, task_id=task_id, stream=stream, room=room), NAME)

    parts = key.split("/")
    assert len(parts) == 3
    assert all(part not in {"", ".", ".."} and len(part) <= 255 for part in parts)
    assert key.isascii()


def test_long_parts_of_a_media_key_are_abbreviated_and_stay_apart() -> None:
    rule = NamingRule("{task_id}_{stream}_{room}")
    one, other = (
        rule.media_key(replace(FIELDS, task_id="t" * 90, stream="s" * 90, room=room), NAME)
        for room in ("r" * 90, "q" * 90)
    )

    assert one != other
    assert len(one) <= 255
    assert re.fullmatch(r"media/t{90}_s{69}~[0-9a-f]{16}\.0123456789abcdef\.mp4", one)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("", "empty part"),
        ("/{task_id}", "empty part"),
        ("{task_id}/", "empty part"),
        ("{room}//{task_id}", "empty part"),
        ("../{task_id}", "dots"),
        ("{task}", "{task} is unknown.*{task_id}"),
        ("{}", "unknown"),
        ("{0}", "unknown"),
        ("{user.name}", "unknown"),
        ("{user[0]}", "unknown"),
        ("{user!r}", "stand alone"),
        ("{user:>9}", "stand alone"),
        ("{user", "is no template"),
        ("user}", "is no template"),
        ("{{user}}", "use letters"),
        ("a\\b", "use letters"),
        ("a\n{user}", "use letters"),
        ("a~{user}", "use letters"),
        ("%2F{user}", "use letters"),
    ],
)
def test_a_rule_that_cannot_be_used_says_why(template: str, reason: str) -> None:
    with pytest.raises(NamingError, match=reason):
        NamingRule(template)


@pytest.mark.parametrize(
    ("template", "lacking"), [("{task_id}", "{stream}"), ("{stream}", "{task_id}"), ("{room}", "{task_id} {stream}")]
)
def test_a_rule_for_media_keys_tells_outputs_apart(template: str, lacking: str) -> None:
    with pytest.raises(NamingError, match=f"lacks {lacking}$"):
        NamingRule(template).media_key(FIELDS, NAME)
