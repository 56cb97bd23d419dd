"""Keys and clocks that are wrong: refused once, with a message that says which, and never tried again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deployments.sandbox.clouds import Account, Clouds, Fault, FaultPlan
from deployments.sandbox.clouds.buckets import CloudName
from storage.errors import Denied, StorageError
from storage.opening import open_store
from storage.reading import VerifiedReader
from tests.clouds import ENVIRONMENT, new_bucket
from tests.proofs.reads import mend, quick
from tests.proofs.server import RemoteClouds
from tests.proofs.writes import asked, lay_foreign

TOKEN = "canary-token-51c0de"  # noqa: S105  it is looked for where it must not be
TEMPORARY = "temporary-canary-secret"


def keys(key_id: str, secret: str, token: str = "") -> dict[str, str]:
    """The variables of one account, for each cloud."""
    fields = {"KEY_ID": key_id, "SECRET": secret, "TOKEN": token}
    return {f"AFTERTAKE_{cloud}_{name}": value for cloud in ("S3", "OSS", "COS") for name, value in fields.items()}


def expire(clouds: Clouds) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    clouds.add_account(Account(key_id="OVER", secret=TEMPORARY, token=TOKEN, expires_at=past))


def skew(clouds: Clouds) -> None:
    clouds.faults = FaultPlan([Fault("skew", seconds=3 * 3600, times=0)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One thing that is wrong, how it comes about, and what the message has to say."""

    name: str
    environment: Mapping[str, str]
    before: Callable[[Clouds], None] = mend
    says: str


WRONG = (
    Wrong(name="secret", environment=keys("AKSANDBOX", "not-this-one"), says="the secret does not belong"),
    Wrong(name="key id", environment=keys("NOBODY", "not-this-one"), says="does not know the key id"),
    Wrong(name="expired token", environment=keys("OVER", TEMPORARY, TOKEN), before=expire, says="are over"),
    Wrong(name="clock", environment=ENVIRONMENT, before=skew, says="the clock of this machine is wrong"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What one of them came to."""

    cloud: str
    wrong: str
    kind: str
    requests: int
    message: str
    is_right: bool


def prove_refusal(remote: RemoteClouds, cloud: CloudName, wrong: Wrong) -> Refused:
    """A verified read with a reader that would try six times."""
    url = new_bucket(remote, cloud)
    bucket = url.partition("://")[2].partition("/")[0]
    remote.do(lay_foreign, cloud, bucket, ["a"])
    meta = open_store(url, environment=ENVIRONMENT).head("a")
    remote.do(wrong.before)
    remote.do(asked)
    failure: StorageError | None = None
    try:
        VerifiedReader(open_store(url, environment=wrong.environment), retry=quick()).read(meta)
    except StorageError as error:
        failure = error
    requests = remote.do(asked)[0]
    remote.do(mend)
    right = isinstance(failure, Denied) and wrong.says in str(failure) and requests == 1
    return Refused(
        cloud=cloud,
        wrong=wrong.name,
        kind=type(failure).__name__,
        requests=requests,
        message=failure.detail if failure else "",
        is_right=right,
    )
