"""From a vendor's message to a verdict: what is said, what is looked for, what is believed."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.events import Delivery, Signature
from catalog.model import RecordingId, State, Verdict
from catalog.records import Queue
from deployments.sandbox.layouts import plain as lay_plain
from deployments.sandbox.webhooks import Posted, agora, sample
from deployments.sandbox.webhooks import jocloud as jocloud_message
from flows.process import Inline, process_recording, run_inline
from flows.settings import Source
from flows.steps.discovering import LATELY
from tests.catalog.steps import stored
from tests.flows.folders import slices
from tests.flows.site import Site, recording_id, sid
from tests.lab import zego_mixed

# ruff: noqa: S106 - secrets of examples

ROOM = "physics_101"
QUIET = Source(name="a", store="").settle_time
"""After which a recording may be over."""
TASK = "Zk3-QeE4Iq2AAAAB"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def delivered(site: Site, posted: Posted, sources: Sequence[str] = ("calls",)) -> str:
    """What is made of a message whose signature was found good."""
    token = os.urandom(16).hex()
    site.catalog.inbox.put(
        [
            Delivery(
                token=token,
                vendor=posted.vendor,
                received_at=datetime.now(UTC),
                signature=Signature.GOOD,
                sources=tuple(sources),
                body=posted.body,
                headers=posted.headers,
                dedupe_id=token,
            )
        ]
    )
    site.overseer().take_in()
    return stored(site.catalog, token).effect or "nothing"


def without_end(folder: Path) -> None:
    """As playlists are while their recorder lives, and after it died."""
    for path in folder.glob("*.m3u8"):
        path.write_text(path.read_text().replace("#EXT-X-ENDLIST\n", ""))


def told(event: str, number: int = 1, sequence: int = 0) -> Posted:
    """A message of Agora's on a recording of the site."""
    return sample(
        "agora", event, task_id=sid(number), room=ROOM, secret="s", sequence=sequence, sent_at=datetime.now(UTC)
    )


def uploaded(*names: str) -> Posted:
    """Agora says that these playlists are there."""
    details = {"msgName": "uploaded", "status": 0, "fileList": [{"fileName": name} for name in names]}
    return agora(31, sid=sid(1), cname=ROOM, secret="s", details=details, sequence=9, sent_at=datetime.now(UTC))


def test_a_message_brings_a_recording_to_its_verdict(site: Site) -> None:
    site.lay(1)
    assert delivered(site, told("uploaded")) == "made recording; now stopped; looked at now"
    site.overseer().dispatch()
    assert site.recording(1).verdict is Verdict.COMPLETE
    assert site.causes(1)[0] == "agora: uploaded"
    assert site.recording(1).room == ROOM


def test_what_agora_signed_spares_the_settle_time(site: Site) -> None:
    """A playlist without an end waits for half an hour, unless the vendor says that all is there."""
    site.lay(1)
    without_end(site.source)
    delivered(site, told("exit"))
    site.process(1)
    assert site.recording(1).state is State.WAITING
    assert delivered(site, told("uploaded", sequence=1)) == "looked at now"
    site.process(1)
    assert site.recording(1).verdict is Verdict.COMPLETE


def test_what_nobody_signed_does_not(tmp_path: Path) -> None:
    """ZEGOCLOUD's signature does not cover the body: it is good for a look."""
    site = Site(tmp_path, vendor="zego")
    zego_mixed(slices(), folder="", task_id=TASK).write_to(site.source)
    without_end(site.source)
    message = sample("zego", "uploaded", task_id=TASK, room="room_7", secret="s", sent_at=datetime.now(UTC))
    assert delivered(site, message) == "made recording; now stopped; looked at now"
    recording = RecordingId(vendor="zego", task_id=TASK)
    found = run_inline(process_recording(Inline(), site.worker(), recording))
    assert found is not None
    assert found.state is State.WAITING


def test_a_named_playlist_that_is_not_there_is_waited_for_and_then_a_loss(site: Site) -> None:
    site.lay_users(1, "123")
    names = [f"{sid(1)}_{ROOM}__uid_s_{user}__uid_e_audio.m3u8" for user in ("123", "124")]
    delivered(site, uploaded(*(f"classes/{name}" for name in names)))
    site.process(1)
    assert site.recording(1).state is State.WAITING
    assert f"1 playlists that the vendor has named are not there, such as {names[1]}" in site.causes(1)[-1]

    site.heard_long_ago(1)
    site.process(1)
    manifest = site.manifest(1)
    assert (manifest.verdict, [f.where for f in manifest.findings if f.code == "file_missing"]) == (
        Verdict.GAPS,
        [names[1]],
    )

    site.lay_users(1, "123", "124")
    site.process(1)
    assert (site.manifest(1).verdict, site.manifest(1).revision) == (Verdict.COMPLETE, 2)


def test_without_any_object_a_promise_makes_the_recording_missing(site: Site) -> None:
    delivered(site, uploaded(f"{sid(1)}_{ROOM}.m3u8"))
    site.heard_long_ago(1)
    site.process(1)
    assert site.recording(1).verdict is Verdict.MISSING


@pytest.mark.parametrize(
    "name",
    [
        f"{sid(1)}_{ROOM}_0.mp4",
        f"{sid(1)}_{ROOM}_20240102030405006.ts",
        f"{sid(2)}_{ROOM}.m3u8",
        "something else.m3u8",
        f"some/folder/{sid(1).upper()}_{ROOM}.m3u8",
    ],
)
def test_files_that_promise_no_playlist_of_this_recording_are_not_waited_for(site: Site, name: str) -> None:
    site.lay(1)
    delivered(site, uploaded(name))
    site.process(1)
    assert site.recording(1).verdict is Verdict.COMPLETE


def test_a_playlist_that_came_by_the_backup_store_keeps_the_promise(site: Site) -> None:
    """Agora names it `_<tick>_<index>` then."""
    laid = site.lay_users(1, "123")
    [playlist] = laid.playlists
    (site.source / playlist).rename(site.source / playlist.replace(".m3u8", "_22194679897_3.m3u8"))
    delivered(site, uploaded(playlist))
    site.process(1)
    assert site.recording(1).verdict is Verdict.COMPLETE


def test_of_several_sources_the_one_that_has_it_is_found(site: Site, tmp_path: Path) -> None:
    other = Source(name="other", vendor="agora", store=(tmp_path / "other").as_uri())
    (tmp_path / "other").mkdir()
    site.settings = replace(site.settings, sources=(other, *site.settings.sources))
    site.lay(1)
    delivered(site, told("uploaded"), sources=("other", "calls"))
    assert site.recording(1).source is None
    site.process(1)
    assert (site.recording(1).verdict, site.recording(1).source) == (Verdict.COMPLETE, "calls")


def test_a_source_that_is_configured_no_more_is_none(site: Site) -> None:
    assert delivered(site, told("uploaded"), sources=("gone",)) == "made recording; now hinted; hinted: no_source"
    assert site.recording(1).due_at is None


def test_a_word_that_comes_while_it_is_worked_on_is_not_lost(site: Site) -> None:
    site.lay(1)
    without_end(site.source)
    delivered(site, told("exit"))
    claim = site.catalog.claims.take(recording_id(1), holder="w", ttl=timedelta(minutes=1), cause="due")
    assert claim is not None
    assert delivered(site, told("uploaded", sequence=1)) == "looked at again when the run that has it is done"
    site.catalog.claims.wait(claim, cause="not whole yet", look_in=timedelta(hours=1))
    site.overseer().dispatch()
    assert site.recording(1).verdict is Verdict.COMPLETE


def jocloud(task_id: str, user: str, sequence: int) -> Posted:
    """The playlist of one user is complete."""
    context = {"uid": [user], "fileaddress": f"http://b.example/rid_{task_id}_r__uid_s_{user}__uid_e.m3u8"}
    at = datetime.now(UTC) + timedelta(milliseconds=sequence)
    return jocloud_message("recordtask_m3u8_info", record_id=task_id, room="r", secret="s", sent_at=at, context=context)


def test_a_vendor_that_tells_of_files_one_by_one_is_waited_for(tmp_path: Path) -> None:
    """Jocloud says of each file that it is complete, and of none that it is the last."""
    site = Site(tmp_path, vendor="jocloud")
    recording = RecordingId(vendor="jocloud", task_id="c41d90e2")
    name = f"rid_{recording.task_id}_r__uid_s_{{}}__uid_e"

    def settled(user: str, sequence: int) -> State:
        lay_plain(slices(), folder="", name=name.format(user)).write_to(site.source)
        assert "looked at" in delivered(site, jocloud(recording.task_id, user, sequence))
        found = run_inline(process_recording(Inline(), site.worker(), recording))
        assert found is not None
        return found.state

    assert settled("7", 1) is State.WAITING
    assert settled("8", 2) is State.WAITING
    site.has_policies(settle_time=timedelta())
    assert settled("9", 3) is State.SETTLED
    assert {row.stream for row in site.catalog.streams(recording)} == {"7", "8", "9"}


def test_a_second_list_of_files_is_looked_at_as_well(site: Site) -> None:
    site.lay_users(1, "123")
    delivered(site, uploaded(f"{sid(1)}_{ROOM}__uid_s_123__uid_e_audio.m3u8"))
    site.process(1)
    more = agora(
        31,
        sid=sid(1),
        cname=ROOM,
        secret="s",
        details={"fileList": [{"fileName": f"{sid(1)}_{ROOM}__uid_s_124__uid_e_audio.m3u8"}]},
        sequence=10,
        sent_at=datetime.now(UTC),
    )
    assert delivered(site, more) == "looked at now"


def test_one_that_is_written_to_is_not_over_however_long_ago_it_was_heard_of(site: Site) -> None:
    """A call may be longer than the deadline."""
    site.lay(1)
    without_end(site.source)
    delivered(site, told("started"))
    site.heard_of_long_ago(1)
    site.process(1)
    assert site.recording(1).state is State.WAITING


def test_an_alarm_waits_for_the_longest_deadline_that_may_hold(site: Site) -> None:
    """Of a recording whose source is not known yet."""
    patient = Source(name="other", vendor="agora", store="memory://other", deadline=timedelta(days=36_500))
    site.settings = replace(site.settings, sources=(patient, *site.settings.sources))
    delivered(site, told("started"), sources=("other", "calls"))
    site.heard_of_long_ago(1)
    site.overseer().remind()
    assert site.recording(1).alarm is None


class TestLookingThrough:
    """Webhooks get lost."""

    def lay(self, site: Site, number: int, ago: timedelta) -> None:
        site.lay(number)
        at = time.time() - ago.total_seconds()
        for path in site.source.glob(f"{sid(number)}*"):
            os.utime(path, (at, at))

    def look(self, site: Site) -> int:
        return site.overseer().look_through(site.settings.sources[0])

    def test_what_nobody_told_of_is_found_and_processed(self, site: Site) -> None:
        for number in range(1, 5):
            self.lay(site, number, QUIET)
        assert self.look(site) == 4
        assert site.recording(1).queue is Queue.BULK
        site.overseer().dispatch()
        assert [site.recording(number).verdict for number in range(1, 5)] == [Verdict.COMPLETE] * 4
        assert self.look(site) == 0

    def test_one_that_is_written_to_still_is_recording_until_it_is_quiet(self, site: Site) -> None:
        self.lay(site, 1, timedelta())
        assert self.look(site) == 1
        assert (site.recording(1).state, site.recording(1).due_at) == (State.RECORDING, None)
        self.lay(site, 1, QUIET)
        self.look(site)
        assert site.recording(1).state is State.STOPPED

    def test_one_that_goes_on_after_its_verdict_is_looked_at_again(self, site: Site) -> None:
        """It was paused, or its slices came late, and no webhook tells of that either."""
        self.lay(site, 1, QUIET)
        self.look(site)
        site.overseer().dispatch()
        assert (site.recording(1).verdict, self.look(site)) == (Verdict.COMPLETE, 0)

        laid = site.lay_users(1, "123")
        assert self.look(site) == 1
        site.overseer().dispatch()
        assert site.manifest(1).revision == 2
        assert laid.playlists[0] in {playlist.key for playlist in site.manifest(1).source.playlists}
        assert self.look(site) == 0

    def test_history_is_left_alone(self, site: Site) -> None:
        self.lay(site, 1, LATELY)
        assert self.look(site) == 0

    def test_folders_are_told(self, site: Site) -> None:
        site.lay(1)
        deeper = site.source / "a" / "b"
        deeper.mkdir(parents=True)
        for path in site.source.glob(f"{sid(1)}*"):
            path.rename(deeper / path.name)
        self.look(site)
        assert (site.recording(1).folder, site.recording(1).room) == ("a/b/", ROOM)

    def test_a_sources_vendor_is_the_only_one_looked_for(self, tmp_path: Path) -> None:
        site = Site(tmp_path, vendor="zego")
        self.lay(site, 1, QUIET)
        assert self.look(site) == 0
