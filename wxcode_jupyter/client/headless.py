"""A server for kernels that have none (papermill, plain IPython): started once, under a lock, ended by idleness.

It is an ordinary Jupyter server on loopback with our extension only. The user's Jupyter configuration applies, the
working directory does not: a configuration file lying there would be executed. The token is random and travels by the
environment and by the runtime file, never by the command line, which every user of the host can read.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from jupyter_core.paths import jupyter_config_path, jupyter_data_dir, jupyter_runtime_dir

from ..errors import ServerUnreachable, WxcodeError
from ..folders import open_private
from .transport import Endpoint
from .values import ServerInfo

START_LIMIT_S = 30.0
IDLE_LIMIT_S = 600
_POLL_S = 0.1
_LOG_TAIL_BYTES = 2000
_EXTENSION = "wxcode_jupyter"
#: What tells about the kernel or about a server, and must not reach another server.
_NOT_INHERITED = (
    "JPY_PARENT_PID",
    "JPY_SESSION_NAME",
    "JUPYTER_TOKEN",
    "JUPYTER_TOKEN_FILE",
    "MPLBACKEND",
    "WXCODE_PROJECT",
    "WXCODE_SERVER_URL",
    "WXCODE_TOKEN",
)
#: Kept, so that a server that ends before its kernel is reaped when the next one is looked for.
_children: list[subprocess.Popen[bytes]] = []


def ensure(
    environ: Mapping[str, str],
    *,
    probe: Callable[[Endpoint], ServerInfo],
    announced: Callable[[int], Iterator[Endpoint]],
    say: Callable[[str], None] | None = None,
) -> Endpoint:
    """Return the headless server of this environment, starting it where it does not run.

    Any number of callers at once gives one server: the others wait at the lock and find it.

    Args:
        environ: Environment that the server gets, without what belongs to the kernel.
        probe: Asks an endpoint who it is.
        announced: Gives the live servers announced for a pid.
        say: Told, in one line, that a server is started.

    Raises:
        ServerUnreachable: It did not come up within ``START_LIMIT_S`` seconds; the message has the end of its log.
    """
    _reap()
    state = _state_file(environ)
    limit = time.monotonic() + START_LIMIT_S
    with _locked(state, limit):
        running = _answering(_recorded(state), probe, announced)
        if running is not None:
            return running
        if say is not None:
            say("Starting a wxcode server for this user; it ends by itself after ten idle minutes.")
        log = state.with_suffix(".log")
        process = _spawn(environ, state.with_suffix(".d"), log)
        with open(state, "w", encoding="ascii", opener=open_private) as file:
            file.write(str(process.pid))
        while time.monotonic() < limit:
            found = _answering(process.pid, probe, announced)
            if found is not None:
                return found
            if process.poll() is not None:
                raise _not_started(f"it ended with exit code {process.returncode}", log)
            time.sleep(_POLL_S)
        process.terminate()
        process.wait(timeout=START_LIMIT_S)
        raise _not_started(f"it did not answer within {START_LIMIT_S:g} s", log)


def recorded_pid(environ: Mapping[str, str]) -> int | None:
    """Return the pid of the headless server that was last started for this environment, dead or alive."""
    return _recorded(_state_file(environ))


def _state_file(environ: Mapping[str, str]) -> Path:
    """Name the lock and state after what decides about the server's store and configuration."""
    meant = [environ.get("WXCODE_STORE_URL", ""), jupyter_data_dir(), *jupyter_config_path(), sys.prefix]
    key = hashlib.sha256("\0".join(meant).encode()).hexdigest()[:12]
    return Path(jupyter_runtime_dir()) / f"wxcode-headless-{key}.pid"


@contextmanager
def _locked(state: Path, limit: float) -> Iterator[None]:
    state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(state.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= limit:
                    raise ServerUnreachable(
                        f"Another process has been starting a wxcode server for {START_LIMIT_S:g} s: "
                        f"see {state.with_suffix('.log')}."
                    ) from None
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _recorded(state: Path) -> int | None:
    try:
        return int(state.read_text())
    except (FileNotFoundError, ValueError):  # none yet, or a write that was cut off
        return None


def _answering(
    pid: int | None, probe: Callable[[Endpoint], ServerInfo], announced: Callable[[int], Iterator[Endpoint]]
) -> Endpoint | None:
    for endpoint in announced(pid) if pid is not None else ():
        try:
            probe(endpoint)
        except WxcodeError:  # coming up, or going down
            continue
        return endpoint
    return None


def _spawn(environ: Mapping[str, str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(mode=0o700, exist_ok=True)
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": str(_free_port()),
        "ServerApp.open_browser": "False",
        "ServerApp.root_dir": str(folder),
        "ServerApp.shutdown_no_activity_timeout": str(IDLE_LIMIT_S),
        "ServerApp.reraise_server_extension_failures": "True",
        "WxcodeApp.headless": "True",
    }
    if os.geteuid() == 0:
        options["ServerApp.allow_root"] = "True"
    arguments = [f"--{name}={value}" for name, value in options.items()]
    wanted = {**dict.fromkeys(sorted(_enabled_extensions()), False), _EXTENSION: True}
    arguments += [f"--ServerApp.jpserver_extensions={name}={enabled}" for name, enabled in wanted.items()]
    inherited = {key: value for key, value in environ.items() if key not in _NOT_INHERITED}
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *arguments],
            env={**inherited, "JUPYTER_TOKEN": secrets.token_hex(32)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)
    _children.append(process)
    return process


def _enabled_extensions() -> set[str]:
    """Return the names of all server extensions that configuration files switch on: they cost seconds at the start."""
    names: set[str] = set()
    for folder in map(Path, jupyter_config_path()):
        for file in (folder / "jupyter_server_config.json", *folder.glob("jupyter_server_config.d/*.json")):
            try:
                names |= set(json.loads(file.read_text())["ServerApp"]["jpserver_extensions"])
            except (OSError, ValueError, KeyError, TypeError):  # not there, or about something else
                continue
    return names


def _free_port() -> int:
    """Return a port that is free now; the server tries others when it is taken meanwhile, and announces which."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _not_started(why: str, log: Path) -> ServerUnreachable:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
        tail = file.read().decode(errors="replace").strip()
    return ServerUnreachable(f"A wxcode server could not be started: {why}. The end of {log}:\n{tail}", log=str(log))


def _reap() -> None:
    _children[:] = [process for process in _children if process.poll() is None]
