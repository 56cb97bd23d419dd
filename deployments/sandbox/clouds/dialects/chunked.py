"""Bodies in `aws-chunked`, unsigned and with a trailer.

Amazon S3 API Reference, "Transferring payload in multiple chunks: with trailing headers".
"""

from collections.abc import Mapping

from deployments.sandbox.clouds.messages import Refusal, Request


def unwrap(request: Request) -> tuple[bytes, Mapping[str, str]]:
    """The bytes themselves, and the trailing headers by lower-case names; Refusal where they are not well-formed."""
    body, data, at = bytes(request.body), [], 0
    while True:
        line, at = _line(body, at)
        text = line.partition(b";")[0].strip()
        try:
            size = int(text, 16)
        except ValueError:
            raise _incomplete() from None
        if size == 0:
            break
        if size < 0 or body[at + size : at + size + 2] != b"\r\n":
            raise _incomplete()
        data.append(body[at : at + size])
        at += size + 2
    joined = b"".join(data)
    if request.header("x-amz-decoded-content-length") != str(len(joined)):
        raise _incomplete()
    trailers = _trailers(body[at:])
    if {name.strip().lower() for name in request.header("x-amz-trailer").split(",") if name.strip()} - trailers.keys():
        raise Refusal(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed.")
    return joined, trailers


def _line(body: bytes, at: int) -> tuple[bytes, int]:
    end = body.find(b"\r\n", at, at + 200)
    if end < 0:
        raise _incomplete()
    return body[at:end], end + 2


def _trailers(tail: bytes) -> dict[str, str]:
    pairs = (line.decode("latin-1").partition(":") for line in tail.split(b"\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _incomplete() -> Refusal:
    return Refusal(400, "IncompleteBody", "The request body terminated unexpectedly")
