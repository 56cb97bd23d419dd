"""Buckets whose keys hold the policies of `deployments/policies`, and what examining them says."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from deployments.sandbox.clouds import Account, BucketRules, Clouds, CorsRule
from deployments.sandbox.clouds.buckets import CloudName
from deployments.sandbox.clouds.policies import allows
from flows.steps.examining import Examination
from flows.steps.store_checks import Check, Outcome, Place, Role, StoreReport
from storage.retry import Retry
from tests.clouds import SECRET
from tests.sandbox.operations import PREFIX, filled

REGIONS = {"s3": "us-east-1", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
PLAYERS = CorsRule(
    origins=("https://aftertake.example",),
    headers=("Range",),
    expose=("Content-Range", "Accept-Ranges", "Content-Length", "ETag"),
)
WELL = BucketRules(cors=(PLAYERS,), lifecycle_abort_days=7)
RECORDED = f"{PREFIX}/a/1.ts"


def documents(cloud: CloudName, kinds: tuple[str, ...], bucket: str, without: str = "") -> list[dict[str, Any]]:
    """Policy files as an operator fills them, less one action."""
    found = [json.loads(filled(f"{cloud}-{kind}.json").replace("lessons", bucket)) for kind in kinds]
    for statement in (statement for document in found for statement in document[_name(document, "statement")]):
        action = _name(statement, "action")
        listed = statement[action] if isinstance(statement[action], list) else [statement[action]]
        statement[action] = [name for name in listed if name != without] or [f"{listed[0].rpartition(':')[0]}:None"]
        # which service asks the KMS is nothing that a request to the sandbox says
        if "kms" in str(statement[action]):
            del statement["Condition"]
    return found


def _name(element: Mapping[str, Any], name: str) -> str:
    return next(found for found in element if found.lower() == name)


def actions(cloud: CloudName, kind: str) -> list[str]:
    """All that a policy file grants."""
    found = []
    for document in documents(cloud, (kind,), "lessons"):
        for statement in document[_name(document, "statement")]:
            if statement[_name(statement, "effect")].lower() == "allow":
                found += statement[_name(statement, "action")]
    return found


@dataclass(kw_only=True)
class Ward:
    """A running sandbox, and an examination that knows the keys of the buckets made here."""

    clouds: Clouds
    environment: dict[str, str] = field(default_factory=dict)

    def bucket(
        self,
        cloud: CloudName,
        role: Role,
        rules: BucketRules = WELL,
        *,
        kinds: tuple[str, ...] | None = None,
        without: str = "",
        options: str = "",
        region: str = "",
        token: str | None = None,
    ) -> Place:
        """A bucket with one recorded slice if it is a source, whose key holds the policies of its role, or `kinds`."""
        name = f"key{len(self.environment)}"
        held = documents(cloud, kinds or (role.value,), name, without)
        bucket = f"{name}-1250000000" if cloud == "cos" else name
        self.clouds.create_bucket(cloud, bucket, rules)
        if role is Role.SOURCE:
            self.clouds.put(cloud, bucket, RECORDED, b"slice")
        self.clouds.add_account(Account(key_id=name, secret=SECRET, may=allows(held), token=token))
        keys = {"KEY_ID": name, "SECRET": SECRET} | ({"TOKEN": token} if token else {})
        self.environment |= {f"AFTERTAKE_{name.upper()}_{key}": value for key, value in keys.items()}
        like_amazon = "&checksums=crc64nvme" if cloud == "s3" and "checksums" not in options else ""
        where = f"region={region or REGIONS[cloud]}&endpoint={self.clouds.endpoint}&credentials={name}"
        return Place.parse(role, f"{cloud}://{bucket}/{PREFIX}/?{where}{like_amazon}{options}")

    def examine(self, place: Place) -> StoreReport:
        """The report, without long waits."""
        retry = Retry(attempts=2, first_wait_s=0.001)
        return Examination(environment=self.environment, retry=retry).of(place)


@contextmanager
def ward(clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Ward]:
    with Clouds(clock=clock) as clouds:
        yield Ward(clouds=clouds)


def check_of(report: StoreReport, name: str) -> Check:
    """The one check of this name."""
    (check,) = [check for check in report.checks if check.name == name]
    return check


def names(report: StoreReport, outcome: Outcome) -> list[str]:
    """The checks that ended so."""
    return [check.name for check in report.checks if check.outcome is outcome]


def says(check: Check, outcome: Outcome, seen: str, fix: str = "") -> bool:
    """Whether it ended so, with these words in it; shows it where not."""
    agrees = (check.outcome, seen in check.seen, fix in check.fix) == (outcome, True, True)
    assert agrees, check
    return agrees
