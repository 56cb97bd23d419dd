"""The sandbox's clouds in a process of their own: `python -m tests.benchmarks.serving FOLDER KEYS`.

The files of the folder lie in a bucket of each cloud, and so many small objects in another one. The first line on
stdout is JSON: `Served`. It ends with its stdin.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from deployments.sandbox.clouds import BucketRules, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from tests.clouds import CLOUDS, ENVIRONMENT, new_bucket, running_clouds


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where others find the clouds: the store URLs of both buckets by cloud, their keys, and where anybody may read."""

    files: dict[str, str]
    many: dict[str, str]
    environment: dict[str, str]
    public: str


def main() -> None:
    folder, keys = sys.argv[1:]
    with running_clouds() as clouds:
        data = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        files: dict[str, str] = {cloud: _filled(clouds, cloud, data) for cloud in CLOUDS}
        many = {f"calls/{number:05d}_slice.ts": b"" for number in range(int(keys))}
        served = Served(
            files=files,
            many={cloud: _filled(clouds, cloud, many) for cloud in CLOUDS},
            environment=ENVIRONMENT,
            public=f"{clouds.endpoint}/{files['s3'].removeprefix('s3://').partition('/')[0]}",
        )
        sys.stdout.write(f"{json.dumps(asdict(served))}\n")
        sys.stdout.flush()
        sys.stdin.read()


def _filled(clouds: Clouds, cloud: CloudName, objects: dict[str, bytes]) -> str:
    url = new_bucket(clouds, cloud, BucketRules(public=True))
    bucket = url.removeprefix(f"{cloud}://").partition("/")[0]
    for key, data in objects.items():
        clouds.put(cloud, bucket, key, data)
    return url


if __name__ == "__main__":
    main()
