"""Playlists changed at random: always an answer, never an exception, and nothing published that cannot be read."""

import random
from pathlib import Path

import pytest

from tests.cli.running import aftertake
from tests.flows.folders import aged, slices
from tests.lab import agora_mixed

LINES = [
    b"#EXTM3U\n",
    b"#EXT-X-ENDLIST\n",
    b"#EXT-X-GAP\n",
    b"#EXT-X-DISCONTINUITY\n",
    b"#EXTINF:-1,\n",
    b"#EXTINF:nan,\n",
    b"#EXTINF:999999999,\n",
    b"#EXT-X-BYTERANGE:0\n",
    b"#EXT-X-BYTERANGE:188@0\n",
    b"#EXT-X-KEY:METHOD=\n",
    b'#EXT-X-MAP:URI="x"\n',
    b"#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:59Z\n",
    b"#EXT-X-PROGRAM-DATE-TIME:0001-01-01T00:00:00Z\n",
    b"#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE=AUDIO,TIME=99999999999999999\n",
    b"#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n",
]
BYTES = [b"\xff", b"\0", b"..", b"/", b"%2e", b"\r", b"\n", b"\xe2\x80\xa8", b"://"]


def changed(body: bytes, chance: random.Random) -> bytes:
    lines = body.splitlines(keepends=True)
    at = chance.randrange(len(body))
    match chance.randrange(5):
        case 0 | 1:
            lines.insert(chance.randrange(len(lines)), chance.choice(LINES))
        case 2:
            chance.shuffle(lines)
        case 3:
            return body[:at] + body[at + chance.randint(1, 60) :] + b"\n"
        case _:
            return body[:at] + chance.choice(BYTES) + body[at:]
    return b"".join(lines)


@pytest.mark.parametrize("seed", range(4))
def test_always_an_answer(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    laid = agora_mixed(slices())
    path = laid.write_to(tmp_path) / laid.playlists[0]

    for _ in range(20):
        body = laid.objects[laid.playlists[0]]
        for _ in range(chance.randint(1, 4)):
            body = changed(body, chance)
        path.write_bytes(body)
        run = aftertake("check", aged(tmp_path), "--json")
        assert run.code in {0, 3}, body
        assert (run.json["verdict"] in {"complete", "empty"}) == (run.code == 0)
