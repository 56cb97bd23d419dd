"""H.264 and HEVC byte streams: access units, parameter sets, and their form in MP4 files.

Start codes (ITU-T H.264 annex B, H.265 annex B) become four-byte lengths (ISO/IEC 14496-15 §5.3.3.1, §8.3.3.1)
in the same way as libavformat does it, so that samples are equal to those of an ffmpeg remux.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from media.ts.packets import Bools, Ints

VideoCodec = Literal["h264", "hevc"]

_START_CODE = b"\x00\x00\x01"


@dataclass(frozen=True)
class _Syntax:
    """Where a codec keeps what we look for."""

    header_bytes: int
    type_shift: int
    type_mask: int
    slices: tuple[int, ...]
    sync: tuple[int, ...]
    parameter_sets: tuple[int, ...]
    sequence_set: int
    delimiter: int

    @cached_property
    def is_slice(self) -> Bools:
        return _member_table(self.slices)

    @cached_property
    def is_sync(self) -> Bools:
        return _member_table(self.sync)


def _member_table(members: tuple[int, ...]) -> Bools:
    table = np.zeros(64, bool)
    table[list(members)] = True
    return table


_SYNTAX: dict[VideoCodec, _Syntax] = {
    "h264": _Syntax(1, 0, 0x1F, (1, 5), (5,), (7, 8), 7, 9),
    "hevc": _Syntax(2, 1, 0x3F, tuple(range(32)), tuple(range(16, 22)), (32, 33, 34), 33, 35),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessUnits:
    """Access units in MP4 form: `data` holds the kept ones back to back; one element a unit in the arrays.

    `sizes` is 0 for units that are not kept. `changes` lists, in order, each kept sync unit whose parameter sets
    differ from those in force before it: unit number, parameter sets, and the unit as it was (annex B).
    """

    data: bytearray
    sizes: Ints
    kept: Bools
    sync: Bools
    changes: tuple["ParameterChange", ...]


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """From access unit `unit` on, `parameter_sets` hold; `access_unit` is that unit as an annex B byte stream."""

    unit: int
    parameter_sets: bytes
    access_unit: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nals:
    begin: Ints
    code_end: Ints
    end: Ints
    unit: Ints
    type: Ints


def parameter_sets(codec: VideoCodec, access_unit: bytes) -> bytes:
    """The parameter sets of one access unit, back to back with start codes; empty if it brings no sequence set."""
    syntax = _SYNTAX[codec]
    found, sequence = b"", False
    at = access_unit.find(_START_CODE)
    while at >= 0 and at + 3 < len(access_unit):
        kind = access_unit[at + 3] >> syntax.type_shift & syntax.type_mask
        if kind in syntax.slices:
            break
        following = access_unit.find(_START_CODE, at + 3)
        if kind in syntax.parameter_sets:
            end = following if following >= 0 else len(access_unit)
            found += _START_CODE + access_unit[at + 3 : end].rstrip(b"\x00")
            sequence |= kind == syntax.sequence_set
        at = following
    return found if sequence else b""


def convert(
    stream: bytearray, offsets: Ints, *, codec: VideoCodec, wanted: Bools, parameters_in_force: bytes
) -> AccessUnits:
    """Turn the access units of an annex B byte stream into MP4 samples; `stream` is overwritten.

    `offsets` has the first byte of each unit and the end of the last. Units that are not `wanted`, that hold no
    beginning of a picture, or that hold several access units, are left out.
    """
    syntax = _SYNTAX[codec]
    flat = np.frombuffer(stream, np.uint8)
    nals = _find_nals(flat, offsets, syntax)
    count = len(offsets) - 1
    first_slice = syntax.is_slice[nals.type] & (_slice_byte(flat, nals, syntax) & 0x80 != 0)
    pictures = np.bincount(nals.unit[first_slice], minlength=count)
    delimiters = np.bincount(nals.unit[nals.type == syntax.delimiter], minlength=count)
    kept = wanted & (pictures > 0) & (delimiters <= 1)
    sync = np.bincount(nals.unit[syntax.is_sync[nals.type]], minlength=count) > 0
    bringing = np.bincount(nals.unit[nals.type == syntax.sequence_set], minlength=count) > 0
    changes = _changes(stream, offsets, bringing & kept & sync, codec, parameters_in_force)
    data, sizes = _lengths_for_start_codes(stream, flat, offsets, nals, kept)
    return AccessUnits(data=data, sizes=sizes, kept=kept, sync=sync, changes=changes)


def _find_nals(flat: NDArray[np.uint8], offsets: Ints, syntax: _Syntax) -> _Nals:
    marks = flat[2:] == 1
    marks &= flat[1:-1] == 0
    code = _positions(marks)
    code = code[flat[code] == 0]
    code = code[code + 3 + syntax.header_bytes <= flat.size]
    unit = np.searchsorted(offsets, code, "right") - 1
    own = (unit >= 0) & (unit < len(offsets) - 1) & (code + 3 <= offsets[np.minimum(unit + 1, len(offsets) - 1)])
    code, unit = code[own], unit[own]
    long = (code > offsets[unit]) & (flat[code - 1] == 0)
    begin = code - long
    end = offsets[unit + 1].copy()
    if len(begin) > 1:
        same = unit[1:] == unit[:-1]
        end[:-1][same] = begin[1:][same]
    kind = (flat[code + 3].astype(np.int64) >> syntax.type_shift) & syntax.type_mask
    return _Nals(begin=begin, code_end=code + 3, end=end, unit=unit, type=kind)


def _positions(marks: Bools) -> Ints:
    """`np.flatnonzero` for few marks among many, found eight at a time."""
    words = marks.size >> 3
    found = np.flatnonzero(marks[: words << 3].view(np.uint64) != 0) << 3
    near = (found[:, None] + np.arange(8)).reshape(-1)
    rest = np.flatnonzero(marks[words << 3 :]) + (words << 3)
    return np.concatenate((near[marks[near]], rest))


def _slice_byte(flat: NDArray[np.uint8], nals: _Nals, syntax: _Syntax) -> NDArray[np.uint8]:
    return flat[np.minimum(nals.code_end + syntax.header_bytes, flat.size - 1)]


def _changes(
    stream: bytearray, offsets: Ints, bringing: Bools, codec: VideoCodec, in_force: bytes
) -> tuple[ParameterChange, ...]:
    found = []
    for unit in np.flatnonzero(bringing).tolist():
        access_unit = bytes(stream[offsets[unit] : offsets[unit + 1]])
        sets = parameter_sets(codec, access_unit)
        if sets != in_force:
            found.append(ParameterChange(unit, sets, access_unit))
            in_force = sets
    return tuple(found)


def _lengths_for_start_codes(
    stream: bytearray, flat: NDArray[np.uint8], offsets: Ints, nals: _Nals, kept: Bools
) -> tuple[bytearray, Ints]:
    """Four-byte start codes are overwritten where they stand; only three-byte ones and dropped bytes move data."""
    lengths = nals.end - nals.code_end
    code_size = nals.code_end - nals.begin
    in_place = code_size == 4
    for byte in range(4):
        flat[nals.begin[in_place] + byte] = (lengths[in_place] >> (8 * (3 - byte))) & 0xFF
    sizes = np.diff(offsets) + np.bincount(nals.unit[~in_place], minlength=len(offsets) - 1)
    first = np.searchsorted(nals.unit, np.arange(len(offsets) - 1))
    junk = np.zeros(len(offsets) - 1, np.int64)
    has_nal = np.bincount(nals.unit, minlength=len(junk)) > 0
    junk[has_nal] = nals.begin[first[has_nal]] - offsets[:-1][has_nal]
    sizes = np.where(kept, sizes - junk, 0)
    if bool(in_place.all()) and bool(kept.all()) and not junk.any():
        return stream, sizes
    return _spliced(stream, offsets, nals, kept, lengths), sizes


def _spliced(stream: bytearray, offsets: Ints, nals: _Nals, kept: Bools, lengths: Ints) -> bytearray:
    view, headers = memoryview(stream), lengths.astype(">u4").tobytes()
    inserted = np.flatnonzero((nals.code_end - nals.begin == 3) & kept[nals.unit])
    dropped = np.flatnonzero(~kept)
    first = np.searchsorted(nals.unit, np.arange(len(kept)))
    junky = np.flatnonzero(kept)
    junky = junky[nals.begin[first[junky]] > offsets[junky]]
    cuts = [(int(nals.begin[n]), int(nals.code_end[n]), headers[4 * n : 4 * n + 4]) for n in inserted.tolist()]
    cuts += [(int(offsets[u]), int(offsets[u + 1]), b"") for u in dropped.tolist()]
    cuts += [(int(offsets[u]), int(nals.begin[first[u]]), b"") for u in junky.tolist()]
    pieces: list[memoryview | bytes] = []
    position = 0
    for begin, end, insert in sorted(cuts):
        pieces += (view[position:begin], insert)
        position = end
    pieces.append(view[position : int(offsets[-1])])
    return bytearray().join(pieces)
