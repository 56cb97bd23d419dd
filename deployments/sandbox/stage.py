"""The sandbox's clouds as a first user meets them: a vendor's recording in each, and an empty bucket for outputs."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from deployments.sandbox.clouds import Account, BucketRules, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.recordings import Recording
from deployments.sandbox.vendors import Vendors

ARCHIVE = "archive"
"""The bucket, in S3, that is published into."""

JOCLOUD_FOLDER = "calls/"
"""Where Jocloud's console is told to store: its recorder is not told by requests."""

_KEY_ID = "AKSANDBOX"
_HOMES: Mapping[str, tuple[CloudName, str, str]] = {
    "agora": ("s3", "calls", "eu-west-1"),
    "zego": ("cos", "calls-1250000000", "ap-guangzhou"),
    "jocloud": ("oss", "calls", "cn-hangzhou"),
}
"""Vendor -> cloud, bucket, region. Jocloud stores in OSS only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What was set up: store URLs of each vendor's recordings and of the archive, and the variables of the keys."""

    sources: Mapping[str, str]
    output: str
    environment: Mapping[str, str]
    endpoint: str

    def place(self, bucket: str) -> str:
        """The store URL of another bucket of the sandbox's S3."""
        return _url(self.endpoint, "s3", bucket, "us-east-1")


def set_stage(clouds: Clouds, recordings: Sequence[Recording] = ()) -> Stage:
    """Make the buckets and an account that may use them, and lay the recordings where their vendors would."""
    secret = secrets.token_urlsafe(24)
    clouds.add_account(Account(key_id=_KEY_ID, secret=secret))
    for cloud, bucket, region in _HOMES.values():
        clouds.create_bucket(cloud, bucket, BucketRules(region=region))
    clouds.create_bucket("s3", ARCHIVE, BucketRules(region="eu-west-1"))
    for recording in recordings:
        cloud, bucket, _ = _HOMES[recording.vendor]
        for key, data in recording.laid.objects.items():
            clouds.put(cloud, bucket, key, data)
    keys = {"KEY_ID": _KEY_ID, "SECRET": secret}
    return Stage(
        sources={vendor: _url(clouds.endpoint, *home) for vendor, home in _HOMES.items()},
        output=_url(clouds.endpoint, "s3", ARCHIVE, "eu-west-1"),
        endpoint=clouds.endpoint,
        environment={f"AFTERTAKE_{cloud}_{name}": key for cloud in ("S3", "OSS", "COS") for name, key in keys.items()},
    )


def source_of(vendor: str, vendors: Vendors) -> dict[str, object]:
    """What `[[sources]]` say of a vendor of the sandbox, beside its store."""
    backup = urlsplit(vendors.backup_url).netloc
    return {"app": vendors.accounts[vendor].app, "api": [vendors.api[vendor]], "backup_hosts": [backup]}


def vendor_keys(stage: Stage, vendors: Vendors) -> dict[str, str]:
    """The variables of what the vendors are asked with, and of what they write with."""
    upload = {half: stage.environment[f"AFTERTAKE_S3_{half}"] for half in ("KEY_ID", "SECRET")}
    keys = dict[str, str]()
    for vendor, account in vendors.accounts.items():
        start = f"AFTERTAKE_{vendor.upper()}"
        keys |= {f"{start}_API_KEY_ID": account.key_id, f"{start}_API_SECRET": account.secret}
        keys |= {f"{start}_UPLOAD_{half}": key for half, key in upload.items()}
    return keys


def _url(endpoint: str, cloud: CloudName, bucket: str, region: str) -> str:
    amazon = "&checksums=crc64nvme" if cloud == "s3" else ""
    return f"{cloud}://{bucket}/?region={region}&endpoint={endpoint}{amazon}"
