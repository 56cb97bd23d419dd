import io

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media.mp4.entries import sample_entry
from media.silence import FRAME_LENGTH, SilenceError, silent_frame
from tests.media.mp4.made import File, Sample, adts, audio, batch

CONFIGURATIONS = [(rate, channels) for rate in (8_000, 44_100, 48_000, 96_000) for channels in (1, 2, 3, 4, 5, 6, 8)]


def decoded(frames: list[bytes], *, rate: int, channels: int) -> NDArray[np.float32]:
    """The PCM of raw access units, as (channels, samples)."""
    samples = [Sample(data=data, dts=at * 1024, pts=at * 1024) for at, data in enumerate(frames)]
    framed = adts(samples, rate=rate, channels=7 if channels == 8 else channels)
    with av.open(io.BytesIO(framed), "r", format="aac") as source:
        # The resampler turns planes into rows, which PyAV cannot do itself for eight channels.
        pcm = av.AudioResampler(format="flt")
        rows = [frame.to_ndarray() for packed in source.decode(audio=0) for frame in pcm.resample(packed)]
        assert (source.streams.audio[0].rate, source.streams.audio[0].channels) == (rate, channels)
    return np.concatenate(rows, axis=1).reshape(-1, channels).T.astype(np.float32)


@pytest.mark.parametrize(("rate", "channels"), CONFIGURATIONS)
def test_it_decodes_to_zeros_of_its_configuration(rate: int, channels: int) -> None:
    pcm = decoded([silent_frame(rate, channels)] * 5, rate=rate, channels=channels)
    assert pcm.shape == (channels, 5 * FRAME_LENGTH)
    assert not pcm.any()


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_it_is_the_steady_frame_without_the_words_of_the_encoder(channels: int) -> None:
    frame = silent_frame(48_000, channels)
    assert len(frame) <= 4 * channels
    assert b"Lavc" not in frame


def test_sound_around_it_comes_back() -> None:
    tone = [sample.data for sample in audio()[4:10]]
    pcm = decoded(tone + [silent_frame(48_000, 1)] * 4 + tone, rate=48_000, channels=1)[0]
    loudness = [float(np.abs(part).max()) for part in np.split(pcm, len(pcm) // 1024)]
    assert min(loudness[1:6]) > 0.3
    assert max(loudness[7:10]) < 0.001
    assert min(loudness[12:]) > 0.3


def test_it_fills_a_hole_in_an_mp4() -> None:
    file = File()
    sounds = audio()
    track = file.track("audio", sample_entry("aac", adts(sounds[:2])).box, timescale=48_000)
    silence = [Sample(data=silent_frame(48_000, 1), dts=at * 1024, pts=at * 1024) for at in range(94)]
    track.write(batch(sounds, last_duration=1024), 1)
    track.write(batch(silence, at=len(sounds) * 1024, last_duration=1024), 1)
    with av.open(io.BytesIO(file.finished()), "r") as source:
        frames = list(source.decode(audio=0))
    assert sum(frame.samples for frame in frames) == (len(sounds) + 94) * 1024
    assert not frames[-1].to_ndarray().any()
    assert frames[-1].time == pytest.approx((len(sounds) + 93) * 1024 / 48_000)


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 0), (48_000, 7), (48_000, 9), (12_345, 2), (0, 1)])
def test_a_configuration_that_aac_has_not_is_refused(rate: int, channels: int) -> None:
    with pytest.raises(SilenceError, match=str(channels)):
        silent_frame(rate, channels)
