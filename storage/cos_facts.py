"""What Tencent Cloud COS says of a bucket.

Source of what is said here: the COS API documents (cloud.tencent.com/document/product/436).
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from storage.examining import (
    AbortRule,
    BucketFacts,
    Contact,
    CorsRule,
    Encryption,
    Versioning,
    any_answer,
    contact_of,
    overheard,
    seen,
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
        return BucketFacts(
            versioning=seen(self._versioning, absent=Versioning.OFF),
            encryption=seen(self._encryption, absent=Encryption()),
            abort_rules=seen(self._abort_rules, absent=()),
            cors=seen(self._cors, absent=()),
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
        return tuple(_abort_rule(rule) for rule in self._ask("get_bucket_lifecycle").get("Rule", ()) if _aborts(rule))

    def _cors(self) -> tuple[CorsRule, ...]:
        return tuple(_cors_rule(rule) for rule in self._ask("get_bucket_cors").get("CORSRule", ()))


def _aborts(rule: Mapping[str, Any]) -> bool:
    return rule.get("Status") == "Enabled" and "AbortIncompleteMultipartUpload" in rule


def _abort_rule(rule: Mapping[str, Any]) -> AbortRule:
    prefix = (rule.get("Filter") or {}).get("Prefix") or rule.get("Prefix") or ""
    days = rule["AbortIncompleteMultipartUpload"].get("DaysAfterInitiation")
    return AbortRule(prefix=prefix, days=int(days) if days else None)


def _cors_rule(rule: Mapping[str, Any]) -> CorsRule:
    names = ("AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader")
    origins, methods, headers, exposed = (tuple(rule.get(name, ())) for name in names)
    return CorsRule(origins=origins, methods=methods, headers=headers, exposed=exposed)
