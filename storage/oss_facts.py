"""What Alibaba Cloud OSS says of a bucket.

Source of what is said here: the OSS API reference (help.aliyun.com/zh/oss/developer-reference).
"""

from collections.abc import Callable
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
    contact_of,
    facts_of,
    overheard,
    seen,
    versioning_of,
)


class OssExaminer:
    """An Examiner. `call` is that of the store: (operation, key, request)."""

    def __init__(self, bucket: Any, call: Callable[[str, str, Callable[[], Any]], Any]) -> None:
        """`bucket` is oss2's."""
        self._bucket = bucket
        self._call = call

    @property
    def origin(self) -> str:
        """That of the region, or of the bucket's own domain."""
        return str(self._bucket.endpoint)

    def contact(self) -> Contact:
        """GetBucketLocation, which names the region as `oss-cn-hangzhou`."""
        with overheard(self._bucket.session.session) as answers:
            region = seen(lambda: str(self._ask("get_bucket_location").location).removeprefix("oss-"), absent="")
        return replace(contact_of(answers, ""), region=region or Unseen.NOT_OFFERED)

    def facts(self) -> BucketFacts:
        """Four requests."""
        return facts_of(
            versioning=self._versioning, encryption=self._encryption, abort_rules=self._abort_rules, cors=self._cors
        )

    def _ask(self, method: str) -> Any:
        return self._call(method, "", getattr(self._bucket, method))

    def _versioning(self) -> Versioning:
        return versioning_of(self._ask("get_bucket_versioning").status)

    def _encryption(self) -> Encryption:
        default = self._ask("get_bucket_encryption")
        return Encryption(algorithm=default.sse_algorithm, kms_key=default.kms_master_keyid)

    def _abort_rules(self) -> tuple[AbortRule, ...]:
        rules = self._ask("get_bucket_lifecycle").rules
        enabled = [rule for rule in rules if rule.status == "Enabled" and rule.abort_multipart_upload is not None]
        return tuple(AbortRule(prefix=rule.prefix or "", days=rule.abort_multipart_upload.days) for rule in enabled)

    def _cors(self) -> tuple[CorsRule, ...]:
        return tuple(
            CorsRule(
                origins=tuple(rule.allowed_origins or ()),
                methods=tuple(rule.allowed_methods or ()),
                headers=tuple(rule.allowed_headers or ()),
                exposed=tuple(rule.expose_headers or ()),
            )
            for rule in self._ask("get_bucket_cors").rules
        )
