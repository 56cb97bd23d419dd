"""What Jocloud's API answers (Jocloud, Cloud Recording RESTful API). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vendors.fields import label, number, text, without


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What every call answers. `resource_id` is of applyrecord, `record_id` of startrecord; `rest` are other fields."""

    code: int | None
    message: str | None
    trace_id: str | None
    resource_id: str | None
    record_id: str | None
    host: str
    rest: Mapping[str, Any]


def read_answer(document: Mapping[str, Any], host: str) -> Answer:
    """An answer that is no error; `code` may be missing in it."""
    return Answer(
        code=number(document.get("code")),
        message=text(document.get("message")),
        trace_id=label(document.get("traceId")),
        resource_id=text(document.get("resid")),
        record_id=label(document.get("recordid")),
        host=host,
        rest=without(document, "code", "message", "traceId", "resid", "recordid"),
    )
