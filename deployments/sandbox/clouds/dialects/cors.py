"""What browsers ask and are told (Fetch, "CORS protocol"), by the rules of a bucket."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from deployments.sandbox.clouds.buckets import CorsRule
from deployments.sandbox.clouds.messages import Answer, Refusal, Request


def headers(rules: Iterable[CorsRule], request: Request) -> dict[str, str]:
    """The headers to add to any answer; none where the request names no origin or no rule fits."""
    origin = request.header("origin")
    method = request.header("access-control-request-method") or request.method
    for rule in rules if origin else ():
        if any(fnmatchcase(origin, pattern) for pattern in rule.origins) and method in rule.methods:
            return _granted(rule, origin)
    return {}


def _granted(rule: CorsRule, origin: str) -> dict[str, str]:
    granted = {
        "Access-Control-Allow-Origin": "*" if "*" in rule.origins else origin,
        "Access-Control-Allow-Methods": ", ".join(rule.methods),
        "Access-Control-Allow-Headers": ", ".join(rule.headers),
        "Access-Control-Expose-Headers": ", ".join(rule.expose),
        "Access-Control-Max-Age": "" if rule.max_age_seconds is None else str(rule.max_age_seconds),
        "Vary": "Origin",
    }
    return {name: value for name, value in granted.items() if value}


def preflight(rules: Iterable[CorsRule], request: Request) -> Answer:
    """The answer to OPTIONS; 403 where no rule fits."""
    granted = headers(rules, request)
    wanted = {name.strip().lower() for name in request.header("access-control-request-headers").split(",")} - {""}
    allowed = [name.strip().lower() for name in granted.get("Access-Control-Allow-Headers", "").split(",")]
    if not granted or not all(any(fnmatchcase(name, pattern) for pattern in allowed) for name in wanted):
        raise Refusal(403, "AccessForbidden", "CORSResponse: This CORS request is not allowed.")
    return Answer(headers=granted)
