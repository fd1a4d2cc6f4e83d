"""See it work: the two notebooks and the real Claude Code CLI, with a scripted model in Claude's place. No account.

    python scripts/demo.py run      # runs the notebooks under papermill, and checks what became of it
    python scripts/demo.py lab      # opens the same world in JupyterLab, to go on by hand; Ctrl-C ends everything

Everything is kept below one folder, which ``run`` makes anew each time: HOME, Jupyter's folders, the store, the
workspace with GSD. Only loopback is used, and no process is left behind. The exit code is 0 only when the milestones
really ran, in one conversation that was resumed.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from demo_story import Failed, Outcome, examine, rules

from wxcode_jupyter import Client
from wxcode_jupyter.testing.scripted_model import ScriptedModel
from wxcode_jupyter.testing.world import RunningServer, World

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_FOLDER = ROOT / ".demo"
NOTEBOOKS = ("01-quickstart", "02-resume-and-next-milestone")
NIGHT = "03-scripted-with-papermill"  # laid beside them for `lab`, to be run by hand
CLAUDE, GSD = "claude-2.1.330/claude", "gsd-1.14.0/node_modules/.bin/gsd-core"
MARK = ".wxcode-demo"
DONE = ".done"
START_LIMIT_S = 60.0


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; see the module's text."""
    parser = argparse.ArgumentParser(description="See wxcode_jupyter work, without an account.")
    parser.add_argument("what", choices=("run", "lab"))
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="where everything is kept")
    parser.add_argument("--tools", type=Path, default=ROOT / ".tools", help="what scripts/install_tools.py has made")
    options = parser.parse_args(arguments)
    folder = options.folder.absolute()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with only_one(folder):
            if options.what == "run" or not (folder / DONE).exists():
                run(folder, options.tools.absolute())
            if options.what == "lab":
                lab(folder, options.tools.absolute())
    except Failed as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def run(folder: Path, tools: Path) -> None:
    """Make the world anew, run the notebooks with a restart of the server between them, check, and tell."""
    for old in folder.iterdir():
        if old.name != MARK:
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    with world_of(folder, tools) as (world, model):
        say("A scripted model stands in for Claude; Claude Code, GSD, Jupyter and the kernel are real.")
        world.install_gsd(tools / GSD)
        execute(world, NOTEBOOKS[0], workspace=str(world.workspace))
        say("The server is shut down, and Claude Code with it: until tomorrow ...")
        ended_in_order(world)
        execute(world, NOTEBOOKS[1])
        shutil.copy(ROOT / "notebooks" / f"{NIGHT}.ipynb", folder)
        [server] = world.servers()
        with Client.connect(environ=server.environ) as client:
            outcome = examine(client, world, model)
    (folder / DONE).touch()
    tell(folder, outcome)


def lab(folder: Path, tools: Path) -> None:
    """Start JupyterLab in the world that ``run`` has made, and stay until Ctrl-C."""
    with world_of(folder, tools) as (world, _):
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
        command += [
            f"--ServerApp.root_dir={folder}",
            "--LabApp.extension_manager=readonly",
            "--ServerApp.log_level=WARN",
        ]
        command += ["--allow-root"] if os.geteuid() == 0 else []
        # A session of its own: Ctrl-C is for us, and JupyterLab would ask whether it is meant.
        jupyterlab = subprocess.Popen(
            command,
            env=world.env(JUPYTER_TOKEN=secrets.token_hex(16)),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        server = until_up(world, jupyterlab)
        say("JupyterLab runs with the scripted model; Ctrl-C ends everything.")
        print(f"  {server.url}lab/tree/{NOTEBOOKS[0]}.ipynb?token={server.token}", flush=True)
        with suppress(KeyboardInterrupt):
            # In steps: Ctrl-C does not end a wait without a limit when another thread gets the signal.
            while jupyterlab.poll() is None:
                time.sleep(0.2)
            if jupyterlab.returncode != 0:
                raise Failed(f"JupyterLab ended with exit code {jupyterlab.returncode}.")
        say("Ending everything ...")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the demo's folder, which is ours and no other demo's as long as this lasts."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise Failed(f"{folder} is not empty, and not the demo's: another --folder, please.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARK).open("w") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"`make demo` or `make lab` runs in {folder} already.") from None
        yield


@contextmanager
def world_of(folder: Path, tools: Path) -> Iterator[tuple[World, ScriptedModel]]:
    """Give the world with its model, and end whatever runs in it."""
    for needed in (CLAUDE, GSD):
        if not (tools / needed).exists():
            raise Failed(f"{tools / needed} is missing: run `make tools`.")
    if shutil.which("node") is None:
        raise Failed("node is missing: install Node.js 18 or newer (Debian: apt-get install nodejs npm).")
    with ScriptedModel(log=folder / "requests.jsonl") as model:
        world = World(folder, model.url, tools / CLAUDE)
        world.end_processes()  # of a run that was killed
        model.add(*rules(world.workspace))
        try:
            yield world, model
        finally:
            ended_in_order(world)


def ended_in_order(world: World) -> None:
    """End the world's processes, whatever is pressed meanwhile; one that had to be killed is a failure."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    killed = world.end_processes()
    signal.signal(signal.SIGINT, handler)
    if killed:
        raise Failed("these processes did not end with their server: " + "; ".join(killed.values()))


def execute(world: World, name: str, **parameters: str) -> None:
    """Run a notebook under papermill, and show its cells and their output as they come."""
    say(f"papermill {name}.ipynb")
    source = ROOT / "notebooks" / f"{name}.ipynb"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "--log-output"]
    command += [str(source), str(world.folder / source.name)]
    for parameter, value in parameters.items():
        command += ["-p", parameter, value]
    papermill = subprocess.Popen(
        command,
        env=world.env(),
        cwd=world.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert papermill.stdout is not None
    try:
        cells = shown_cells(source, parameters)
        for line in papermill.stdout:
            show(line.rstrip(), cells)
    finally:
        papermill.terminate()
        papermill.wait()
    if papermill.returncode != 0:
        raise Failed(f"papermill ended with exit code {papermill.returncode} in {name}.ipynb; the reason stands above.")


def shown_cells(notebook: Path, parameters: Mapping[str, str]) -> list[list[str]]:
    """Return the lines of the cells as papermill counts them, its own one with the parameters too; no text cells."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    shown = ["".join(cell["source"]).splitlines() if cell["cell_type"] == "code" else [] for cell in cells]
    if parameters:
        tagged = next(n for n, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", []))
        shown.insert(tagged + 1, [f"{name} = {value!r}" for name, value in parameters.items()])
    return shown


def show(line: str, cells: list[list[str]]) -> None:
    """Print a line of papermill's log: at the beginning of a cell what stands in it, and what it puts out."""
    if begins := re.fullmatch(r"Executing Cell (\d+)-+", line):
        if cell := cells[int(begins[1]) - 1]:
            print("\n" + "\n".join(bold(f"  {text}".rstrip()) for text in cell), flush=True)
    elif line and not re.match(r"(Ending Cell|Executing notebook|Input Notebook|Output Notebook)\b", line):
        print(f"    {line}", flush=True)


def until_up(world: World, process: subprocess.Popen[bytes]) -> RunningServer:
    """Return the server of a process once it has announced itself."""
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        if server := world.server(process.pid):
            return server
        time.sleep(0.05)
    raise Failed("JupyterLab did not start; what it said stands above.")


def tell(folder: Path, outcome: Outcome) -> None:
    """Print what happened, and where to look."""
    say("It worked. Two milestones, one conversation, resumed after a restart of the server:")
    print(f"  conversation  {outcome.conversation}")
    print(f"  transcript    {near(outcome.transcript)}")
    for milestone, command in outcome.work:
        print(f"  milestone     {milestone.element_name} ({milestone.status})")
        print(f"                {command.text}: {command.status}")
    say("Look at it:")
    for name in NOTEBOOKS:
        print(f"  {near(folder / name)}.ipynb")
    print(f"  {near(folder / NIGHT)}.ipynb (not run yet: three milestones, with nobody there)")
    onward = "make lab" if folder == DEFAULT_FOLDER else f"{sys.executable} {__file__} lab --folder {folder}"
    print(f"\n  {onward}\nopens them in JupyterLab, with the scripted model, to go on by hand.", flush=True)


def say(text: str) -> None:
    """Print a line that begins a part."""
    print(f"\n{bold(text)}", flush=True)


def bold(text: str) -> str:
    """Return text in bold where the output is a terminal."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and text else text


def near(path: Path) -> str:
    """Return a path as it is shortest to type from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
