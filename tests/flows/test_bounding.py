"""A manifest of a restless day is told more coarsely, and nothing of it disappears."""

from dataclasses import replace
from datetime import timedelta

from catalog.manifest import MAX_BYTES, from_json, to_json
from catalog.model import Cause, ClockAnchor, Evidence, Manifest, Mode, StreamKind, StreamRecord, Verdict
from flows.steps.bounding import fitting
from media.findings import Finding, Severity, finding
from tests.catalog.builders import SID, absence, at, gap, manifest, output, output_track, rotation, stream

USERS = [f"u{number:02d}-9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d" for number in range(17)]


def test_a_megabyte_of_seventeen_users_is_told_within_the_bound() -> None:
    whole, findings = restless(absences=220, gaps=50)
    assert len(to_json(whole)) > 1_000_000

    told = fitting(whole, findings)

    assert len(to_json(replace(told, revision=12, supersedes="x" * 200))) <= MAX_BYTES
    assert from_json(to_json(told)) == told
    assert fitting(whole, findings) == told
    (notice,) = (found for found in told.findings if found.code == "manifest_shortened")
    assert notice.severity is Severity.NOTICE
    assert "3740 absences are told as" in notice.detail


def test_every_gap_and_absence_is_still_within_what_is_told() -> None:
    whole, findings = restless(absences=220, gaps=50)
    told = fitting(whole, findings)

    assert told.verdict is whole.verdict
    for before, after in zip(whole.streams, told.streams, strict=True):
        assert {(each.track, each.cause) for each in before.gaps} == {(each.track, each.cause) for each in after.gaps}
        for each in before.gaps:
            assert any(
                (each.track, each.cause) == (one.track, one.cause)
                and one.from_s <= each.from_s
                and each.to_s <= one.to_s
                for one in after.gaps
            )
        for away in before.absences:
            assert any(one.from_s <= away.from_s and away.to_s <= one.to_s for one in after.absences)
        assert (after.outputs, after.started_at, after.duration_s) == (
            before.outputs,
            before.started_at,
            before.duration_s,
        )


def test_the_shortest_breaks_are_closed_first() -> None:
    near = [absence(n * 100.0, n * 100.0 + 99.0) for n in range(2000)]
    far = absence(1_000_000.0, 1_000_001.0)
    told = fitting(manifest(stream(absences=(*near, far)), verdict=Verdict.COMPLETE), ())

    assert told.streams[0].absences[-1] == far
    assert 1 < len(told.streams[0].absences) <= 200


def test_a_clock_keeps_the_anchors_at_which_it_leaps() -> None:
    anchors = tuple(ClockAnchor(media_s=float(n), utc=at(n) + timedelta(seconds=(n >= 2500) * 30)) for n in range(5000))
    whole = manifest(stream(clock=replace(stream().clock, anchors=anchors)), verdict=Verdict.COMPLETE)
    clock = fitting(whole, ()).streams[0].clock

    assert len(clock.anchors) <= 400
    for anchor in anchors:
        found = clock.utc_at(anchor.media_s)
        assert found is not None
        assert abs(found - anchor.utc) < timedelta(milliseconds=1)


def test_phones_that_are_turned_all_day_long_are_bounded_too() -> None:
    turned = stream(rotations=tuple(rotation(60.0 * n) for n in range(200)))
    whole = manifest(*(replace(turned, stream=user, user=user) for user in USERS), verdict=Verdict.COMPLETE)
    assert len(to_json(whole)) > MAX_BYTES

    told = fitting(whole, ())

    assert len(to_json(told)) <= MAX_BYTES
    assert all(each.rotations for each in told.streams)
    assert "3400 rotations are told as" in told.findings[-1].detail


def test_a_manifest_that_fits_is_left_as_it_is() -> None:
    whole = manifest()
    assert fitting(whole, whole.findings) is whole


def restless(*, absences: int, gaps: int) -> tuple[Manifest, tuple[Finding, ...]]:
    findings = tuple(
        finding("segment_missing", f"rec/class-of-2026/{SID}_{user}_2026050314002325{n}.ts", "listed and not there")
        for user in USERS
        for n in range(gaps)
    )
    streams = [_a_day_of(user, number, absences, gaps) for number, user in enumerate(USERS)]
    whole = manifest(*streams, mode=Mode.INDIVIDUAL, verdict=Verdict.GAPS, findings=findings)
    return whole, findings


def _a_day_of(user: str, number: int, absences: int, gaps: int) -> StreamRecord:
    every = 86_000 / absences
    times = [round(number + every * step, 3) for step in range(absences)]
    lost = [round(86_000 / gaps * n, 3) for n in range(gaps)]
    return stream(
        user,
        user=user,
        kind=StreamKind.PARTICIPANT,
        duration_s=86_400.123_456,
        clock=replace(
            stream().clock,
            anchors=tuple(ClockAnchor(media_s=n * 1400.0, utc=at(n * 1400.0 + n % 3 / 100)) for n in range(60)),
        ),
        gaps=tuple(
            gap(time, round(time + 15.001, 3), cause=[Cause.MISSING, Cause.CORRUPT][n % 2])
            for n, time in enumerate(lost)
        ),
        absences=tuple(
            absence(time, round(time + 10 + step % 7, 3), evidence=Evidence.TRACK_START)
            for step, time in enumerate(times)
        ),
        outputs=(output(tracks=(output_track(), output_track(type="audio", codec="mp4a.40.2"))),),
    )
