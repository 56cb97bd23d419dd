"""What the facts of a store mean for recordings. Pure: facts in, checks out."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TypeVar

from flows.fields import OWN_HOSTS
from flows.steps.store_checks import POLICIES, Check, Place, Role, fail, ok, refusal_fix, skipped, warn
from storage.checksums import Checksums, Proof
from storage.errors import Denied, NotFound, Refusal, StorageError
from storage.examining import AbortRule, BucketFacts, Contact, CorsRule, Encryption, Unseen, Versioning
from storage.reaching import Reach, Step

_Fact = TypeVar("_Fact")

SKEW_WARNS = timedelta(minutes=1)
SKEW_FAILS = timedelta(minutes=10)
"""Stores refuse requests that are a quarter of an hour off."""

LITTLE_SPACE_BYTES = 10 * 1000**3
NO_SPACE_BYTES = 1000**3

_EXPOSED = frozenset({"content-range", "accept-ranges", "content-length", "etag"})
"""What players read of an answer; `deployments/policies` exposes exactly these."""

_EQUAL_PARTS_HOSTS = (".r2.cloudflarestorage.com",)
"""S3-like stores that are known to want parts of one size."""

GRANT_DELETE = (
    "Grant s3:DeleteObject on PREFIX/*.parts: with parts=equal an upload passes through an object of that name."
)

_CREDENTIALS = frozenset({Refusal.KEY_ID, Refusal.SECRET, Refusal.TOKEN, Refusal.CREDENTIALS})
_EXTENSIONS = {"s3": "json", "oss": "xml", "cos": "xml"}
"""Of lifecycle and CORS files, as each cloud takes them."""


def reachable(place: Place, reach: Reach, origin: str) -> Check:
    """Name, connection, TLS."""
    through = f"the proxy {reach.host}" if reach.through_proxy else reach.host
    if reach.failed is None:
        if origin.startswith("http://") and reach.host not in OWN_HOSTS:
            seen = f"{through} answers, but {origin} is plain HTTP: recordings go over the network unencrypted"
            return warn("reachable", seen, "Write endpoint=https://…; the policies here refuse plain HTTP.")
        return ok("reachable", f"{through} takes connections")
    setting = "AFTERTAKE_PROXY" if reach.through_proxy else "region= and endpoint= in the store URL"
    seen, fix = {
        Step.NAME: (f"no address is known for {through}", f"Check {setting}, and the DNS of this machine."),
        Step.CONNECT: (
            f"{through} takes no connection",
            f"Check {setting}, and firewalls; a proxy is AFTERTAKE_PROXY.",
        ),
        Step.TLS: (
            f"no TLS with {through}",
            "Check https:// against http:// in the endpoint.",
        ),
        Step.CERTIFICATE: (f"the certificate of {through} is not trusted", refusal_fix(place, Refusal.CERTIFICATE)),
    }[reach.failed]
    return fail("reachable", f"{seen} ({reach.detail})", fix)


def clock(place: Place, ahead: timedelta | Unseen, error: StorageError | None) -> Check:
    """How far the clock of this machine is ahead of the store's (behind where negative); `error` is of a request."""
    refused = isinstance(error, Denied) and error.reason is Refusal.CLOCK
    if refused and isinstance(ahead, Unseen) and error is not None:
        return fail("clock", error.detail, refusal_fix(place, Refusal.CLOCK))
    if isinstance(ahead, Unseen):
        return skipped("clock", ahead.value)
    if abs(ahead) <= timedelta(seconds=2):
        return ok("clock", "within 2 s of the store's")
    side = "ahead of" if ahead > timedelta(0) else "behind"
    seen = f"this machine is {abs(ahead).total_seconds():.0f} s {side} the store"
    if refused or abs(ahead) > SKEW_FAILS:
        refuses = "which refuses requests so far off" if refused else "which refuses requests from 900 s on"
        return fail("clock", f"{seen}, {refuses}", refusal_fix(place, Refusal.CLOCK))
    return warn("clock", seen, refusal_fix(place, Refusal.CLOCK)) if abs(ahead) > SKEW_WARNS else ok("clock", seen)


def credentials(place: Place, error: StorageError | None) -> Check:
    """What the first signed request says of them."""
    if place.options.get("credentials", "").lower() == "none":
        return ok("credentials", "none are used, as the URL says")
    if not isinstance(error, Denied):
        return ok("credentials", "the store knows the key id, and the signature is right")
    if error.reason in _CREDENTIALS or error.operation == "credentials":
        reason = error.reason if error.reason in _CREDENTIALS else Refusal.CREDENTIALS
        return fail("credentials", error.detail, refusal_fix(place, reason))
    if error.reason in {Refusal.CLOCK, Refusal.REGION}:
        return skipped("credentials", f"the store looks at the {error.reason.value} first, and refuses that")
    return ok("credentials", "the store knows the key id, and the signature is right")


def region(place: Place, contact: Contact, error: StorageError | None) -> Check:
    """The URL's against the one that the store names."""
    known = None if isinstance(contact.region, Unseen) else contact.region
    right = f"Write region={known or '…'} into the store URL{'' if known else ': the region that the bucket lies in'}."
    named = place.options.get("region", "us-east-1")
    refused = isinstance(error, Denied) and error.reason is Refusal.REGION
    if refused and known not in {None, named}:
        return fail("region", f"the bucket lies in {known}, not in {named}: requests and presigned URLs fail", right)
    if refused and error is not None:
        return fail("region", error.detail, right)
    if isinstance(error, NotFound):
        return skipped("region", "there is no such bucket")
    if known is None:
        return ok("region", f"the store accepts {named}")
    return ok("region", named if known == named else f"the store says {known}, and accepts {named}")


def checksums(place: Place, offered: Checksums, of_what: str) -> Check:
    """Which proof reads of this store will get."""
    best = offered.best()
    if not place.is_cloud and best is None:
        return skipped("checksums", "a folder keeps none")
    if best is not None:
        return ok("checksums", f"{best[0].value} is offered for {of_what}")
    seen = f"none is offered for {of_what}: only its {Proof.LENGTH.value} can be proved"
    return warn("checksums", seen, _checksums_fix(place))


def _checksums_fix(place: Place) -> str:
    if place.scheme != "s3":
        return "Have objects uploaded and not copied: copies of objects without a CRC-64 have none."
    amazon = "endpoint" not in place.options
    if place.options.get("checksums", "crc64nvme" if amazon else "none") == "none":
        return "Write checksums=crc64nvme into the store URL; take it out again if uploads are then refused."
    return "Nothing more can be asked of this store: it keeps no CRC64NVME. Prefer one that does."


def parts(place: Place, origin: str) -> Check | None:
    """The rules for parts, as far as they can be told without an upload; None where they have to be tried."""
    if place.scheme != "s3" or "endpoint" not in place.options:
        return ok("parts", "of any size")
    if place.options.get("parts") == "equal":
        return None
    if origin.endswith(_EQUAL_PARTS_HOSTS):
        fix = f"Write parts=equal into the store URL. {GRANT_DELETE}"
        return fail("parts", "this store wants all parts of an upload to have one size", fix)
    return skipped("parts", "it would take 10 MiB to try unequal parts; if the store refuses those, write parts=equal")


def settings(place: Place, facts: BucketFacts) -> Iterable[Check]:
    """The settings of a bucket, in the order of the report."""
    yield _told(place, "versioning", facts.versioning, versioning)
    yield _told(place, "encryption", facts.encryption, encryption)
    if place.role is Role.OUTPUT:
        yield _told(place, "lifecycle", facts.abort_rules, lifecycle)
        yield _told(place, "cors", facts.cors, cors)


def _told(place: Place, name: str, fact: _Fact | Unseen, judge: Callable[[Place, _Fact], Check]) -> Check:
    if not isinstance(fact, Unseen):
        return judge(place, fact)
    if fact is Unseen.NOT_ALLOWED:
        return skipped(name, f"{fact.value} (grant {POLICIES}/{place.scheme}-doctor.json to see it)")
    return skipped(name, fact.value)


def versioning(place: Place, state: Versioning) -> Check:
    """Old versions cost money; on OSS and COS they void create-only."""
    if state is Versioning.OFF:
        return ok("versioning", "off")
    noncurrent = "Add a lifecycle rule that expires noncurrent versions."
    if place.role is Role.OUTPUT and place.scheme in {"oss", "cos"}:
        seen = f"{state.value}: this cloud then ignores create-only, a guard that publishing does not rest on"
        return warn("versioning", seen, f"Suspend it unless you need it. {noncurrent}")
    return ok("versioning", state.value, advice=noncurrent if place.role is Role.OUTPUT else "")


def encryption(place: Place, default: Encryption) -> Check:
    """Reading and writing have shown already whether the key may be used."""
    if default.uses_kms:
        file = f" ({POLICIES}/s3-kms.json)" if place.scheme == "s3" else ""
        return ok("encryption", f"{default.algorithm} with {default.kms_key or 'a key of the cloud'}{file}")
    return ok("encryption", default.algorithm or "none by default")


def lifecycle(place: Place, rules: tuple[AbortRule, ...]) -> Check:
    """Whether uploads that a killed worker leaves behind are dropped."""
    covering = [rule for rule in rules if place.prefix.startswith(rule.prefix)]
    if covering:
        days = min((rule.days for rule in covering if rule.days is not None), default=None)
        return ok("lifecycle", f"abandoned uploads are dropped after {days} days" if days else "uploads are dropped")
    file = f"{POLICIES}/{place.scheme}-lifecycle.{_EXTENSIONS[place.scheme]}"
    seen = "no rule drops abandoned uploads, which cost money and are in no listing of objects"
    return warn("lifecycle", seen, f"Add the rule of {file}.")


def cors(place: Place, rules: tuple[CorsRule, ...]) -> Check:
    """Whether the pages' players may read ranges of a recording."""
    file = f"{POLICIES}/{place.scheme}-cors.{_EXTENSIONS[place.scheme]}"
    lacking = [_lacks(rule) for rule in rules]
    if "" in lacking:
        origins = ", ".join(rules[lacking.index("")].origins)
        return ok("cors", f"pages of {origins} may read ranges")
    seen = f"the rules do not allow players {lacking[0]}" if lacking else "no page of another origin may read anything"
    return warn("cors", seen, f"Add the rule of {file}, with where the pages are served as ORIGIN.")


def _lacks(rule: CorsRule) -> str:
    """What a player needs and a rule does not give; "" where it gives all."""
    headers = {name.lower() for name in rule.headers}
    unexposed = _EXPOSED - {name.lower() for name in rule.exposed}
    if not {"GET", "HEAD"} <= set(rule.methods):
        return "GET and HEAD"
    if not headers & {"*", "range"}:
        return "the header Range"
    return f"to see {', '.join(sorted(unexposed))}" if unexposed and "*" not in rule.exposed else ""


def folder(place: Place, facts: BucketFacts) -> Iterable[Check]:
    """Room, and renames, of a folder that is written."""
    if place.role is not Role.OUTPUT or isinstance(facts.free_bytes, Unseen) or isinstance(facts.mounted, Unseen):
        return
    seen, fix = f"{facts.free_bytes / 1000**3:.1f} GB are free", "Free some space, or move the output."
    judged = fail if facts.free_bytes < NO_SPACE_BYTES else warn
    yield ok("space", seen) if facts.free_bytes >= LITTLE_SPACE_BYTES else judged("space", seen, fix)
    if facts.mounted:
        seen = f"{', '.join(facts.mounted)} lie on other file systems, so that no rename can put an object there"
        yield fail("mounts", seen, "Mount the whole output folder as one file system.")
    else:
        yield ok("mounts", "one file system")
