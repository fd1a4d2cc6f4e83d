"""The server extension: configuration in, routes out, sessions ended at shutdown."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from tornado.ioloop import PeriodicCallback
from traitlets import Bool, Enum, Float, Int, List, TraitError, Unicode, validate

from ..claude.command import PERMISSION_MODES, check_arguments
from ..claude.gsd import MILESTONE_FIELDS, NEW_PROJECT_FIELDS, check_template
from ..errors import InvalidRequest, NotPrivate, WxcodeError
from ..protocol.wxterm import INPUT_LIMIT_BYTES
from ..service.app import Service
from ..service.config import Config
from ..service.privacy import secure
from .bodies import BoundedBodies
from .jupyter_terminals import JupyterTerminals
from .logs import relay
from .messages import LANGUAGES
from .rest import ROUTES, UnknownHandler, documented

_log = logging.getLogger(__name__)

API = ("wxcode", "api", "v1")
_PACKAGE = Path(__file__).parents[1]
_ACTIVITY_MS = 10_000  # Jupyter's and JupyterHub's limits are minutes


class WxcodeApp(ExtensionApp):
    """Configured as ``c.WxcodeApp.<name>``; read once, when the extension is loaded."""

    name = "wxcode_jupyter"
    extension_url = "/wxcode"
    load_other_extensions = True
    #: What live cards and terminals are made of: Jupyter serves it under ``<base_url>static/wxcode_jupyter/``.
    static_paths = List(Unicode(), [str(_PACKAGE / part / "static") for part in ("server", "ipyxterm")])

    store_url = Unicode(
        "",
        config=True,
        help="Where projects and conversations are kept: mongodb://..., or empty for the embedded store in Jupyter's "
        "data directory. Default: the environment's WXCODE_STORE_URL.",
    )
    workspace_root = Unicode(
        "~/.wxcode/workspaces", config=True, help="Folder for the workspaces of projects created without a path."
    )
    claude_command = List(Unicode(), ["claude"], config=True, help="How the Claude Code CLI is started: words.")
    claude_args = List(Unicode(), [], config=True, help="More arguments for the CLI, before those of the project.")
    permission_mode = Enum(
        PERMISSION_MODES,
        "default",
        config=True,
        help="The CLI's permission mode where the project has none; `default` asks before anything risky.",
    )
    trust_own_workspaces = Bool(
        False, config=True, help="Answer Yes to the CLI's trust screen for folders under workspace_root."
    )
    new_project_command = Unicode(
        "",
        config=True,
        help="What is sent before the first milestone of a workspace without .planning/PROJECT.md, with {brief_path}, "
        "{project_id}, {project_name}; e.g. '/gsd:new-project @{brief_path} --auto'. Empty: an error says what to run.",
    )
    milestone_command = Unicode(
        "",
        config=True,
        help="What starts a milestone, with {context_path}, {milestone_id}, {project_id}, {element_name}. Empty: GSD's "
        "new-milestone in its installed spelling.",
    )
    allowed_workspace_roots = List(
        Unicode(), [], config=True, help="Folders in which workspaces may lie. Empty: HOME and workspace_root."
    )
    max_sessions = Int(20, min=1, config=True, help="How many sessions may live at once (a number of processes).")
    max_clients = Int(
        64,
        min=1,
        config=True,
        help="How many terminals may be attached to one session at once, those of JupyterLab's own panel and downloads "
        "of its output included (a number of connections).",
    )
    max_followers = Int(
        64, min=1, config=True, help="How many connections may follow one project's events at once (a number of them)."
    )
    max_queued_commands = Int(
        100, min=1, config=True, help="How many commands may wait in one project's queue (a number of commands)."
    )
    max_uploads = Int(
        2, min=1, config=True, help="How many exported projects may be uploaded at once (a number of files)."
    )
    max_events = Int(
        10_000,
        min=10,
        config=True,
        help="How many events are kept of a project; beyond it the oldest go, a tenth at a time (a number of events).",
    )
    context_limit_bytes = Int(
        1 << 20,
        min=1 << 10,
        max=1 << 26,
        config=True,
        help="How large a milestone's context, or a project's brief, may be, in bytes of UTF-8. A request's body may "
        "have six times as many, and 1 MiB.",
    )
    input_limit_bytes = Int(
        INPUT_LIMIT_BYTES,
        min=1 << 10,
        max=INPUT_LIMIT_BYTES,
        config=True,
        help="How much input a terminal's client may send in a frame, and how much of one session's may wait for a "
        "program that does not read, in bytes; more waits with the client.",
    )
    attach_timeout_s = Float(
        30.0,
        min=0.1,
        config=True,
        help="How long a terminal's client may take to attach once it is connected, in seconds.",
    )
    upload_timeout_s = Float(
        3600.0, min=1, config=True, help="How long the upload of an exported project may take, in seconds."
    )
    idle_timeout_s = Float(
        0.0,
        min=0,
        config=True,
        help="After how long without any use (idle, nobody attached, nothing queued) a session is ended, in seconds; "
        "0: never. The conversation is resumed at the next start.",
    )
    keep_sessions = Bool(
        True,
        config=True,
        help="Whether sessions go on when the server ends, however it does: the next one takes them over. A server "
        "that a kernel started for itself ends those that idle when it ends in order.",
    )
    silence_limit_s = Float(
        86400.0,
        min=0,
        config=True,
        help="How long a session that goes on without a server may write nothing (it idles, or waits for an answer) "
        "before it is ended, in seconds; 0: for ever. The conversation is resumed at the next start.",
    )
    scrollback_limit_bytes = Int(
        64 << 20, min=1 << 20, config=True, help="How much of a session's output is kept for late clients, in bytes."
    )
    language = Enum(LANGUAGES, "en", config=True, help="Language of the terminal's status messages.")
    tui = Enum(("default", "fullscreen"), "default", config=True, help="The CLI's renderer: inline or fullscreen.")
    env_allow = List(
        Unicode(), [], config=True, help="Patterns of environment variables that the CLI gets although denied."
    )
    env_deny = List(Unicode(), [], config=True, help="Patterns of environment variables that the CLI does not get.")
    ready_timeout_s = Float(60.0, min=1, config=True, help="How long the CLI may take to become ready, in seconds.")
    background_wait_s = Float(
        300.0,
        min=0,
        config=True,
        help="How long a command whose turn is over waits for what it has left running in the background, since a task "
        "there last began, ended or used a tool, in seconds; 0: not at all. A server started there never ends.",
    )
    headless = Bool(False, config=True, help="Set where a kernel started this server for itself.")

    @validate("claude_args")
    def _check_arguments(self, proposal: Any) -> Any:
        with _as_trait_error("claude_args"):
            check_arguments(proposal["value"])
        return proposal["value"]

    @validate("milestone_command")
    def _check_milestone_command(self, proposal: Any) -> Any:
        if proposal["value"]:
            with _as_trait_error("milestone_command"):
                check_template(proposal["value"], MILESTONE_FIELDS)
        return proposal["value"]

    @validate("new_project_command")
    def _check_new_project_command(self, proposal: Any) -> Any:
        if proposal["value"]:
            with _as_trait_error("new_project_command"):
                check_template(proposal["value"], NEW_PROJECT_FIELDS)
        return proposal["value"]

    @validate("claude_command")
    def _check_command(self, proposal: Any) -> Any:
        if not proposal["value"]:
            raise TraitError("claude_command: at least the program's name is needed.")
        return proposal["value"]

    def to_config(self) -> Config:
        """Return the configuration as a value."""
        return Config(
            data_dir=str(Path(jupyter_data_dir(), "wxcode")),
            runtime_dir=str(Path(jupyter_runtime_dir(), "wxcode")),
            workspace_root=os.path.abspath(os.path.expanduser(self.workspace_root)),
            store_url=self.store_url or os.environ.get("WXCODE_STORE_URL") or None,
            claude_command=tuple(self.claude_command),
            claude_args=tuple(self.claude_args),
            permission_mode=self.permission_mode,
            tui=self.tui,
            trust_own_workspaces=self.trust_own_workspaces,
            new_project_command=self.new_project_command,
            milestone_command=self.milestone_command,
            allowed_workspace_roots=tuple(os.path.expanduser(root) for root in self.allowed_workspace_roots),
            max_sessions=self.max_sessions,
            max_clients=self.max_clients,
            max_followers=self.max_followers,
            max_queued_commands=self.max_queued_commands,
            max_uploads=self.max_uploads,
            max_events=self.max_events,
            context_limit_bytes=self.context_limit_bytes,
            input_limit_bytes=self.input_limit_bytes,
            attach_timeout_s=self.attach_timeout_s,
            upload_timeout_s=self.upload_timeout_s,
            idle_timeout_s=self.idle_timeout_s,
            keep_sessions=self.keep_sessions,
            silence_limit_s=self.silence_limit_s,
            headless=self.headless,
            scrollback_limit_bytes=self.scrollback_limit_bytes,
            language=self.language,
            env_allow=tuple(self.env_allow),
            env_deny=tuple(self.env_deny),
            ready_timeout_s=self.ready_timeout_s,
            background_wait_s=self.background_wait_s,
        )

    def initialize_settings(self) -> None:
        """Make the service; nothing runs yet."""
        with self._fatal():
            config = self.to_config()
            secure(config)  # here it can still end the server; ``Service.open`` is for those without one
            self.service = Service(config, self._holder)
        self.settings.update(wxcode_service=self.service, wxcode_headless=self.headless)

    def initialize_handlers(self) -> None:
        """Add the routes; Jupyter puts its ``base_url`` before each."""
        base = url_path_join("/", *API)
        self.handlers.extend((base + path, handler, {"route": documented(path)}) for path, handler in ROUTES)
        self.handlers.append((base + r"(?:/.*)?", UnknownHandler))
        assert self.serverapp is not None
        BoundedBodies(self.serverapp.web_app, base, self.service.config.body_limit_bytes).add()
        if self.serverapp.terminals_enabled:
            JupyterTerminals(self.service.sessions).add_routes(self.serverapp.web_app)

    def _link_jupyter_server_extension(self, serverapp: Any) -> None:
        self.serverapp = serverapp
        # As Jupyter does with tornado's: what any part of the package logs is in the server's log, with its time.
        relay(logging.getLogger(self.name), serverapp.log)
        with self._fatal():
            super()._link_jupyter_server_extension(serverapp)

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        await self.service.open()
        self._activity = PeriodicCallback(self._note_activity, _ACTIVITY_MS)
        self._activity.start()

    async def stop_extension(self) -> None:
        """Leave the sessions, or end them, and write what is pending."""
        self._activity.stop()
        try:
            if left := await self.service.close():
                _log.info(
                    "wxcode: %d session(s) go on without this server, and the next one takes them over; `python -m "
                    "wxcode_jupyter keeper stop --yes` would end them.",
                    left,
                )
        except Exception:
            _log.exception("wxcode: the shutdown was not in order.")  # raised, it would keep Jupyter from ending

    def current_activity(self) -> bool:
        """Whether Claude works: then Jupyter must not shut down for want of activity."""
        return self.service.sessions.busy

    def _note_activity(self) -> None:
        """Have work be seen in ``/api/status`` too, by which JupyterHub culls."""
        if self.current_activity():
            self.settings["last_activity_times"][self.name] = datetime.now(UTC)

    @contextlib.contextmanager
    def _fatal(self) -> Iterator[None]:
        """End the server for a configuration that cannot be, as Jupyter does for its own, or folders that are not ours.

        For an extension's it would log a warning and go on with defaults in place of what was meant.
        """
        try:
            yield
        except NotPrivate as error:
            assert self.serverapp is not None
            _log.critical("wxcode_jupyter refuses to run: %s", error)
            self.serverapp.exit(1)
        except (TraitError, WxcodeError) as error:
            assert self.serverapp is not None
            _log.critical("Bad configuration of wxcode_jupyter (c.WxcodeApp): %s", error)
            self.serverapp.exit(1)

    def _holder(self) -> dict[str, Any]:
        url = self.serverapp.connection_url if self.serverapp else None
        return {"url": url, "pid": os.getpid(), "host": socket.gethostname()}


@contextlib.contextmanager
def _as_trait_error(name: str) -> Iterator[None]:
    try:
        yield
    except InvalidRequest as error:
        raise TraitError(f"{name}: {error.message}") from error


main = launch_new_instance = WxcodeApp.launch_instance
