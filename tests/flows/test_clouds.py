"""The same recording in each cloud: the same files, and no request too many."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalog.manifest import content_digest
from catalog.model import Manifest
from deployments.sandbox.clouds import Account, BucketRules, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.layouts import Laid
from flows.process import Inline, check, process, run_inline
from flows.steps.finding import find_recordings
from flows.steps.publishing import Published
from flows.steps.tasks import Task
from storage.base import ObjectStore
from storage.errors import Archived, Denied
from storage.keys import output_key
from storage.memory import MemoryStore
from storage.opening import open_source, open_store
from storage.urls import StoreUrl
from tests.clouds import CLOUDS, ENVIRONMENT, SECRET, new_bucket, new_store, running_clouds
from tests.flows.folders import slices
from tests.lab import agora_mixed

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


def lay(clouds: Clouds, cloud: CloudName, laid: Laid, rules: BucketRules | None = None) -> ObjectStore:
    """A recording in a new bucket, as the vendor leaves it there; the store sees its folder only."""
    url = new_bucket(clouds, cloud, rules, prefix="classes/")
    for key, data in laid.objects.items():
        clouds.put(cloud, StoreUrl.parse(url).bucket, key, data)
    return open_source(url, environment=ENVIRONMENT)


def task_of(source: ObjectStore) -> Task:
    ((objects, metas),) = find_recordings(source)
    return Task(source=source, objects=objects, metas=metas, now=LATER)


def published(source: ObjectStore, target: ObjectStore) -> Published:
    return run_inline(process(Inline(), task_of(source), target))


def files(target: ObjectStore) -> list[bytes]:
    contents = []
    for meta in target.list("media/"):
        with target.open(meta.key) as opened:
            contents.append(opened.read(meta.size_bytes + 1))
    return contents


def but_for_source_facts(manifest: Manifest) -> str:
    """The content digest without what names the source's objects: their ETags decide the names of outputs too."""
    streams = tuple(
        replace(
            stream,
            outputs=tuple(replace(output, key="media/x") for output in stream.outputs),
            segments=replace(stream.segments, file=None, proofs={}),
        )
        for stream in manifest.streams
    )
    playlists = tuple(replace(playlist, etag="") for playlist in manifest.source.playlists)
    source = replace(manifest.source, store="x", bucket="x", playlists=playlists)
    return content_digest(replace(manifest, source=source, streams=streams))


def test_every_cloud_gives_the_same_bytes_and_content(clouds: Clouds) -> None:
    laid = agora_mixed(slices())
    outputs: list[list[bytes]] = []
    digests: set[str] = set()
    proofs: dict[str, dict[str, int]] = {}
    for cloud in CLOUDS:
        target = new_store(clouds, cloud, prefix="archive/")
        found = published(lay(clouds, cloud, laid), target)
        outputs.append(files(target))
        digests.add(but_for_source_facts(found.manifest))
        proofs[cloud] = dict(found.manifest.streams[0].segments.proofs)
        assert found.manifest.source.store == cloud
    memory = MemoryStore("recordings")
    for key, data in laid.objects.items():
        memory.put(output_key(key), data)
    target = MemoryStore("archive")
    digests.add(but_for_source_facts(published(memory, target).manifest))
    assert outputs == [files(target)] * 3
    assert len(digests) == 1
    assert proofs == {"s3": {"crc64nvme": 4}, "oss": {"crc64xz": 4}, "cos": {"crc64xz": 4}}


@pytest.mark.parametrize("source_cloud", CLOUDS)
@pytest.mark.parametrize("target_cloud", CLOUDS)
def test_source_and_output_in_different_clouds(
    clouds: Clouds, source_cloud: CloudName, target_cloud: CloudName
) -> None:
    source = lay(clouds, source_cloud, agora_mixed(slices()))
    target = new_store(clouds, target_cloud)
    clouds.journal.clear()
    found = published(source, target)
    assert found.manifest.verdict == "complete"
    written = {(seen.cloud, seen.bucket) for seen in clouds.journal.seen() if seen.writes}
    assert written == {(target_cloud, StoreUrl.parse(target.url).bucket)}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_requests_of_a_recording(clouds: Clouds, cloud: CloudName) -> None:
    """One LIST, one GET for each object, one HEAD for the playlist; nothing else is asked of the source."""
    source = lay(clouds, cloud, agora_mixed(slices(count=4)))
    target = new_store(clouds, cloud)
    clouds.journal.clear()
    published(source, target)
    seen = [(seen.bucket == StoreUrl.parse(source.url).bucket, seen.method) for seen in clouds.journal.seen()]
    requests = Counter(method for is_source, method in seen if is_source)
    assert requests == {"GET": 1 + 1 + 4, "HEAD": 1}
    # the MP4, the segments' proofs, the manifest, latest.json, and pointers by room and by stream
    assert Counter(method for is_source, method in seen if not is_source) == {"GET": 1, "PUT": 6}


def test_requests_grow_with_objects_alone(clouds: Clouds) -> None:
    counts = []
    for count in (4, 8):
        source = lay(clouds, "s3", agora_mixed(slices(count)))
        clouds.journal.clear()
        run_inline(check(Inline(), task_of(source)))
        counts.append(len(clouds.journal.seen()))
    assert counts[1] - counts[0] == 4


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_archived_slice_stops_the_work_and_publishes_nothing(clouds: Clouds, cloud: CloudName) -> None:
    laid = agora_mixed(slices())
    source, target = lay(clouds, cloud, laid), new_store(clouds, cloud)
    clouds.archive(cloud, StoreUrl.parse(source.url).bucket, laid.segments[2])
    with pytest.raises(Archived, match="Restore it"):
        published(source, target)
    assert list(target.list()) == []
    assert list(target.list_uploads()) == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_key_that_may_only_read_the_source_is_enough(clouds: Clouds, cloud: CloudName) -> None:
    source = lay(clouds, cloud, agora_mixed(slices()))
    clouds.add_account(Account(key_id="READER", secret=SECRET, may=lambda action, _resource, _prefix: _reads(action)))
    environment = ENVIRONMENT | {"AFTERTAKE_READER_KEY_ID": "READER", "AFTERTAKE_READER_SECRET": SECRET}
    reader = open_source(f"{source.url}&credentials=reader", environment=environment)
    assert published(reader, new_store(clouds, cloud)).manifest.verdict == "complete"
    with pytest.raises(Denied, match="AccessDenied"):
        open_store(f"{source.url}&credentials=reader", environment=environment).put(output_key("x"), b"")


def _reads(action: str) -> bool:
    return any(word in action for word in ("Get", "List", "Head"))
