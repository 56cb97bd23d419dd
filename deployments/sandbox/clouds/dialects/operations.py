"""Which function carries out which operation."""

from collections.abc import Callable, Mapping

from deployments.sandbox.clouds.dialects import copying, facts, listing, multipart, objects
from deployments.sandbox.clouds.dialects.base import Call
from deployments.sandbox.clouds.messages import Answer, Refusal

OPERATIONS: Mapping[str, Callable[[Call], Answer]] = {
    "GetObject": objects.get,
    "HeadObject": objects.head,
    "PutObject": objects.put,
    "DeleteObject": objects.delete,
    "DeleteObjects": objects.delete_many,
    "CopyObject": copying.copy,
    "CreateMultipartUpload": multipart.create,
    "UploadPart": multipart.put_part,
    "UploadPartCopy": multipart.copy_part,
    "ListParts": multipart.list_parts,
    "CompleteMultipartUpload": multipart.complete,
    "AbortMultipartUpload": multipart.abort,
    "ListMultipartUploads": multipart.list_uploads,
    "ListObjects": listing.version_1,
    "ListObjectsV2": listing.version_2,
    "HeadBucket": facts.head,
    "GetBucketLocation": facts.location,
    "GetBucketVersioning": facts.versioning,
    "GetBucketCors": facts.cors,
    "GetBucketLifecycle": facts.lifecycle,
    "GetBucketEncryption": facts.encryption,
    "GetBucketInfo": facts.info,
}


def carry_out(call: Call) -> Answer:
    """Do it, after the account was found to be allowed to; Refusal."""
    if call.operation not in call.dialect.actions:
        raise Refusal(501, "NotImplemented", "This store has no such operation, or it is not imitated.")
    for action in call.dialect.actions[call.operation]:
        call.require(action)
    call.dialect.check_more(call)
    return OPERATIONS[call.operation](call)
