"""Which operation a request is, by method and query, as all three stores share it."""

from deployments.sandbox.clouds.messages import Refusal, Request

FACTS = {
    "location": "GetBucketLocation",
    "versioning": "GetBucketVersioning",
    "cors": "GetBucketCors",
    "lifecycle": "GetBucketLifecycle",
    "encryption": "GetBucketEncryption",
    "bucketInfo": "GetBucketInfo",
}
ELSEWHERE = frozenset(
    {"acl", "policy", "tagging", "website", "logging", "versions", "notification", "replication", "torrent", "restore"}
    | {"referer", "append", "symlink", "select", "attributes", "retention", "legal-hold", "inventory"}
)
"""Sub-resources of the real stores that are not imitated: refused, so that nobody takes silence for success."""


def operation_of(request: Request, key: str, prefix: str) -> str:
    """The name that S3 has for it; Refusal NotImplemented, or MethodNotAllowed."""
    if ELSEWHERE & request.query.keys():
        raise Refusal(501, "NotImplemented", "A header or query you provided implies functionality not implemented.")
    found = _object_operation(request, prefix) if key else _bucket_operation(request)
    if not found:
        raise Refusal(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    return found


def _object_operation(request: Request, prefix: str) -> str:
    in_upload = "uploadId" in request.query
    copies = f"{prefix}copy-source" in request.headers
    started = "CreateMultipartUpload" if "uploads" in request.query else ""
    operations = {
        "GET": ("ListParts", "GetObject"),
        "HEAD": ("HeadObject", "HeadObject"),
        "PUT": ("UploadPartCopy", "CopyObject") if copies else ("UploadPart", "PutObject"),
        "POST": ("CompleteMultipartUpload", started),
        "DELETE": ("AbortMultipartUpload", "DeleteObject"),
    }
    of_upload, of_object = operations.get(request.method, ("", ""))
    return of_upload if in_upload else of_object


def _bucket_operation(request: Request) -> str:
    query = request.query
    if request.method == "HEAD":
        return "HeadBucket"
    if request.method == "POST" and "delete" in query:
        return "DeleteObjects"
    if request.method != "GET":
        return ""
    for name, operation in FACTS.items():
        if name in query:
            return operation
    if "uploads" in query:
        return "ListMultipartUploads"
    return "ListObjectsV2" if query.get("list-type") == "2" else "ListObjects"
