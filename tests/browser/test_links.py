"""Presigned links of the three clouds in a real Chromium."""

from collections.abc import Iterator

import pytest

from deployments.sandbox.clouds import Clouds
from deployments.sandbox.clouds.buckets import CloudName
from storage.base import Served
from storage.keys import output_key
from storage.writing import StreamingUpload
from tests.browser.player import Player
from tests.browser.server import serve
from tests.browser.test_outputs import output
from tests.clouds import CLOUDS, new_store, running_clouds
from tests.e2e.cases import WHOLE

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SEEK_AND_END = """async (link) => {
  const video = document.getElementById("video");
  video.src = link; video.muted = true; video.playbackRate = 8;
  const over = new Promise((resolve) => {
    video.onerror = () => resolve(video.error.message);
    video.onended = () => resolve("ended");
  });
  await video.play();
  video.currentTime = video.duration - 1;
  return [await over, video.duration];
}"""


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_link_plays_and_seeks(player: Player, clouds: Clouds, cloud: CloudName) -> None:
    name = next(iter(WHOLE))
    store, key = new_store(clouds, cloud), output_key("media/call 1.mp4")
    with StreamingUpload(store, key, served=Served(content_type="video/mp4")) as upload:
        upload.write(output(name))
        upload.complete(b"")
    with serve(b"") as site:
        page = player.browser.new_page()
        try:
            page.goto(site.url)
            ended, duration = page.evaluate(SEEK_AND_END, store.presign_get(key, 60, "call 1.mp4"))
        finally:
            page.close()
    assert ended == "ended"
    assert duration > 1
    answers = [seen.status for seen in clouds.journal.seen() if seen.operation == "GetObject"]
    assert 206 in answers
    assert set(answers) <= {200, 206}
