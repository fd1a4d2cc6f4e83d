"""Real kernels: what papermill makes of our errors, and how an interrupt is felt. The server is a stand-in."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from tests.support.fake_api import TOKEN, FakeApi
from tests.support.kernel_rig import private_environment, run_papermill


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def environment(tmp_path: Path, api: FakeApi) -> Iterator[dict[str, str]]:
    with api.serve() as url:
        yield {**private_environment(tmp_path), "WXCODE_SERVER_URL": url, "WXCODE_TOKEN": TOKEN}


SETUP = "%load_ext wxcode_jupyter\n%wxmilestone project demo"


def test_a_run_that_goes_well(tmp_path: Path, api: FakeApi, environment: dict[str, str]) -> None:
    api.happen(api.accept(), api.end(last_message="Planned."))
    run = run_papermill(
        tmp_path / "run",
        environment,
        [SETUP, "%%wxmilestone new login --start --wait\n# Login\n", "%wxmilestone complete"],
    )
    assert run.exit_code == 0, run.printed
    assert "login  [in_progress]" in run.text(1)
    assert "Planned." in run.text(1)
    assert "login  [completed]" in run.text(2)


@pytest.mark.parametrize(
    ("trusts", "cell", "reason"),
    [
        (True, "%wxmilestone strat login", "UsageMistake: There is no subcommand 'strat'; the nearest is 'start'"),
        (True, "%wxmilestone send --wait --timeout 0.5 hello", "CommandTimeout: The limit of 0.5 s has passed"),
        (False, "%wxmilestone send hello", "TrustRequired: Claude Code asks whether the folder /w/demo is trusted"),
    ],
)
def test_a_failure_is_exit_code_1_with_the_reason(
    tmp_path: Path, api: FakeApi, environment: dict[str, str], trusts: bool, cell: str, reason: str
) -> None:
    api.trusts = trusts
    run = run_papermill(tmp_path / "run", environment, [SETUP, cell, "print('too far')"])
    assert run.exit_code == 1
    assert reason in run.printed
    assert reason in run.text(1)
    assert TOKEN not in run.printed
    assert run.cells[2]["outputs"] == []


def test_a_terminal_is_its_screen(tmp_path: Path, environment: dict[str, str]) -> None:
    run = run_papermill(tmp_path / "run", environment, [SETUP, "%wxmilestone resume", "%wxmilestone terminal"])
    assert run.exit_code == 0, run.printed
    assert "red" in run.text(2)
    [output] = run.cells[2]["outputs"]
    assert "red" in "".join(output["data"]["text/html"])
    written = (tmp_path / "run" / "out.ipynb").read_text()
    assert "AnyModel" in written
    assert len(written) < 50_000
    assert TOKEN not in written


@pytest.fixture
def kernel(environment: dict[str, str]) -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(kernel_name="python3", env=environment)
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run_cell(kernel: BlockingKernelClient, code: str, *, attended: bool = True) -> tuple[str, dict[str, str]]:
    """Run a cell; return the text that it showed, and its reply."""
    shown: list[str] = []

    def show(message: dict[str, dict[str, object]]) -> None:
        content = message["content"]
        shown.extend(str(content[key]) for key in ("text", "evalue") if key in content)

    reply = kernel.execute_interactive(code, allow_stdin=attended, output_hook=show, timeout=60)
    return "".join(shown), reply["content"]


def test_the_front_end_tells_whether_somebody_is_there(kernel: BlockingKernelClient) -> None:
    run_cell(kernel, "%load_ext wxcode_jupyter")
    said, reply = run_cell(kernel, "%wx strat", attended=True)
    assert "UsageError: There is no subcommand" in said
    assert reply["ename"] == "UsageError"
    _, reply = run_cell(kernel, "%wx strat", attended=False)
    assert reply["ename"] == "UsageMistake"


def test_an_interrupt_ends_the_waiting_only(kernel: BlockingKernelClient, api: FakeApi) -> None:
    run_cell(kernel, SETUP)
    pid = int(run_cell(kernel, "import os; print(os.getpid())")[0])
    shown: list[str] = []
    interrupted_at = 0.0

    def interrupt_once_it_waits(message: dict[str, dict[str, object]]) -> None:
        nonlocal interrupted_at
        shown.append(str(message["content"].get("text", "")))
        if "command queued" in shown[-1] and not interrupted_at:
            interrupted_at = time.monotonic()
            os.kill(pid, 2)

    reply = kernel.execute_interactive(
        "%wxmilestone send --wait -o kept hello", output_hook=interrupt_once_it_waits, timeout=60
    )
    took_s = time.monotonic() - interrupted_at
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert "Stopped waiting. Claude works on" in "".join(shown)
    # A fifth of a second for the wait itself; the rest is for the kernel's own messages on a busy machine.
    assert took_s < (0.2 + 1.0)
    said, _ = run_cell(kernel, "print(kept.command.status, type(kept.error).__name__)")
    assert said == "queued KeyboardInterrupt\n"
    assert not [path for method, path, _ in api.requests if method == "DELETE" or path.endswith("interrupt")]


def test_the_extension_loads_without_the_servers_parts(kernel: BlockingKernelClient) -> None:
    said, _ = run_cell(
        kernel,
        "%load_ext wxcode_jupyter\nimport sys\n"
        "print([name for name in sys.modules if name.startswith(('wxcode_jupyter.s', 'jupyter_server'))])",
    )
    assert said == "[]\n", sys.version
