"""What Amazon S3, and stores that speak its API, say of a bucket.

Source of what is said here: the Amazon S3 API reference.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from storage.examining import (
    AbortRule,
    BucketFacts,
    Contact,
    CorsRule,
    Encryption,
    Unseen,
    Versioning,
    abort_rules_of,
    any_answer,
    contact_of,
    cors_rules_of,
    facts_of,
    seen,
    versioning_of,
)

_FIRST_REGION = "us-east-1"
_OLD_NAMES = {"": _FIRST_REGION, "EU": "eu-west-1"}
"""GetBucketLocation, LocationConstraint."""


class S3Examiner:
    """An Examiner. `call` is that of the store: (operation, key, method of the client, …)."""

    def __init__(self, client: Any, call: Callable[..., Any]) -> None:
        """`client` is boto3's."""
        self._client = client
        self._call = call

    @property
    def origin(self) -> str:
        """That of the region; the bucket's own name in front of it leads to the same place."""
        return str(self._client.meta.endpoint_url)

    def contact(self) -> Contact:
        """HeadBucket; a refusal names the region too."""
        with self._overheard() as answers:
            any_answer(lambda: self._ask("head_bucket"))
        contact = contact_of(answers, "x-amz-bucket-region")
        return contact if contact.region != Unseen.NOT_OFFERED else replace(contact, region=self._location())

    def facts(self) -> BucketFacts:
        """Four requests."""
        return facts_of(
            versioning=self._versioning, encryption=self._encryption, abort_rules=self._abort_rules, cors=self._cors
        )

    def _ask(self, method: str) -> Any:
        return self._call(method, "", method)

    def _location(self) -> str | Unseen:
        def ask() -> str:
            name = self._ask("get_bucket_location").get("LocationConstraint") or ""
            return _OLD_NAMES.get(name) or str(name)

        found = seen(ask, absent="")
        return found or Unseen.NOT_OFFERED

    def _versioning(self) -> Versioning:
        return versioning_of(self._ask("get_bucket_versioning").get("Status"))

    def _encryption(self) -> Encryption:
        rules = self._ask("get_bucket_encryption").get("ServerSideEncryptionConfiguration", {}).get("Rules")
        default = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
        return Encryption(algorithm=default.get("SSEAlgorithm"), kms_key=default.get("KMSMasterKeyID"))

    def _abort_rules(self) -> tuple[AbortRule, ...]:
        return abort_rules_of(self._ask("get_bucket_lifecycle_configuration").get("Rules", ()))

    def _cors(self) -> tuple[CorsRule, ...]:
        return cors_rules_of(self._ask("get_bucket_cors").get("CORSRules", ()))

    @contextmanager
    def _overheard(self) -> Iterator[list[Mapping[str, str]]]:
        """The headers of the answers meanwhile, of those too after which botocore asks again in another region."""
        answers: list[Mapping[str, str]] = []

        def listen(response: tuple[Any, Mapping[str, Any]] | None, **_: object) -> None:
            if response is not None:
                answers.append(response[1].get("ResponseMetadata", {}).get("HTTPHeaders", {}))

        events = self._client.meta.events
        events.register_first("needs-retry.s3", listen)
        try:
            yield answers
        finally:
            events.unregister("needs-retry.s3", listen)
