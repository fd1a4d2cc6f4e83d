"""``python -m wxcode_jupyter``: what is to be seen and done outside a notebook.

``serve`` runs a Jupyter server (its options are Jupyter's), ``sessions`` lists what lives at this user's servers,
``doctor`` checks what is needed, ``keeper status`` and ``keeper stop`` are about the process that keeps the terminals.
The exit code is 0 when all is well, 1 when something is not, 2 for a line that is not understood.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from jupyter_core.paths import jupyter_runtime_dir

from .client import Client, discovery
from .errors import KeeperUnavailable, WxcodeError
from .plain import clean, clean_line
from .terminal.process import KeeperClient

_STOP_S = 10.0  # a keeper ends its sessions first, which may resist


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the line says; return the exit code."""
    parser = _parser()
    line, rest = parser.parse_known_args(arguments)
    if rest and line.act is not serve:
        parser.error(f"not understood: {' '.join(rest)}")
    try:
        return int(line.act(line, rest))
    except WxcodeError as error:
        _say(f"{error} [{error.code}]", sys.stderr)
        return 1


def serve(_line: argparse.Namespace, rest: Sequence[str]) -> int:
    """Run a Jupyter server with the extension."""
    from .server.extension import WxcodeApp  # the only command that needs a server's parts

    WxcodeApp.launch_instance(list(rest))  # type: ignore[no-untyped-call]
    return 0


def sessions(_line: argparse.Namespace, _rest: Sequence[str]) -> int:
    """List the live sessions of this user's servers."""
    rows = [("PROJECT", "STATE", "PID", "QUEUED", "CLIENTS", "CONVERSATION", "SERVER")]
    for endpoint in discovery.running():
        with Client(endpoint) as client:
            for project in client.projects():
                info = client.session(project)
                if info.state.live:
                    numbers = (str(info.pid), str(info.queued), str(info.clients))
                    conversation = (info.claude_session_id or "")[:8]
                    rows.append((project.name, info.state.value, *numbers, conversation, endpoint.url))
    if len(rows) == 1:
        print("No session lives.")
    else:
        _print_table(rows)
    return 0


def doctor(_line: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Check what is needed, with the server that a notebook would use; one is started where none runs."""
    with Client.connect(say=lambda text: _say(text, sys.stderr)) as client:
        checks = client.doctor()
    for check in checks:
        remedy = f"\n    -> {check.remedy}" if check.remedy and not check.ok else ""
        _say(f"{'ok' if check.ok else 'to do' if check.to_do else 'MISSING':8}{check.name}: {check.detail}{remedy}")
    return int(any(not check.ok and not check.to_do for check in checks))


def keeper_status(line: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Tell whether a keeper runs, and what it keeps."""
    return asyncio.run(_keeper_status(line.runtime_dir))


def keeper_stop(line: argparse.Namespace, _rest: Sequence[str]) -> int:
    """End the keeper, and with it every session of this user on this host."""
    return asyncio.run(_keeper_stop(line.runtime_dir, sure=line.yes))


async def _look(folder: str) -> tuple[int, list[dict[str, Any]] | None] | None:
    """Return the keeper's process and its sessions, None for those of another version's; None where none runs."""
    try:
        client = await KeeperClient.find(folder)
    except KeeperUnavailable as error:
        if "pid" not in error.details:
            raise
        _say(str(error), sys.stderr)
        return int(error.details["pid"]), None
    if client is None:
        return None
    kept = await client.list()
    client.close()
    return client.pid, kept


async def _keeper_status(folder: str) -> int:
    if (found := await _look(folder)) is None:
        print("No keeper runs; the first session starts one.")
        return 0
    pid, kept = found
    if kept is None:
        return 1
    print(f"Process {pid} keeps {len(kept)} session{'' if len(kept) == 1 else 's'}.")
    if kept:
        began = [datetime.fromtimestamp(each["started_at"], UTC).astimezone() for each in kept]
        rows = [
            (
                each["key"],
                str(each["pid"]),
                f"{since:%Y-%m-%d %H:%M:%S}",
                "waits for a server" if each["kept"] else "followed",
                each["owns"][-1],
            )
            for each, since in zip(kept, began, strict=True)
        ]
        _print_table([("PROJECT", "PID", "SINCE", "STATE", "WORKSPACE"), *rows])
    return 0


async def _keeper_stop(folder: str, *, sure: bool) -> int:
    if (found := await _look(folder)) is None:
        print("No keeper runs.")
        return 0
    pid, kept = found
    count = "an unknown number of" if kept is None else str(len(kept))
    if count != "0" and not sure:
        print(
            f"Process {pid} keeps {count} session(s), which would end, whatever Claude is doing. Stop them "
            "in their notebooks, or repeat this with --yes: the conversations can be resumed.",
            file=sys.stderr,
        )
        return 1
    pidfd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not select.select([pidfd], [], [], _STOP_S)[0]:
            print(f"Process {pid} does not end within {_STOP_S:.0f} s.", file=sys.stderr)
            return 1
    finally:
        os.close(pidfd)
    print(f"The keeper has ended, and {count} session(s) with it.")
    return 0


def _say(text: str, to: TextIO | None = None) -> None:
    """Print a text, without what would move a terminal's cursor."""
    print(clean(text), file=to)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    rows = [[clean_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m wxcode_jupyter", description="wxcode_jupyter, outside a notebook.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(to: argparse._SubParsersAction[argparse.ArgumentParser], name: str, act: object) -> argparse.ArgumentParser:
        made = to.add_parser(name, help=(act.__doc__ or "").strip(), allow_abbrev=False)
        made.set_defaults(act=act)
        return made

    add(commands, "serve", serve)
    add(commands, "sessions", sessions)
    add(commands, "doctor", doctor)
    keeper = commands.add_parser("keeper", help="The process that keeps the terminals.").add_subparsers(
        required=True, metavar="status|stop"
    )
    stop = add(keeper, "stop", keeper_stop)
    stop.add_argument("--yes", action="store_true", help="although sessions live")
    for each in (add(keeper, "status", keeper_status), stop):
        each.add_argument(
            "--runtime-dir",
            default=str(Path(jupyter_runtime_dir(), "wxcode")),
            help="its folder; default: in Jupyter's runtime directory (JUPYTER_RUNTIME_DIR)",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
