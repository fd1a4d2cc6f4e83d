"""Projects as files: they leave one server and go on at another. Neither direction holds a file in memory."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any
from urllib.parse import quote

from tornado import web

from ...errors import InvalidBody, TooManyUploads, WxcodeError
from ...folders import make_private
from ...workspace import slug
from ..base import MILESTONE, PROJECT, SESSION, WxcodeHandler, endpoint

#: Bytes of a file that can be uploaded.
UPLOAD_LIMIT_BYTES = 2 << 30
_CHUNK_BYTES = 1 << 20


class ExportHandler(WxcodeHandler):
    """``/output-projects/{id}/export``: the file has what each of the three is about."""

    @endpoint("read", SESSION, ("read", PROJECT), ("read", MILESTONE))
    async def get(self, project_id: str) -> None:
        """Return the project as a file."""
        project = await self.service.store.get_project(project_id)
        async with self.service.exports.open(project_id) as file:
            self.set_header("Content-Type", "application/zip")
            self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(slug(project.name))}.zip")
            self.set_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                self.write(chunk)
                await self.flush()


@web.stream_request_body
class ImportHandler(WxcodeHandler):
    """``/imports``: the body is the file, which is written to the disk as it comes.

    Who may not is told so after the body, of which nothing is kept then: a connection that is closed while somebody
    still sends loses the answer.
    """

    _file: IO[bytes] | None = None
    _length = 0
    _refusal: web.HTTPError | None = None
    _too_many: TooManyUploads | None = None

    def initialize(self, route: str = "") -> None:
        """Have no place yet."""
        super().initialize(route)
        self._place = ExitStack()

    def check_xsrf_cookie(self) -> None:
        """Note what tornado would raise."""
        with self._noted():
            super().check_xsrf_cookie()

    async def prepare(self, *, _redirect_to_login: bool = False) -> None:
        """Look who it is before anything is kept."""
        if self.request.method != "POST":
            await super().prepare(_redirect_to_login=_redirect_to_login)
            return
        connection: Any = self.request.connection
        connection.set_max_body_size(UPLOAD_LIMIT_BYTES)
        connection.set_body_timeout(self.service.config.upload_timeout_s)
        with self._noted():
            await super().prepare(_redirect_to_login=_redirect_to_login)
            if not await self.may("write", PROJECT):
                raise web.HTTPError(403, f"Not authorized to write {PROJECT}.")
            try:
                self.check_request()
            except WxcodeError:
                return  # `endpoint` says it, after the body, of which nothing is kept
        if self._refusal is None:
            try:
                self._place.enter_context(self.service.imports.place())
            except TooManyUploads as error:
                self._too_many = error
                return
            make_private(self.service.config.data_dir)
            self._file = tempfile.TemporaryFile(dir=self.service.config.data_dir)  # noqa: SIM115 - on_finish closes it

    def check_request(self) -> None:
        """Tell now what was noted, and hold the query against the page."""
        if self._refusal is not None:
            raise self._refusal
        super().check_request()

    async def data_received(self, chunk: bytes) -> None:
        """Write a part of the body to the disk."""
        if self._file is not None:
            self._length += len(chunk)
            await asyncio.to_thread(self._file.write, chunk)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except web.HTTPError as error:
            if self.request.method != "POST":
                raise
            self._refusal = error

    def on_finish(self) -> None:
        """Forget the file."""
        self._place.close()
        if self._file is not None:
            self._file.close()

    def on_connection_close(self) -> None:
        """Forget the file of whoever went away."""
        super().on_connection_close()
        self.on_finish()

    @endpoint("write", PROJECT)
    async def post(self) -> None:
        """Make a project of the file."""
        if self._too_many is not None:
            raise self._too_many
        assert self._file is not None
        if not self._length:
            raise InvalidBody("The body is the file of an exported project; it is empty.", field="")
        self._file.seek(0)
        imported = await self.service.imports.load(
            self._file,
            name=self.get_query_argument("name", "", strip=False) or None,
            workspace_path=self.get_query_argument("workspace_path", "", strip=False) or None,
        )
        self.reply(imported, 201)
