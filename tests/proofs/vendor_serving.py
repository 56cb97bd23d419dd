"""All that a recording meets: vendors and clouds on loopback, and the real `aftertake serve` with all its parts."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.request import Request, urlopen

from catalog.index import Catalog
from catalog.manifest import from_json
from catalog.model import Manifest, RecordingId
from catalog.records import read_id
from deployments.sandbox.clouds import BucketRules, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.stage import ARCHIVE, Stage, set_stage, source_of, vendor_keys
from deployments.sandbox.vendors import Limits, Vendors
from flows.opening import open_catalog
from flows.recorders import Recorders
from flows.settings import Settings
from storage.connection import Connection
from tests.cli.running import PROGRAM, ROOT
from tests.proofs.cluster_parts import free_port, until
from tests.proofs.members import Member, Watch, inherited
from tests.proofs.vendor_gate import Gate
from vendors.recorder import Access, Recorder, UploadKey
from vendors.recorders import open_recorder
from vendors.registry import HOOKS

PACE: Final = 6.0
"""Seconds of media in a real one."""
SLOTS: Final = 2
POLICY: Final[Mapping[str, str]] = MappingProxyType(
    {"settle_time": "10s", "deadline": "40s", "look_through": "10s", "late_for": "5m"}
)
"""Short ones: a real vendor's recordings are waited for up to a day."""
SECRETS: Final[Mapping[str, str]] = MappingProxyType({vendor: f"{vendor}-hook-0123456789" for vendor in HOOKS})
ELSEWHERE: Final = "elsewhere"
SHAKY: Final = ("agora", "zego")
"""Vendors that can be asked: they also have a source whose API is behind a gate, and one whose key is changed."""

_TOKEN: Final = "a-token-of-this-proof"  # noqa: S105
_START_S: Final = 120
_PLENTY: Final = Limits(agora=1000, zego=1000, zego_start_stop=1000, jocloud_apply=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorServing:
    """What runs, and by what it is spoken to."""

    root: Path
    clouds: Clouds
    vendors: Vendors
    stage: Stage
    settings: Settings
    environment: Mapping[str, str]
    gates: Mapping[str, Gate]
    catalog: Catalog
    url: str

    def aftertake(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """What a command prints with `--json`, whatever its exit code."""
        done = subprocess.run(  # noqa: S603
            [*PROGRAM, *arguments, "--json"],
            cwd=self.root,
            env={**inherited(), "PYTHONPATH": str(ROOT), **self.environment},
            capture_output=True,
            check=False,
            timeout=120,
            encoding="utf-8",
        )
        if not done.stdout:
            raise RuntimeError(f"aftertake {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout)

    def post(self, path: str, document: Mapping[str, Any] = MappingProxyType({})) -> Any:  # noqa: ANN401 - JSON
        """What the HTTP API answers."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {_TOKEN}"}
        request = Request(f"{self.url}/v1/vendor-recordings{path}", json.dumps(dict(document)).encode(), headers)  # noqa: S310 - on loopback
        with urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.load(answer)

    def deliver(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Post a webhook; the status."""
        with urlopen(Request(f"{self.url}{path}", body, dict(headers)), timeout=30) as answer:  # noqa: S310
            status: int = answer.status
            return status

    def client_of_others(self, vendor: str) -> Recorder:
        """The vendor's API as somebody else uses it, who knows nothing of Aftertake."""
        account = self.vendors.accounts[vendor]
        access = Access(
            app=account.app, key_id=account.key_id, secret=account.secret, hosts=(self.vendors.api[vendor],)
        )
        return open_recorder(vendor, access, connection=Connection.from_environment(self.environment))

    def upload_key(self, source: str) -> UploadKey:
        """What a vendor writes with."""
        return Recorders(self.settings, self.environment).upload_key(self.settings.source(source))

    def key_file(self, vendor: str) -> Path:
        """The key of the source whose key is changed."""
        return self.root / f"{vendor}.key"

    def manifests(self, recording: RecordingId) -> list[Manifest]:
        """All revisions of it, in their order."""
        start = f"manifests/{recording.vendor}/{recording.task_id}/"
        keys = [key for key in self.clouds.keys("s3", ARCHIVE) if key.startswith(start) and "latest" not in key]
        return [from_json(self.clouds.get("s3", ARCHIVE, key)) for key in keys]

    def published(self, key: str) -> bytes:
        """An output."""
        return self.clouds.get("s3", ARCHIVE, key)

    def recorded(self, recording: RecordingId) -> dict[str, bytes]:
        """All slices of it that any bucket has, past all requests."""
        found: dict[str, bytes] = {}
        for cloud, bucket in _BUCKETS:
            with suppress(KeyError):
                keys = self.clouds.keys(cloud, bucket)
                ours = [key for key in keys if recording.task_id in key and key.endswith(".ts")]
                found |= {key: self.clouds.get(cloud, bucket, key) for key in ours}
        return found

    def written_sources(self) -> list[str]:
        """What was written by request into any bucket but that of the outputs: there must be nothing."""
        return [
            f"{seen.operation} {seen.bucket}/{seen.key}"
            for seen in self.clouds.journal.seen()
            if seen.writes and seen.bucket != ARCHIVE
        ]

    def named(self, document: Mapping[str, Any]) -> RecordingId:
        """The recording that an answer is about."""
        return read_id(f"{document['vendor']}:{document['task_id']}")

    def is_ready(self) -> bool:
        """Whether all parts say so."""
        with suppress(OSError), urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310
            ready: bool = json.load(answer)["ready"]
            return ready
        return False


_BUCKETS: Final[tuple[tuple[CloudName, str], ...]] = (
    ("s3", "calls"),
    ("cos", "calls-1250000000"),
    ("oss", "calls"),
    ("s3", "shaky-agora"),
    ("s3", "shaky-zego"),
    ("s3", "rekeyed-agora"),
    ("s3", "rekeyed-zego"),
    ("s3", "vendor-backup"),
    ("s3", ELSEWHERE),
)


@contextmanager
def vendor_serving() -> Iterator[VendorServing]:
    """All parts answer when this is entered; where it ends in an error, its folder stays, with the log."""
    root = Path(tempfile.mkdtemp(prefix="vendors-"))
    try:
        with _serving(root, free_port()) as serving:
            yield serving
    except BaseException:
        sys.stderr.write(f"the log is kept in {root}\n")
        raise
    shutil.rmtree(root)


@contextmanager
def _serving(root: Path, port: int) -> Iterator[VendorServing]:
    with ExitStack() as stack:
        clouds = stack.enter_context(Clouds())
        hooks = f"http://127.0.0.1:{port}"
        vendors = stack.enter_context(Vendors(clouds, hooks, SECRETS, pace=PACE, limits=_PLENTY))
        stage = set_stage(clouds)
        vendors.jocloud_store("calls")
        clouds.create_bucket("s3", ELSEWHERE, BucketRules(region="eu-west-1"))
        gates = {vendor: stack.enter_context(Gate(vendors.api[vendor]).serving()) for vendor in SHAKY}
        sources = _sources(root, clouds, vendors, stage, gates)
        environment = {
            **stage.environment,
            **vendor_keys(stage, vendors),
            **_settings(root, port),
            "AFTERTAKE_OUTPUT": stage.output,
            "AFTERTAKE_SOURCES": json.dumps(sources),
            "AFTERTAKE_STORES": _store(clouds, ELSEWHERE),
        }
        settings = Settings.load(environment)
        catalog = stack.enter_context(open_catalog(settings))
        member = Member("serve", [], environment, root)
        stack.callback(member.end)
        stack.enter_context(Watch([member]))
        serving = VendorServing(
            root=root,
            clouds=clouds,
            vendors=vendors,
            stage=stage,
            settings=settings,
            environment=environment,
            gates=gates,
            catalog=catalog,
            url=hooks,
        )
        until("all parts are ready", serving.is_ready, within_s=_START_S)
        until("the workers wait for work", lambda: len(member.says("started!")) >= 1, within_s=_START_S)
        yield serving


def _sources(
    root: Path, clouds: Clouds, vendors: Vendors, stage: Stage, gates: Mapping[str, Gate]
) -> list[dict[str, object]]:
    plain = [
        {"name": vendor, "vendor": vendor, "store": url, **source_of(vendor, vendors), **POLICY}
        for vendor, url in stage.sources.items()
    ]
    shaky = [_shaky(clouds, vendors, vendor, gate) for vendor, gate in gates.items()]
    return [*plain, *shaky, *(_rekeyed(root, clouds, vendors, vendor) for vendor in gates)]


def _settings(root: Path, port: int) -> dict[str, str]:
    return {
        **{f"AFTERTAKE_{vendor.upper()}_WEBHOOK_SECRET": secret for vendor, secret in SECRETS.items()},
        "AFTERTAKE_API_TOKEN": _TOKEN,
        "AFTERTAKE_CONFIG": "/dev/null",
        "AFTERTAKE_DATA": str(root / "data"),
        "AFTERTAKE_LISTEN": f"127.0.0.1:{port}",
        "AFTERTAKE_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "AFTERTAKE_SLOTS": str(SLOTS),
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
    }


def _shaky(clouds: Clouds, vendors: Vendors, vendor: str, gate: Gate) -> dict[str, object]:
    named = {"name": f"{vendor}-shaky", "vendor": vendor, "store": _store(clouds, f"shaky-{vendor}")}
    return {**named, **source_of(vendor, vendors), "api": [gate.url], **POLICY}


def _rekeyed(root: Path, clouds: Clouds, vendors: Vendors, vendor: str) -> dict[str, object]:
    account, file = vendors.accounts[vendor], root / f"{vendor}.key"
    file.write_text(f"{account.key_id} {account.secret}\n")
    named = {"name": f"{vendor}-rekeyed", "vendor": vendor, "store": _store(clouds, f"rekeyed-{vendor}")}
    return {**named, **source_of(vendor, vendors), "api_key": str(file), **POLICY}


def _store(clouds: Clouds, bucket: str) -> str:
    if not clouds.has_bucket("s3", bucket):
        clouds.create_bucket("s3", bucket, BucketRules(region="eu-west-1"))
    return f"s3://{bucket}/?region=eu-west-1&endpoint={clouds.endpoint}&checksums=crc64nvme"
