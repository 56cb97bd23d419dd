"""Routes for whoever bears a token: nobody else has a body read, and nobody a large one."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from web.bodies import RETRY_AFTER_S, Bodies, ClientGoneError, RefusedBodyError
from web.tokens import Tokens

Answering = Callable[[Request], Awaitable[Response]]


def guarded(tokens: Tokens, bodies: Bodies) -> type[APIRoute]:
    """The class of such routes. FastAPI itself would read the whole body first, and then ask whose it is."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Answering:  # type: ignore[override]
            answer = super().get_route_handler()

            async def guard(request: Request) -> Response:
                tokens.require(await Tokens.scheme(request))
                body = await _read(bodies, request)
                try:
                    return await answer(Request(request.scope, _given(body)))
                except RequestValidationError as error:
                    raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, _told(error)) from None
                finally:
                    bodies.release(body)

            return guard

    return Guarded


async def _read(bodies: Bodies, request: Request) -> bytes:
    try:
        return await bodies.read(request.scope["headers"], request.receive)
    except ClientGoneError:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body did not come") from None
    except RefusedBodyError as error:
        later = {"Retry-After": str(RETRY_AFTER_S)} if error.retry else None
        raise HTTPException(error.status, str(error), later) from None


def _given(body: bytes) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _told(error: RequestValidationError) -> list[dict[str, Any]]:
    """What is wrong, and where; what was sent is not repeated, for it may hold a secret."""
    return [{part: wrong[part] for part in ("type", "loc", "msg")} for wrong in error.errors()]
