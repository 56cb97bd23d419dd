"""The vendors that are known, their webhooks, which of them a name belongs to, and the recordings of a listing."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from operator import attrgetter
from types import MappingProxyType

from media.heap import without_cycle_search
from vendors.agora import events as agora_events
from vendors.agora import grouping as agora_grouping
from vendors.agora import names as agora_names
from vendors.agora import playlists as agora_playlists
from vendors.base import Grouping, ListedObject, RecordingObjects, Vendor
from vendors.hooks import Hook
from vendors.jocloud import events as jocloud_events
from vendors.jocloud import grouping as jocloud_grouping
from vendors.jocloud import names as jocloud_names
from vendors.jocloud import playlists as jocloud_playlists
from vendors.plain import grouping as plain_grouping
from vendors.plain import names as plain_names
from vendors.plain import playlists as plain_playlists
from vendors.recorder import Manner
from vendors.zego import events as zego_events
from vendors.zego import grouping as zego_grouping
from vendors.zego import names as zego_names
from vendors.zego import playlists as zego_playlists

_IN_ORDER = (
    # The more a rule asks of a name, the earlier it is tried: `rid_…` would pass as an Agora name of one participant.
    Vendor(
        name=jocloud_names.VENDOR,
        parse_name=jocloud_names.parse_name,
        encode_name=jocloud_names.encode_name,
        segment_facts=jocloud_playlists.segment_facts,
        name_starts=jocloud_names.name_starts,
        group=jocloud_grouping.group,
        index_name=jocloud_names.index_name,
        # One message for each finished file, and none for the last of them.
        tells_all=False,
    ),
    Vendor(
        name=zego_names.VENDOR,
        parse_name=zego_names.parse_name,
        encode_name=zego_names.encode_name,
        segment_facts=zego_playlists.segment_facts,
        name_starts=zego_names.name_starts,
        group=zego_grouping.group,
        index_name=zego_names.index_name,
    ),
    Vendor(
        name=agora_names.VENDOR,
        parse_name=agora_names.parse_name,
        encode_name=agora_names.encode_name,
        segment_facts=agora_playlists.segment_facts,
        name_starts=agora_names.name_starts,
        group=agora_grouping.group,
        index_name=agora_names.index_name,
    ),
    Vendor(
        name=plain_names.VENDOR,
        parse_name=plain_names.parse_name,
        encode_name=plain_names.encode_name,
        segment_facts=plain_playlists.segment_facts,
        name_starts=plain_names.name_starts,
        group=plain_grouping.group,
    ),
)

VENDORS: Mapping[str, Vendor] = MappingProxyType({vendor.name: vendor for vendor in _IN_ORDER})
"""By name, in the order in which they are tried."""

HOOKS: Mapping[str, Hook] = MappingProxyType(
    {hook.vendor: hook for hook in (agora_events.HOOK, zego_events.HOOK, jocloud_events.HOOK)}
)
"""The webhooks of the vendors that have any, by the vendor's name."""

RECORDED: tuple[str, ...] = tuple(HOOKS)
"""The vendors that record, and have an API."""

MANNERS: Mapping[str, Manner] = MappingProxyType(
    {
        # Integration best practices: every 2 minutes; acquire: 30 days; high availability: a failover takes 90 s.
        agora_names.VENDOR: Manner(
            pace=timedelta(minutes=2), answers_for=None, longest=timedelta(days=30), moves_in=timedelta(seconds=100)
        ),
        # DescribeRecordStatus: recordings begun in the last 3 days; StartRecord: 48 hours; failure handling: 2 minutes.
        zego_names.VENDOR: Manner(
            pace=timedelta(minutes=5),
            answers_for=timedelta(days=3),
            longest=timedelta(hours=48),
            moves_in=timedelta(minutes=2),
        ),
    }
)
"""How vendors are asked how far a recording is; Jocloud cannot be."""


def detect(basename: str) -> str | None:
    """The vendor whose rule this base name follows; `plain` for any other playlist, None for anything else."""
    return next((vendor.name for vendor in _IN_ORDER if vendor.parse_name(basename)), None)


def group(objects: Iterable[ListedObject]) -> Grouping:
    """The recordings that these objects make, by names alone; the order of the listing does not matter."""
    with without_cycle_search():
        return _group(objects)


def _group(objects: Iterable[ListedObject]) -> Grouping:
    rest = sorted(objects, key=attrgetter("key"))
    recordings: list[RecordingObjects] = []
    for vendor in _IN_ORDER:
        found = list(vendor.group(rest))
        claimed = {listed.key for recording in found for listed in _objects(recording)}
        rest = [listed for listed in rest if listed.key not in claimed]
        recordings += found
    return Grouping(recordings=tuple(recordings), unreadable=tuple(rest))


def _objects(recording: RecordingObjects) -> Iterator[ListedObject]:
    for stream in recording.streams:
        yield from stream.playlists
        yield from stream.media_files
    yield from recording.segments
    yield from recording.side_files
