"""What somebody asks for becomes a file that is what was told of it, with a certificate that says where it is from."""

import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from functools import reduce
from io import BytesIO
from operator import or_
from pathlib import Path
from typing import Any, NoReturn

import pytest

from catalog.certificate import Certificate, from_json
from catalog.covering import Moment
from catalog.export_request import ExportMode, ExportRequest
from catalog.exports import Export, ExportedFile
from deployments.sandbox.layouts import STARTED_AT
from flows.steps.cutting import CutDiffersError
from flows.steps.footage import footage_of
from flows.steps.making import make
from flows.steps.movies import SourceGoneError
from flows.steps.preparing import Prepared, prepare
from flows.steps.refusing import NotReadyError
from flows.steps.selecting import Wanted
from flows.steps.unpublished import pinned_again, provisional, slices_of
from media.mp4.check import check
from storage.errors import Denied, NoSpace
from storage.keys import output_key
from storage.local import LocalStore
from tests.flows.folders import slices
from tests.flows.site import Site, recording_id, sid
from tests.lab import agora_individual, cut, flash_and_beep, judge_mp4


def wanted(begin: Moment, end: Moment, *users: str, mode: ExportMode = ExportMode.FAST) -> Wanted:
    return Wanted(task=sid(1), room=None, users=users, begin=begin, end=end, mode=mode)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def asked(site: Site, request: ExportRequest, by: str = "ann") -> Export:
    export, _ = site.catalog.exports.ask(request, by=by, reason="case 7", name="clip", keep=timedelta(days=1), most=10)
    return export


def made(site: Site, prepared: Prepared) -> tuple[bytes, Certificate, ExportedFile]:
    told: list[int] = []
    file = make(site.worker(), asked(site, prepared.request), told.append)
    data = (site.output / file.key).read_bytes()
    assert sum(told) == len(data) == file.size_bytes
    return data, from_json((site.output / file.certificate).read_bytes()), file


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One mixed recording of eight seconds, a keyframe each second."""
    site = Site(tmp_path)
    site.lay(1)
    site.submit(1)
    return site


@pytest.mark.parametrize("published", [True, False], ids=["published", "from its slices"])
def test_a_part_begins_at_the_keyframe_that_was_told(site: Site, *, published: bool) -> None:
    if published:
        site.process(1)
    prepared = prepare(site.worker(), wanted(seconds(3.4), seconds(6.2)))
    (clip,) = prepared.request.clips
    assert clip.starts_at_s == pytest.approx(3.0, abs=0.05)
    assert clip.starts_at_s <= 3.4
    data, certificate, _ = made(site, prepared)
    report = judge_mp4(data)
    assert report.seconds == (3, 4, 5, 6)
    assert report.flash(3) == pytest.approx(0, abs=0.001)
    assert report.worst_offset_s < 0.03
    (told,) = certificate.clips
    assert (told.starts_at_s, told.ends_at_s, told.starts_at) == (clip.starts_at_s, clip.ends_at_s, clip.starts_at)
    assert told.file == certificate.file
    assert {track.type for track in told.tracks} == {"audio", "video"}
    assert certificate.asked[0].by == "ann"
    assert bool(told.manifest) is published
    assert all(segment.crc64xz and segment.etag for segment in told.segments)
    assert all(source.read_bytes for source in told.cut_from)


def test_the_segments_that_a_part_may_come_from_are_named(site: Site) -> None:
    site.process(1)
    _, certificate, _ = made(site, prepare(site.worker(), wanted(seconds(6.5), seconds(7))))
    named = [segment.key for segment in certificate.clips[0].segments]
    stored = sorted(path.name for path in site.source.glob("*.ts"))
    assert stored[3] in named
    assert stored[0] not in named


def test_both_ways_give_the_same_pictures_and_sounds(site: Site) -> None:
    before, _, _ = made(site, prepare(site.worker(), wanted(seconds(2.5), seconds(5.5))))
    site.process(1)
    after, _, _ = made(site, prepare(site.worker(), wanted(seconds(2.5), seconds(5.5))))
    assert judge_mp4(before) == judge_mp4(after)


def test_people_get_files_of_one_zero_in_one_archive(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.lay_users(1, "7", "8")
    site.submit(1)
    site.process(1)
    prepared = prepare(site.worker(), wanted(seconds(2.5), seconds(5.5), mode=ExportMode.SEPARATE))
    data, certificate, _ = made(site, prepared)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.testzip() is None
        *files, manifest = archive.namelist()
        assert manifest == "manifest.json"
        assert [clip["user"] for clip in json.loads(archive.read(manifest))["clips"]] == ["7", "8"]
        marks = [judge_mp4(archive.read(file)) for file in files]
    assert [clip.file.name for clip in certificate.clips] == files
    assert len({clip.zero_s for clip in certificate.clips}) == 1
    first, other = marks
    assert first.seconds == (2, 3, 4, 5)
    assert first == other


def test_who_comes_later_has_the_same_zero_and_silence_before(tmp_path: Path) -> None:
    site = Site(tmp_path)
    later = STARTED_AT + seconds(1.3)
    made_up = [agora_individual(audio=slices(), uid="7", sid=sid(1), folder="")]
    made_up += [agora_individual(audio=slices(), uid="8", sid=sid(1), folder="", started_at=later)]
    reduce(or_, made_up).write_to(site.source)
    site.submit(1)
    site.process(1)
    prepared = prepare(site.worker(), wanted(seconds(0.5), seconds(5.5), mode=ExportMode.SEPARATE))
    first, other = prepared.request.clips
    _, certificate, _ = made(site, prepared)
    assert first.starts_at
    assert other.starts_at
    late_s = (other.starts_at - first.starts_at).total_seconds()
    assert late_s == pytest.approx(1.3, abs=0.1)
    assert other.starts_at_s - other.zero_s == pytest.approx(late_s, abs=1e-3)
    assert first.zero_s == first.starts_at_s
    (silenced,) = [track for track in certificate.clips[1].tracks if track.type == "audio"]
    assert silenced.inserted
    assert silenced.starts_at_s < 0.03


def test_far_from_the_beginning_the_slices_tell_the_same(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.steps.unpublished._BEFORE", seconds(0.1))
    asked_for = wanted(seconds(6.2), seconds(6.9))
    (before,) = prepare(site.worker(), asked_for).request.clips
    assert len(before.segments) == 1
    site.process(1)
    (after,) = prepare(site.worker(), asked_for).request.clips
    assert (before.starts_at, before.ends_at) == (after.starts_at, after.ends_at)


def test_slices_are_looked_at_as_far_back_as_the_keyframe_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.steps.unpublished._BEFORE", seconds(0.1))
    site = Site(tmp_path)
    whole, rest = cut(flash_and_beep(8, gop=150), 2)
    middle = len(whole.data) // 188 // 2 * 188
    halves = [replace(whole, data=data, duration_s=3.0) for data in (whole.data[:middle], whole.data[middle:])]
    site.lay(1, pieces=[halves[0], replace(halves[1], start_s=3.0), rest])
    site.submit(1)
    prepared = prepare(site.worker(), wanted(seconds(5.5), seconds(5.9)))
    data, certificate, _ = made(site, prepared)
    assert certificate.clips[0].starts_at_s == pytest.approx(0, abs=0.1)
    assert judge_mp4(data).seconds == (0, 1, 2, 3, 4, 5)


def test_slices_are_never_written(site: Site) -> None:
    source = slices_of(site.worker(), recording_id(1)).source
    (playlist,) = [meta.key for meta in source.list() if meta.key.endswith(".m3u8")]
    with pytest.raises(Denied):
        source.delete(playlist)
    with pytest.raises(Denied):
        source.put(output_key("exports/x"), b"")


def test_whoever_loses_it_at_the_very_end_leaves_no_file(site: Site) -> None:
    """The certificate is stored by then; the file is looked after once more before it appears."""
    site.process(1)
    export = asked(site, prepare(site.worker(), wanted(seconds(1), seconds(4))).request)
    has_certificate = (site.output / export.key.certificate).exists

    def lose(_size_bytes: int) -> None:
        if has_certificate():
            raise InterruptedError

    with pytest.raises(InterruptedError):
        make(site.worker(), export, lose)
    assert has_certificate()
    assert not (site.output / export.key.key).exists()


def test_a_large_slice_that_is_damaged_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is assembled once more without it, and what was written before cannot be taken back."""
    (clip,) = prepare(site.worker(), wanted(seconds(3), seconds(7))).request.clips
    movie = footage_of(site.worker(), clip).movie

    def assembled_twice(*planned: object) -> None:
        open_sink = planned[-1]
        assert callable(open_sink)
        for _ in range(2):
            open_sink(1).write(b"")

    monkeypatch.setattr("flows.steps.unpublished.assembled", assembled_twice)
    with pytest.raises(SourceGoneError, match="a large slice is damaged"):
        movie.send((), len)


def test_made_again_it_is_the_same_file(site: Site) -> None:
    site.process(1)
    export = asked(site, prepare(site.worker(), wanted(seconds(1), seconds(4))).request)
    first = make(site.worker(), export, lambda _: None)
    assert make(site.worker(), export, lambda _: None) == first


def test_a_gap_in_the_range_is_in_the_certificate(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=timedelta())
    laid = site.lay(1)
    key = sorted(key for key in laid.objects if key.endswith(".ts"))[2]
    (site.source / key).unlink()
    site.submit(1)
    site.process(1)
    prepared = prepare(site.worker(), wanted(seconds(3), seconds(7)))
    assert any("lost" in note for note in prepared.selection.notes)
    _, certificate, file = made(site, prepared)
    ((gap,),) = {clip.gaps for clip in certificate.clips}
    assert gap.segment == key
    assert file.has_gaps
    assert certificate.has_gaps


@pytest.mark.parametrize("slot", [0, -1], ids=["first", "last"])
def test_what_is_lost_at_an_end_of_the_range_is_in_the_certificate(tmp_path: Path, slot: int) -> None:
    site = Site(tmp_path, deadline=timedelta())
    laid = site.lay_users(1, "7", "8")
    keys = sorted(key for key in laid.objects if key.endswith(".ts") and "__uid_s_7__" in key)
    for key in (key for key in keys if key.endswith(Path(keys[slot]).name.rpartition("_")[2])):
        (site.source / key).unlink()
    site.submit(1)
    site.process(1)
    prepared = prepare(site.worker(), wanted(seconds(0), seconds(9), "7"))
    assert prepared.selection.has_gaps
    (clip,) = prepared.request.clips
    _, certificate, file = made(site, prepared)
    assert file.has_gaps
    assert all(clip.ends_at_s <= gap.from_s or gap.to_s <= clip.starts_at_s for gap in certificate.clips[0].gaps)


@pytest.mark.parametrize("lie", [{"starts_at_s": 2.5}, {"ends_at_s": 5.5}, {"size_bytes": 1_000}])
def test_a_file_that_would_not_be_what_was_told_is_not_made(site: Site, lie: dict[str, Any]) -> None:
    site.process(1)
    request = prepare(site.worker(), wanted(seconds(3), seconds(5))).request
    lying = replace(request, clips=(replace(request.clips[0], **lie),))
    with pytest.raises(CutDiffersError, match="were told"):
        make(site.worker(), asked(site, lying), lambda _: None)
    assert not list((site.output / "exports").rglob("*.mp4"))


def test_an_output_that_is_gone_is_told(site: Site) -> None:
    site.process(1)
    request = prepare(site.worker(), wanted(seconds(3), seconds(5))).request
    (site.output / request.clips[0].origin.key).unlink()
    with pytest.raises(SourceGoneError, match="Ask again"):
        make(site.worker(), asked(site, request), lambda _: None)


@pytest.mark.parametrize(("begin", "count"), [(-3600.0, 1), (0.5, 1), (3.0, 2)])
def test_first_slices_without_a_time_lie_before_those_that_have_one(site: Site, begin: float, count: int) -> None:
    known = slices_of(site.worker(), recording_id(1))
    (stream,) = known.plan.streams
    first, *others = stream.assembly.segments
    undated = replace(stream, assembly=replace(stream.assembly, segments=(replace(first, wall=None), *others)))
    slices = replace(known, plan=replace(known.plan, streams=(undated,)))

    assert slices.started_at == known.started_at
    assert known.started_at
    since, until = (known.started_at + seconds(at) for at in (begin, max(begin, 0) + 1))
    found = provisional(slices, since, until, ())
    assert found
    assert len(found.pinned["mix"]) == count


def test_an_output_that_was_exchanged_for_another_file_is_told(site: Site) -> None:
    """A folder keeps no checksum: only the head can show it."""
    site.process(1)
    (clip,) = prepare(site.worker(), wanted(seconds(3), seconds(5))).request.clips
    path = site.output / clip.origin.key
    path.write_bytes(path.read_bytes().replace(b"avcC", b"xxxx"))
    with pytest.raises(SourceGoneError, match="no output of ours any more"):
        prepare(site.worker(), wanted(seconds(3), seconds(5)))


def test_a_source_that_refuses_us_leaves_a_recording_unpublished(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> NoReturn:
        raise Denied("list", "", "no rights")

    monkeypatch.setattr("flows.steps.preparing.slices_of", refused)
    with pytest.raises(NotReadyError, match="is not published yet"):
        prepare(site.worker(), wanted(seconds(3), seconds(5)))


def test_slices_that_have_changed_are_told(site: Site) -> None:
    (clip,) = prepare(site.worker(), wanted(seconds(3), seconds(5))).request.clips
    path = site.source / clip.segments[1]
    path.write_bytes(path.read_bytes() + bytes(188))
    with pytest.raises(SourceGoneError, match="have changed since"):
        pinned_again(slices_of(site.worker(), clip.recording), clip)


def test_the_certificate_is_there_before_the_file(site: Site) -> None:
    """A store that is full at the very last request leaves a certificate without a file, never the other way round."""
    site.process(1)
    export = asked(site, prepare(site.worker(), wanted(seconds(1), seconds(4))).request)

    class Full(LocalStore):
        def put(self, key: str, *arguments: object, **named: object) -> object:  # type: ignore[override]
            if key == export.key.key:
                raise NoSpace("put", key, "the disk is full")
            return super().put(key, *arguments, **named)  # type: ignore[arg-type]

    with pytest.raises(NoSpace):
        make(site.worker(output=Full(site.output)), export, lambda _: None)
    assert (site.output / export.key.certificate).exists()
    assert not (site.output / export.key.key).exists()


def test_whoever_stops_it_leaves_no_file(site: Site) -> None:
    site.process(1)
    export = asked(site, prepare(site.worker(), wanted(seconds(1), seconds(4))).request)

    def stop(_size_bytes: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        make(site.worker(), export, stop)
    assert not list((site.output / "exports").rglob("*"))


def test_the_head_holds_together(site: Site) -> None:
    site.process(1)
    data, certificate, _ = made(site, prepare(site.worker(), wanted(seconds(2.2), seconds(2.3))))
    head = data.index(b"mdat") + 4
    report = check(data[:head], len(data) - head)
    assert [track.samples for track in report.tracks] == [
        track.copied + track.inserted for track in certificate.clips[0].tracks
    ]
