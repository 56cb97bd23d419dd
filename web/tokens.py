"""Who may use what is not for everybody: a bearer token, given by `AFTERTAKE_API_TOKEN`."""

import hmac
import os
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

VARIABLE = "AFTERTAKE_API_TOKEN"


class Tokens:
    """Lets requests pass that bear one of the tokens, of which there may be two while one replaces the other."""

    scheme = HTTPBearer(auto_error=False, description=f"The value of {VARIABLE}")

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Read now."""
        self._tokens = [os.fsencode(token) for token in environment.get(VARIABLE, "").split()]

    def require(self, given: HTTPAuthorizationCredentials | None) -> None:
        """Raise `HTTPException` unless the token is one of ours. Without any, nobody passes."""
        if not self._tokens:
            raise HTTPException(HTTPStatus.FORBIDDEN, f"set {VARIABLE}: without it nobody may use this")
        said = given.credentials.encode("latin-1") if given else b""  # as it came
        if not sum(hmac.compare_digest(token, said) for token in self._tokens):
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "the token does not fit", {"WWW-Authenticate": "Bearer"})
