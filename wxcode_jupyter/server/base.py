"""What all handlers share: who may, what is asked, and how an error is told."""

from __future__ import annotations

import functools
import http.client
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web

from ..errors import InvalidBody, WxcodeError
from ..models import check_id
from ..service.app import Service
from .bodies import check_body
from .schemas import Operation, operation

_log = logging.getLogger(__name__)

#: What Jupyter's authorizer is asked about.
PROJECT, SESSION, MILESTONE = "wxcode:project", "wxcode:session", "wxcode:milestone"

#: HTTP status by the error's ``code``; a subclass without a row has its parent's.
STATUS: dict[str, int] = {
    "error": 500,
    "invalid_request": 400,
    "too_large": 413,
    "too_slow": 408,
    "limit_reached": 429,
    "not_found": 404,
    "conflict": 409,
    "not_ready": 409,
    "store_error": 500,
    "store_unavailable": 503,
    "store_conflict": 409,
    "terminal_error": 500,
    "keeper_unavailable": 503,
    "session_error": 409,
    "work_failed": 409,
}

#: Close codes of the terminal WebSocket by the error's ``code``, inherited likewise.
CLOSE_CODES: dict[str, int] = {
    "error": 4005,
    "invalid_id": 4000,
    "too_slow": 4408,
    "limit_reached": 4429,
    "not_found": 4004,
    "held_elsewhere": 4409,
    "displaced": 4409,
}


#: The ``reason`` of what tornado and Jupyter refuse themselves; another status has its phrase (``method_not_allowed``).
_REASONS: dict[int, str] = {400: "invalid_request", 500: "internal_error"}


def lookup(table: Mapping[str, int], error: WxcodeError) -> int:
    """Return the row of the error's class, or of its nearest parent that has one."""
    codes = (kind.code for kind in type(error).__mro__ if issubclass(kind, WxcodeError))
    return next(table[code] for code in codes if code in table)


def to_json(value: Any) -> Any:
    """Turn our values into JSON's: dataclasses into objects, times into ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "__dataclass_fields__"):
        return to_json(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


class ServiceMixin(JupyterHandler):
    """Access to the service, and the authorizer's word."""

    auth_resource: ClassVar[str] = "wxcode:project"

    @property
    def service(self) -> Service:
        """The use cases."""
        service: Service = self.settings["wxcode_service"]
        return service

    async def may(self, action: str, resource: str | None = None) -> bool:
        """Ask Jupyter's authorizer; nobody is nobody."""
        if not self.current_user:
            return False
        answer = self.authorizer.is_authorized(self, self.current_user, action, resource or self.auth_resource)
        return bool(await ensure_async(answer))


class WxcodeHandler(ServiceMixin, APIHandler):
    """A REST handler.

    Attributes:
        route: Its path in ``openapi.yaml``; "" for one that is not of that page.
    """

    _body: dict[str, Any]

    def initialize(self, route: str = "") -> None:
        """Take what the router has for it."""
        self.route = route

    async def prepare(self, *, _redirect_to_login: bool = False) -> None:
        """Authenticate; never redirect to a login page (`WebSocketMixin` passes the argument).

        Nobody gets past here, whatever the method, but the preflight of a browser (OPTIONS, which carries no login).
        """
        await JupyterHandler.prepare(self, _redirect_to_login=_redirect_to_login)
        if not self.check_origin():
            raise web.HTTPError(404)
        if not self.current_user and self.request.method != "OPTIONS":
            raise web.HTTPError(403)

    def check_request(self) -> None:
        """Hold query and body against the page, before anything is done with them.

        Raises:
            InvalidBody: What does not fit is named in ``field``.
            InvalidId: It is an id.
        """
        page = self._operation
        page.check_query(
            {
                name: [self.decode_argument(value, name) for value in values]
                for name, values in self.request.query_arguments.items()
            }
        )
        if page.body is not None:
            raw = self.request.body.strip() or b"{}"
            try:
                parsed = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise InvalidBody("The body is no JSON.", field="") from error
            self._body = page.check_body(parsed)

    def body(self) -> dict[str, Any]:
        """Return the request's JSON, as it was checked; an empty body is an empty object."""
        return self._body

    def integer(self, name: str) -> int:
        """Return a whole number from the query, or what the page has where it is not given."""
        return int(self.get_query_argument(name, str(self._operation.query[name]["default"])))

    def page(self) -> dict[str, int]:
        """Return ``skip`` and ``limit`` from the query."""
        return {"skip": self.integer("skip"), "limit": self.integer("limit")}

    @property
    def _operation(self) -> Operation:
        assert self.request.method
        return operation(self.route, self.request.method.lower())

    def reply(self, value: Any, status: int = 200) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.finish(json.dumps(to_json(value)))

    def reply_error(self, error: WxcodeError) -> None:
        """Answer with an error, in Jupyter's shape."""
        status = lookup(STATUS, error)
        if status >= 500:
            _log.error("wxcode: %s %s: %s", self.request.method, self.request.path, error.message)
        self.set_status(status)
        reply = {"message": error.message, "reason": error.code, "details": to_json(error.details)}
        self.finish(json.dumps(reply, default=str))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tell in the same shape what no endpoint has told: a method that is none, an argument that is no text."""
        error = kwargs.get("exc_info", (None, None))[1]
        phrase = http.client.responses.get(status_code, "Unknown")
        known = isinstance(error, web.HTTPError)
        message = (error.log_message if known else "Unhandled error") or phrase
        _log.warning("wxcode: %s %s: %r", self.request.method, self.request.path, message)
        slug = _REASONS.get(status_code, phrase.lower().replace(" ", "_").replace("-", "_"))
        self.finish(json.dumps({"message": message, "reason": slug, "details": {}}))


Method = TypeVar("Method", bound=Callable[..., Awaitable[None]])


def endpoint(action: str, resource: str, *more: tuple[str, str]) -> Callable[[Method], Method]:
    """Make a method a REST endpoint: authenticated, authorised for ``action`` on ``resource`` (and ``more``, where what
    it gives or makes is of several kinds), its ids, query and body checked, in this order and before anything is looked
    for; errors told."""
    access = ((action, resource), *more)

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        async def wrapped(self: WxcodeHandler, *arguments: str) -> None:
            for asked in access:
                if not await self.may(*asked):
                    raise web.HTTPError(403, f"Not authorized to {' '.join(asked)}.")
            try:
                check_body(self.request)
                identifiers = [check_id(argument) for argument in arguments]
                self.check_request()
                await method(self, *identifiers)
            except WxcodeError as error:
                self.reply_error(error)

        wrapped.wxcode_access = access  # type: ignore[attr-defined]
        return web.authenticated(wrapped)  # type: ignore[return-value]

    return decorate
