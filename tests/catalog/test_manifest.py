import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import DocumentError
from catalog.manifest import MAX_BYTES, content_digest, digest12, from_json, to_json
from catalog.model import Evidence, Manifest, Mode, StreamClock, StreamKind, StreamRecord, Verdict
from media.clock import ClockSource
from media.findings import finding
from tests.catalog.builders import absence, gap, manifest, output, output_track, stream

seconds = st.floats(0, 90_000).map(lambda value: round(value, 6))
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def document(value: Manifest) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(to_json(value))
    return loaded


def altered(value: Manifest, **changes: object) -> bytes:
    return json.dumps({**document(value), **changes}).encode()


@given(texts, st.none() | texts, seconds, seconds, st.sampled_from([Verdict.GAPS]))
def test_what_is_written_is_read(task: str, user: str | None, a: float, b: float, verdict: Verdict) -> None:
    lost = gap(min(a, b), max(a, b))
    value = manifest(stream(user=user, gaps=(lost,)), task_id=task, verdict=verdict)

    assert from_json(to_json(value)) == value


def test_an_empty_recording_is_read_back() -> None:
    value = replace(manifest(verdict=Verdict.EMPTY), streams=(), findings=(), room=None, started_at=None, ended_at=None)

    assert from_json(to_json(value)) == value


def test_equal_manifests_give_equal_bytes_whatever_order_their_counts_came_in() -> None:
    base = stream()
    twin = stream(segments=replace(base.segments, proofs={"crc64xz": 4, "length": 1}))

    assert to_json(manifest(base)) == to_json(manifest(twin))
    assert to_json(manifest()).endswith(b"}\n")


def test_seconds_have_six_decimals_and_no_negative_zero() -> None:
    value = manifest(stream(duration_s=1 / 3, clock=StreamClock(source=None, anchors=(), drift_ppm=-1e-9)))

    written = document(value)["streams"][0]

    assert written["duration_s"] == 0.333_333
    assert str(written["clock"]["drift_ppm"]) == "0.0"


def test_times_are_utc_with_milliseconds() -> None:
    east = timezone(timedelta(hours=8))
    value = manifest(started_at=datetime(2026, 5, 3, 22, 0, 0, 999_600, tzinfo=east), ended_at=None)

    written = document(value)

    assert written["started_at"] == "2026-05-03T14:00:01.000Z"
    assert written["ended_at"] is None
    assert from_json(to_json(value)).started_at == datetime(2026, 5, 3, 14, 0, 1, tzinfo=UTC)


def test_spans_say_from_and_to() -> None:
    written = document(manifest(stream(gaps=(gap(),)), verdict=Verdict.GAPS))["streams"][0]["gaps"][0]

    assert (written["from_s"], written["to_s"]) == (12.0, 24.0)
    assert (written["from"], written["to"]) == ("2026-05-03T14:00:23.250Z", "2026-05-03T14:00:35.250Z")
    assert (written["cause"], written["track"]) == ("missing", "both")


@pytest.mark.parametrize(
    "value",
    [
        manifest(stream(duration_s=float("nan"))),
        manifest(stream(duration_s=float("inf"))),
        manifest(stream(duration_s=-0.5)),
        manifest(stream(outputs=(output(crc64xz="995DC9BBDF1939FA"),))),
        manifest(task_id="\ud800"),
        manifest(started_at=datetime(2026, 5, 3)),  # noqa: DTZ001 - refusing it is the point
    ],
    ids=["nan", "infinity", "negative", "upper-case checksum", "lone surrogate", "no zone"],
)
def test_what_could_not_be_read_again_is_not_written(value: Manifest) -> None:
    with pytest.raises(DocumentError):
        to_json(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (manifest(stream(gaps=(gap(),))), "complete, with gaps in mix"),
        (
            manifest(findings=(finding("segment_missing", "rec/7.ts", "404"),)),
            "complete, with segment_missing at rec/7",
        ),
        (manifest(stream(outputs=(output(tracks=(output_track(dropped=5),)),))), "do not add up"),
        (manifest(verdict=Verdict.DAMAGED), "damaged, with 1 outputs"),
        (manifest(verdict=Verdict.EMPTY), "empty, with 1 outputs"),
    ],
)
def test_a_verdict_that_the_rest_belies_is_not_written(value: Manifest, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        to_json(value)


def test_the_content_digest_is_about_the_recording_and_not_about_who_wrote_it_when() -> None:
    value = manifest()
    rewritten = replace(
        value,
        created_at=value.created_at + timedelta(days=1),
        trace_id=None,
        revision=7,
        supersedes="manifests/agora/x/000006-0123456789ab.json",
        software=replace(value.software, libav="63.0.0"),
    )

    assert content_digest(rewritten) == content_digest(value) == document(value)["content_digest"]
    assert to_json(rewritten) != to_json(value)


@pytest.mark.parametrize(
    "changes",
    [
        {"room": "math-8"},
        {"verdict": Verdict.GAPS},
        {"mode": Mode.WEB},
        {"ended_at": None},
        {"streams": ()},
        {"findings": ()},
        {"orphans": ()},
    ],
)
def test_the_content_digest_notices_every_change_of_content(changes: dict[str, Any]) -> None:
    assert content_digest(replace(manifest(), **changes)) != content_digest(manifest())


def test_digest12_names_the_bytes() -> None:
    assert digest12(b"123456789") == "15e2b0d3c338"


def test_unknown_fields_are_ignored_at_every_depth() -> None:
    value = manifest()
    later = document(value)
    later["streams"][0]["clock"]["leap"] = {"seconds": 1}
    later["signature"] = "of a later version"
    later["content_digest"] = _digest(later)

    assert from_json(json.dumps(later).encode()) == value


def test_a_manifest_from_before_rotations_were_told_has_none() -> None:
    older = document(manifest())
    del older["streams"][0]["rotations"]
    older["content_digest"] = _digest(older)

    assert from_json(json.dumps(older).encode()).streams[0].rotations == ()


def test_an_older_version_is_read_and_a_newer_one_is_refused_with_advice() -> None:
    assert from_json(altered(manifest(), schema="aftertake.manifest/0")) == manifest()
    with pytest.raises(DocumentError, match="update it"):
        from_json(altered(manifest(), schema="aftertake.manifest/2"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is not JSON"),
        (b"\xff{}", "is not JSON"),
        (b"[]", "JSON list"),
        (b"[" * 200_000, "is not JSON"),
        (b'{"schema": NaN}', "NaN is not allowed"),
        (b"{}", "no manifest of Aftertake"),
        (b'{"schema": "aftertake.manifest/1x"}', "no manifest of Aftertake"),
        (b'{"schema": "aftertake.manifest/1"}', "content_digest"),
        (altered(manifest(), room="math-8"), "changed after it was written"),
        (altered(manifest(), content_digest=None), "content_digest"),
        (altered(manifest(), revision=0), "revision: .*greater than or equal to 1"),
        (altered(manifest(), revision="1"), "revision: .*valid integer"),
        (altered(manifest(), created_at="2026-05-03T15:02:03"), "created_at: .*timezone"),
    ],
)
def test_what_is_no_manifest_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        from_json(body)


@given(st.data())
def test_a_cut_manifest_is_refused(data: st.DataObject) -> None:
    body = to_json(manifest())
    with pytest.raises(DocumentError):
        from_json(body[: data.draw(st.integers(0, len(body) - 3))])


def test_seventeen_users_and_a_day_stay_within_the_bound() -> None:
    users = [f"u{number:02d}-9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d" for number in range(17)]
    value = manifest(
        *(_a_day_of(user, number) for number, user in enumerate(users)),
        mode=Mode.INDIVIDUAL,
        verdict=Verdict.GAPS,
        findings=tuple(
            finding("segment_missing", f"rec/class-of-2026/{user}_2026050314002325{n}.ts", "listed and not there")
            for user in users
            for n in range(4)
        ),
    )

    assert sum(len(each.absences) for each in value.streams) == 680
    assert len(to_json(value)) <= MAX_BYTES


def _a_day_of(user: str, number: int) -> StreamRecord:
    times = [1_000.123_456 + number + 2_000 * step for step in range(40)]
    return stream(
        f"{user}_av",
        user=user,
        kind=StreamKind.PARTICIPANT,
        duration_s=86_400.123_456,
        clock=replace(stream().clock, source=ClockSource.SLICE_NAME, anchors=stream().clock.anchors * 24),
        gaps=tuple(gap(time, time + 15.001) for time in times[:6]),
        absences=tuple(absence(time, time + 321.654_321, evidence=Evidence.UNMARKED) for time in times),
        outputs=(output(tracks=(output_track(), output_track(type="audio", codec="mp4a.40.2"))),) * 2,
    )


def _digest(changed: dict[str, Any]) -> str:
    """What the reader computes, read from the schema's words: an implementation of its own."""
    left_out = {"schema", "content_digest", "created_at", "trace_id", "software", "revision", "supersedes"}
    content = {name: value for name, value in changed.items() if name not in left_out}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
