"""`/v1/vendor-recordings`: recordings at their vendors, in the words of `aftertake vendor`."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from catalog.errors import CatalogError, CatalogTextError, LayoutError, UnknownRecordingError
from catalog.records import Recording, id_text, read_id
from catalog.wire import utc_text
from flows.settings import Settings, SettingsError
from flows.vendor_recordings import (
    Ordered,
    VendorRecordings,
    folder_below,
    lately,
    past_document,
    status_document,
)
from vendors.recorder import (
    BadCallError,
    CallError,
    GoneError,
    NoHandleError,
    NoSuchCallError,
    Order,
    OrderMode,
    RefusedCallError,
    VendorDownError,
)
from vendors.storage import StorageSettingsError
from web.bodies import Bodies
from web.guarding import guarded
from web.tokens import Tokens

_TEXT: Final = 1024
_ODD: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_S: Final = 9_999_999
_STATUSES: Final = (
    (UnknownRecordingError, HTTPStatus.NOT_FOUND),
    (LayoutError, HTTPStatus.NOT_FOUND),
    (CatalogTextError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (GoneError, HTTPStatus.NOT_FOUND),
    (NoHandleError, HTTPStatus.CONFLICT),
    (NoSuchCallError, HTTPStatus.NOT_IMPLEMENTED),
    (BadCallError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (StorageSettingsError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RefusedCallError, HTTPStatus.BAD_GATEWAY),
    (VendorDownError, HTTPStatus.SERVICE_UNAVAILABLE),
    (CallError, HTTPStatus.BAD_GATEWAY),
    (SettingsError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (CatalogError, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The first that fits counts."""


def _plain(text: str) -> str:
    """What no catalog keeps is refused before anything is recorded under it."""
    if _ODD.search(text):
        raise ValueError("write it without control characters")
    return text


class Start(BaseModel):
    """What is to be recorded, and into which configured source; `fields` are the vendor's own, put over ours."""

    model_config = ConfigDict(extra="forbid")

    source: str
    room: Annotated[str, Field(min_length=1, max_length=_TEXT), AfterValidator(_plain)]
    mode: OrderMode = "mixed"
    tracks: Literal["audio", "video", "both"] = "both"
    users: tuple[str, ...] = ()
    recorder: str | None = None
    room_token: str | None = Field(default=None, repr=False)
    page: str | None = None
    idle_s: Annotated[int, Field(ge=1, le=_LONGEST_S)] | None = None
    folder: Annotated[str, Field(max_length=_TEXT), AfterValidator(folder_below)] = ""
    fields: dict[str, Any] = {}


class Layout(BaseModel):
    """The arrangement, in the vendor's own words."""

    model_config = ConfigDict(extra="forbid")

    fields: dict[str, Any]


def router(settings: Settings, vendors: VendorRecordings, tokens: Tokens) -> APIRouter:
    """The routes, for whoever bears a token."""
    routes = APIRouter(
        prefix="/v1/vendor-recordings",
        tags=["vendors"],
        dependencies=[Depends(Tokens.scheme)],  # for the documents; the routes' class asks
        route_class=guarded(tokens, Bodies()),
    )

    @routes.post("", status_code=HTTPStatus.CREATED, summary="Begin to record a room into a configured source")
    def start(
        wish: Start,
        response: Response,
        idempotency_key: Annotated[str | None, Header(max_length=64)] = None,
    ) -> dict[str, Any]:
        with _problems():
            ordered = _ordered(wish, client_id=idempotency_key or uuid.uuid4().hex)
            recording = vendors.start(settings.source(wish.source), ordered, folder=wish.folder)
        response.headers["Location"] = f"{routes.prefix}/{quote(id_text(recording.id), safe=':')}"
        return _begun(recording)

    @routes.get("", summary="What a vendor has in its own list")
    def history(
        source: str,
        since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
        room: str | None = None,
    ) -> dict[str, Any]:
        with _problems():
            found = vendors.history(settings.source(source), *lately(since, until), room=room)
            return {"recordings": [past_document(past) for past in found]}

    @routes.get("/{recording}", summary="What its vendor says of a recording now")
    def status(recording: str) -> dict[str, Any]:
        with _problems():
            asked = read_id(recording)
            return status_document(asked, vendors.status(asked))

    @routes.post("/{recording}:layout", status_code=HTTPStatus.NO_CONTENT, summary="Arrange the pictures anew")
    def layout(recording: str, wanted: Layout) -> None:
        with _problems():
            vendors.layout(read_id(recording), wanted.fields)

    @routes.post("/{recording}:stop", summary="End a recording, and have it processed; may be said again")
    def stop(recording: str) -> dict[str, Any]:
        with _problems():
            asked = read_id(recording)
            return status_document(asked, vendors.stop(asked))

    return routes


def _ordered(wish: Start, *, client_id: str) -> Ordered:
    return partial(
        Order,
        room=wish.room,
        mode=wish.mode,
        tracks=wish.tracks,
        users=wish.users,
        recorder=wish.recorder,
        room_token=wish.room_token,
        page=wish.page,
        most_idle=None if wish.idle_s is None else timedelta(seconds=wish.idle_s),
        client_id=client_id,
        more=wish.fields,
    )


def _begun(recording: Recording) -> dict[str, Any]:
    return {
        "vendor": recording.id.vendor,
        "task_id": recording.id.task_id,
        "room": recording.room,
        "source": recording.source,
        "state": recording.state.value,
        "heard_at": utc_text(recording.heard_at),
    }


@contextmanager
def _problems() -> Iterator[None]:
    """What goes wrong, as a status and a sentence."""
    try:
        yield
    except tuple(kind for kind, _ in _STATUSES) as error:
        status = next(status for kind, status in _STATUSES if isinstance(error, kind))
        raise HTTPException(status, str(error)) from error
