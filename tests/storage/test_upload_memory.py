"""What an upload to a cloud keeps in memory, in a process that does nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from deployments.sandbox.clouds import Clouds
from deployments.sandbox.clouds.buckets import CloudName
from tests.cli.running import ROOT
from tests.clouds import CLOUDS, ENVIRONMENT, new_bucket, running_clouds

UPLOAD = """
import sys, tracemalloc
from storage.keys import output_key
from storage.opening import open_store
from storage.writing import PIECE_BYTES, StreamingUpload

store, data = open_store(sys.argv[1]), bytes(64 * 1024)
def upload(megabytes):
    with StreamingUpload(store, output_key(f"{megabytes}.mp4")) as target:
        for _ in range(16 * megabytes):
            target.write(data)
        target.complete(b"head")
upload(17)
tracemalloc.start()
upload(97)
print(tracemalloc.get_traced_memory()[1] / PIECE_BYTES)
"""
GROWTH = 1.125
"""A buffer that grows is given an eighth more than it needs."""


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_upload_holds_three_parts(clouds: Clouds, cloud: CloudName) -> None:
    done = subprocess.run(  # noqa: S603  our own
        [sys.executable, "-c", UPLOAD, new_bucket(clouds, cloud)],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert float(done.stdout) <= 3 * GROWTH
