"""What a bucket says of itself."""

from deployments.sandbox.clouds.buckets import CorsRule
from deployments.sandbox.clouds.dialects import xml
from deployments.sandbox.clouds.dialects.base import Call
from deployments.sandbox.clouds.dialects.objects import XML
from deployments.sandbox.clouds.messages import Answer, Refusal


def _document(call: Call, root: str, *pieces: str) -> Answer:
    return Answer(headers=dict(XML), body=xml.document(root, *pieces, xmlns=call.dialect.xmlns))


def location(call: Call) -> Answer:
    """The region: of S3 nothing for us-east-1, of OSS with `oss-` before it."""
    text = call.dialect.location(call.bucket.region)
    return Answer(headers=dict(XML), body=_location_document(call, text))


def _location_document(call: Call, text: str) -> bytes:
    root, space = "LocationConstraint", f' xmlns="{call.dialect.xmlns}"' if call.dialect.xmlns else ""
    return f"{xml.HEAD}<{root}{space}>{xml.escaped(text)}</{root}>".encode()


def versioning(call: Call) -> Answer:
    """Enabled, or nothing where it never was."""
    return _document(
        call, "VersioningConfiguration", xml.elements(Status="Enabled" if call.bucket.rules.versioned else None)
    )


def cors(call: Call) -> Answer:
    """The rules for browsers; 404 where there are none."""
    rules = call.bucket.rules.cors
    if not rules:
        raise Refusal(404, "NoSuchCORSConfiguration", "The CORS configuration does not exist")
    return _document(call, "CORSConfiguration", *(f"<CORSRule>{_cors_rule(rule)}</CORSRule>" for rule in rules))


def _cors_rule(rule: CorsRule) -> str:
    lists = {
        "AllowedOrigin": rule.origins,
        "AllowedMethod": rule.methods,
        "AllowedHeader": rule.headers,
        "ExposeHeader": rule.expose,
    }
    pieces = [xml.element(name, value) for name, values in lists.items() for value in values]
    return "".join(pieces) + xml.elements(MaxAgeSeconds=rule.max_age_seconds)


def lifecycle(call: Call) -> Answer:
    """The one rule that can be set here: when abandoned uploads are dropped."""
    days = call.bucket.rules.lifecycle_abort_days
    if days is None:
        raise Refusal(404, call.dialect.no_lifecycle, "The lifecycle configuration does not exist")
    return _document(call, "LifecycleConfiguration", call.dialect.lifecycle_rule(days))


def encryption(call: Call) -> Answer:
    """Encryption by default: of S3 always some, of OSS and COS none here."""
    if call.dialect.no_encryption:
        message = "The server side encryption configuration was not found"
        raise Refusal(404, call.dialect.no_encryption, message)
    key = call.bucket.rules.kms_key
    algorithm = xml.elements(SSEAlgorithm="aws:kms" if key else "AES256", KMSMasterKeyID=key)
    rule = f"<Rule><ApplyServerSideEncryptionByDefault>{algorithm}</ApplyServerSideEncryptionByDefault></Rule>"
    return _document(call, "ServerSideEncryptionConfiguration", rule)


def info(call: Call) -> Answer:
    """OSS GetBucketInfo, with the elements that say where and how the bucket is."""
    region = call.dialect.location(call.bucket.region)
    pieces = xml.elements(
        Name=call.bucket.name,
        Location=region,
        Region=call.bucket.region,
        ExtranetEndpoint=f"{region}.aliyuncs.com",
        IntranetEndpoint=f"{region}-internal.aliyuncs.com",
        StorageClass="Standard",
        DataRedundancyType="LRS",
        Versioning="Enabled" if call.bucket.rules.versioned else None,
        CreationDate="2026-01-01T00:00:00.000Z",
    )
    owner = xml.elements(ID="0000000000000000", DisplayName="0000000000000000")
    grant = xml.element("Grant", "public-read" if call.bucket.rules.public else "private")
    access = f"<Owner>{owner}</Owner><AccessControlList>{grant}</AccessControlList>"
    return _document(call, "BucketInfo", f"<Bucket>{pieces}{access}</Bucket>")


def head(call: Call) -> Answer:
    """Whether the bucket is there and where."""
    return Answer(headers={f"{call.dialect.prefix}bucket-region": call.bucket.region})
