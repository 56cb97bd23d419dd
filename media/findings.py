"""Findings: what is wrong, with which object, and what to do about it. Faults are data here, never exceptions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Severity(StrEnum):
    """How much a finding matters; only `ERROR` means that something promised is lost."""

    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault: a stable code, how much it matters, the object it is about, and what to do."""

    code: str
    severity: Severity
    where: str
    detail: str
    advice: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What every finding of one code has in common."""

    severity: Severity
    advice: str


_VENDOR = "Ask the vendor for this slice (quote the key); a later upload is picked up by processing again."
_RECORDER = "Nothing to fetch: the recorder lost this before the upload. The lost time is listed as a gap."
_SECURITY = "Nothing was fetched. Check who may write to this bucket, then correct or remove the playlist entry."

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        # a promised slice is not there, or is no media at all
        "segment_missing": Kind(Severity.ERROR, _VENDOR),
        "file_missing": Kind(
            Severity.ERROR, "Ask the vendor for this file (quote its name); a later upload is taken in."
        ),
        "file_lost": Kind(Severity.ERROR, "Ask the vendor for this file (quote its name); it may still have a copy."),
        "segment_empty": Kind(Severity.ERROR, _VENDOR),
        "segment_not_media": Kind(Severity.ERROR, "The store or a proxy saved an error page in its place. " + _VENDOR),
        "segment_foreign": Kind(Severity.ERROR, "It belongs to another recording or another time. " + _VENDOR),
        "segment_repeated": Kind(Severity.ERROR, "It repeats another slice in place of its own content. " + _VENDOR),
        "segment_unreadable": Kind(Severity.ERROR, "Check the credentials and the store, then process again."),
        "segment_changed": Kind(Severity.ERROR, "It is still being written. Process again when the upload is over."),
        "segment_encrypted": Kind(Severity.ERROR, "Give the slices decrypted, or record without encryption."),
        "segment_unsupported": Kind(Severity.ERROR, "This kind of segment is not assembled yet; keep the source."),
        "segment_declared_gap": Kind(Severity.ERROR, "The playlist itself says that this slice was never recorded."),
        "track_unsupported": Kind(Severity.ERROR, "This track is not assembled yet; keep the source."),
        # a slice is there and incomplete
        "segment_truncated": Kind(Severity.ERROR, _VENDOR),
        "segment_corrupt": Kind(Severity.ERROR, _VENDOR),
        "failover_hole": Kind(Severity.ERROR, "Nothing to fetch: no recorder ran then. Ask the vendor why."),
        "keyframe_missing": Kind(Severity.ERROR, "Their keyframe is not there, or in another part. Keep the source."),
        "pictures_refused": Kind(
            Severity.ERROR,
            "The pictures before them are shown for longer. Keep the source; without `normalise` they are kept.",
        ),
        "recorder_loss": Kind(Severity.ERROR, _RECORDER),
        # put right or harmless
        "segment_listed_twice": Kind(Severity.WARNING, "Nothing to do: it was used once."),
        "segment_out_of_order": Kind(Severity.WARNING, "Nothing to do: it was put where its time stamps belong."),
        "clock_disagrees": Kind(Severity.WARNING, "The stamps were believed. If a pause was left out, ask the vendor."),
        "overlap_trimmed": Kind(Severity.WARNING, "Nothing to do: the repeated time was kept once."),
        "segment_too_late": Kind(
            Severity.ERROR, "Its time could not be told before it was read. Please report it with the manifest."
        ),
        "segment_covered": Kind(Severity.WARNING, "Nothing to do: nothing of its time is missing."),
        "late_keyframe": Kind(
            Severity.WARNING, "Players may show artefacts in the listed time, until the next keyframe."
        ),
        "unmarked_pause": Kind(Severity.NOTICE, "If nobody left, muted or paused then, ask the vendor."),
        "user_not_recorded": Kind(
            Severity.NOTICE, "If they should have been recorded, check whom the recording was told to subscribe to."
        ),
        "rotations_left_out": Kind(Severity.NOTICE, "Nothing is lost: the playlists tell of all turns."),
        # playlists, names and what surrounds them
        "recording_missing": Kind(
            Severity.ERROR, "Look for it with `aftertake find`; check the vendor's storage setting, and ask the vendor."
        ),
        "recording_unknown": Kind(
            Severity.WARNING,
            "Look whether anybody began it. If not, a message was forged: give the vendor's webhooks another secret.",
        ),
        "playlist_missing": Kind(Severity.ERROR, "The recorder did not finish. Ask the vendor for the playlist."),
        "playlist_unreadable": Kind(Severity.ERROR, "Open the named object; ask the vendor for a correct playlist."),
        "playlist_empty": Kind(Severity.ERROR, "It names no slice. Ask the vendor whether anybody published."),
        "playlist_no_end": Kind(
            Severity.WARNING, "The recorder did not close the playlist; slices after it may exist."
        ),
        "index_rebuilt": Kind(
            Severity.WARNING, "Their order was read from their names. Ask the vendor for the newest playlist."
        ),
        "playlist_stray_uri": Kind(Severity.ERROR, "It was left out. Ask the vendor for a correct playlist."),
        "playlist_dangling": Kind(
            Severity.ERROR, "Its last entry has no URI: it was cut. Ask the vendor for the whole playlist."
        ),
        "uri_outside": Kind(Severity.ERROR, _SECURITY),
        "uri_self": Kind(Severity.ERROR, _SECURITY),
        "segments_elsewhere": Kind(
            Severity.WARNING,
            "Copy them to where they were promised, or process them there, and correct the storage setting.",
        ),
        "objects_rescued": Kind(Severity.NOTICE, "Nothing to do: they lie below backup/ of the output."),
        "orphan_segment": Kind(Severity.WARNING, "No playlist names it. Ask the vendor for the newest playlist."),
        # ours
        "manifest_shortened": Kind(
            Severity.NOTICE, "Nothing to do: each slice's own story stands in the proof files of the streams."
        ),
        "output_key_taken": Kind(Severity.WARNING, "Another object stood under the key; ours lies beside it."),
        "ledger_open": Kind(Severity.ERROR, "This is a fault of Aftertake: please report it with the manifest."),
    }
)


def finding(code: str, where: str, detail: str) -> Finding:
    """A finding of a known code; severity and advice come from `KINDS`."""
    kind = KINDS[code]
    return Finding(code=code, severity=kind.severity, where=where, detail=detail, advice=kind.advice)
