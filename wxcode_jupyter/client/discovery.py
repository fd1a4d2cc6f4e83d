"""Which server a kernel belongs to.

The order: ``WXCODE_SERVER_URL`` with ``WXCODE_TOKEN``; the server that started the kernel; a running server of this
user with the same store; a headless one, started under a lock. Jupyter servers announce themselves in
``jpserver-<pid>.json`` in the runtime directory, which only their user can read, and which has their token.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir

from ..errors import HeldElsewhere, ServerUnreachable, WxcodeError
from . import headless, parse
from .transport import Endpoint, Transport
from .values import ServerInfo

_PROBE_TIMEOUT_S = 3.0


def find(environ: Mapping[str, str], *, start: bool = True, say: Callable[[str], None] | None = None) -> Endpoint:
    """Return a server that answers.

    Args:
        environ: The kernel's environment.
        start: Start a headless server when none runs.
        say: Told, in one line, when a server has to be started.

    Raises:
        ServerUnreachable: What was named does not answer, or nothing runs and nothing could be started.
    """
    if url := environ.get("WXCODE_SERVER_URL"):
        endpoint = _named(url, environ.get("WXCODE_TOKEN", ""))
        probe(endpoint, timeout_s=10.0)
        return endpoint
    found = _parent(environ) or _same_store(environ)
    if found is not None:
        return found
    if not start:
        raise ServerUnreachable("No wxcode server of this user is running.")
    return headless.ensure(environ, probe=probe, announced=announced, say=say)


def running() -> Iterator[Endpoint]:
    """Yield the servers of this user that answer and have us, the newest first."""
    return _answering(announced(), lambda info: True)


def probe(endpoint: Endpoint, *, timeout_s: float = _PROBE_TIMEOUT_S) -> ServerInfo:
    """Return what the server says about itself. Raises ``ServerUnreachable`` when it is none of ours."""
    transport = Transport(endpoint, timeout_s=timeout_s, sleep=lambda pause_s: None)
    try:
        body = transport.request("GET", "info")
        return parse.checked(parse.server_info, body, "itself")
    finally:
        transport.close()


def announced(pid: int | None = None) -> Iterator[Endpoint]:
    """Yield the servers that this user's runtime directory announces and that are alive, the newest first."""
    folder = Path(jupyter_runtime_dir())
    files = folder.glob("jpserver-*.json" if pid is None else f"jpserver-{pid}.json")
    aged = [(modified, file) for file in files if (modified := _modified(file)) is not None]
    for _, file in sorted(aged, reverse=True):
        endpoint = _read(file)
        if endpoint is not None and endpoint.pid is not None and _alive(endpoint.pid):
            yield endpoint


def holder_of(error: HeldElsewhere, *, asked: Endpoint) -> Endpoint:
    """Return the server that holds the session, or raise the error again with what to do."""
    holder = error.details.get("holder") or {}
    url, pid, host = str(holder.get("url") or ""), holder.get("pid"), holder.get("host")
    if host in (None, "", socket.gethostname()):
        for endpoint in announced():
            if endpoint.url == asked.url:
                continue
            if (pid is not None and endpoint.pid == pid) or (pid is None and _same_url(endpoint.url, url)):
                return endpoint
    raise HeldElsewhere(
        f"{error.message} The session is held by the server {url or '(unknown address)'} on {host or 'this host'} "
        f"(pid {pid}), which this kernel cannot use by itself: set WXCODE_SERVER_URL and WXCODE_TOKEN to it and "
        "restart the kernel, or stop the session there.",
        **error.details,
    ) from error


def _named(url: str, token: str) -> Endpoint:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ServerUnreachable(
            "WXCODE_SERVER_URL is no address of a server: http://host:port/ with the server's base URL is expected."
        )
    token = token or parse_qs(parts.query).get("token", [""])[0]  # an address as Jupyter prints it
    return Endpoint(urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), token)


def _parent(environ: Mapping[str, str]) -> Endpoint | None:
    """Return the server that started this kernel, when it is one (under papermill it is papermill) and has us."""
    pid = environ.get("JPY_PARENT_PID", "")
    return next(_answering(announced(int(pid)), lambda info: True), None) if pid.isdigit() else None


def _same_store(environ: Mapping[str, str]) -> Endpoint | None:
    ours = headless.recorded_pid(environ)
    if ours is not None:
        for endpoint in _answering(announced(ours), lambda info: True):
            return endpoint
    return next(_answering(announced(), lambda info: shares_store(info, environ)), None)


def _answering(endpoints: Iterator[Endpoint], wanted: Callable[[ServerInfo], bool]) -> Iterator[Endpoint]:
    for endpoint in endpoints:
        try:
            info = probe(endpoint)
        except WxcodeError:  # a Jupyter server without us, of another version, or one that is going down
            continue
        if wanted(info):
            yield replace(endpoint, pid=info.pid)


def shares_store(info: ServerInfo, environ: Mapping[str, str]) -> bool:
    """Whether a server uses the store that this environment means; passwords are not compared."""
    url = environ.get("WXCODE_STORE_URL", "")
    if url:
        return _identity(info.store_url) == _identity(url)
    path = unquote(urlsplit(info.store_url).path)
    home = os.path.realpath(jupyter_data_dir())
    return info.store_kind != "mongodb" and os.path.realpath(path).startswith(home + os.sep)


def _identity(url: str) -> tuple[str, str, str]:
    """Return scheme, user and location of a store: its password and the options of its connection left out.

    A password reaches up to the last ``@``, as in the server's own redaction; MongoDB's default database is ours.
    """
    scheme, _, rest = url.partition("://")
    userinfo, _, location = rest.rpartition("@")
    location = location.partition("?")[0].rstrip("/")
    if scheme.startswith("mongodb") and "/" not in location:
        location += "/wxcode"
    return scheme, userinfo.partition(":")[0], location


def _same_url(one: str, other: str) -> bool:
    return bool(one) and one.rstrip("/") == other.rstrip("/")


def _modified(file: Path) -> float | None:
    try:
        status = file.stat()
    except FileNotFoundError:  # its server ended just now
        return None
    return status.st_mtime if status.st_uid == os.geteuid() else None


def _read(file: Path) -> Endpoint | None:
    try:
        info = json.loads(file.read_text())
        url, token, pid = str(info["url"]), str(info.get("token") or ""), int(info["pid"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # gone, or half written
        return None
    return Endpoint(url, token, info.get("sock") or None, pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
