"""What Tencent Cloud COS says of a bucket.

Source of what is said here: the COS API documents (cloud.tencent.com/document/product/436).
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from storage.examining import (
    AbortRule,
    BucketFacts,
    Contact,
    CorsRule,
    Encryption,
    Versioning,
    abort_rules_of,
    any_answer,
    contact_of,
    cors_rules_of,
    facts_of,
    overheard,
    versioning_of,
)


class CosExaminer:
    """An Examiner. `call` is that of the store: (operation, key, method of the client, …)."""

    def __init__(self, client: Any, bucket: str, call: Callable[..., Any]) -> None:
        """`client` is the SDK's."""
        self._client = client
        self._bucket = bucket
        self._call = call

    @property
    def origin(self) -> str:
        """That of the bucket in its region, or of its own domain."""
        parts = urlsplit(self._client.get_conf().uri(bucket=self._bucket))
        return f"{parts.scheme}://{parts.netloc}"

    def contact(self) -> Contact:
        """HEAD Bucket."""
        with overheard(self._client._session) as answers:  # noqa: SLF001  the one that open_cos made
            any_answer(lambda: self._ask("head_bucket"))
        return contact_of(answers, "x-cos-bucket-region")

    def facts(self) -> BucketFacts:
        """Four requests."""
        return facts_of(
            versioning=self._versioning, encryption=self._encryption, abort_rules=self._abort_rules, cors=self._cors
        )

    def _ask(self, method: str) -> Any:
        return self._call(method, "", method)

    def _versioning(self) -> Versioning:
        return versioning_of((self._ask("get_bucket_versioning") or {}).get("Status"))

    def _encryption(self) -> Encryption:
        rules = self._ask("get_bucket_encryption").get("Rule", ())
        default = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
        return Encryption(algorithm=default.get("SSEAlgorithm"), kms_key=default.get("KMSMasterKeyID"))

    def _abort_rules(self) -> tuple[AbortRule, ...]:
        return abort_rules_of(self._ask("get_bucket_lifecycle").get("Rule", ()))

    def _cors(self) -> tuple[CorsRule, ...]:
        return cors_rules_of(self._ask("get_bucket_cors").get("CORSRule", ()))
