"""Which bucket and key a request is for: by its path, by its Host, or by a domain that was bound to a bucket."""

import ipaddress
import re
from collections.abc import Mapping

from deployments.sandbox.clouds.messages import Request, decoded

_SERVICES = re.compile(
    r"""^(?:(?P<bucket>.+)\.)?
    (?:s3\.amazonaws\.com|s3[.-](?:dualstack\.)?[a-z0-9-]+\.amazonaws\.com|oss-[a-z0-9-]+\.aliyuncs\.com
    |cos\.[a-z0-9-]+\.(?:myqcloud\.com|tencentcos\.cn)|localhost)$""",
    re.VERBOSE,
)
_CLOUDS = {"amazonaws.com": "s3", "aliyuncs.com": "oss", "myqcloud.com": "cos", "tencentcos.cn": "cos"}


def cloud_of_host(hostname: str) -> str | None:
    """The store whose own domain it is; None for an address and for unknown names."""
    return next((cloud for domain, cloud in _CLOUDS.items() if hostname.endswith(f".{domain}")), None)


def bucket_of_host(hostname: str) -> str | None:
    """The bucket before the endpoint in a virtual host; None where the path has it."""
    if _is_address(hostname):
        return None
    found = _SERVICES.match(hostname)
    if found:
        return found["bucket"]
    return hostname.partition(".")[0] if "." in hostname else None


def _is_address(hostname: str) -> bool:
    try:
        ipaddress.ip_address(hostname.strip("[]"))
    except ValueError:
        return False
    return True


def place_of(request: Request, domains: Mapping[str, str]) -> tuple[str, str]:
    """Bucket and key, each "" where there is none; `domains` are hosts (with or without port) bound to a bucket."""
    host = request.header("host").lower()
    path = decoded(request.path).removeprefix("/")
    bucket = domains.get(host) or domains.get(request.hostname) or bucket_of_host(request.hostname)
    if bucket:
        return bucket, path
    bucket, _, key = path.partition("/")
    return bucket, key
