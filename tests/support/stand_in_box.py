"""Stands in claude's place with an input box, hooks and a transcript: enough for sessions that become idle and busy.

A prompt that begins with ``wait`` is worked on until Esc, one with ``lose`` too, of which the transcript never tells;
any other one is done at once. A text that begins with ``drop`` never stands in the box, below which something changes
from then on. Two Esc in an idle box open a menu, as in claude, which another one closes; the Esc that interrupts a
prompt that begins with ``wait for a menu`` opens it, too. ``/exit`` ends it politely, and says so in the file
``said-goodbye`` in the working directory.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tty
import uuid
from itertools import pairwise
from pathlib import Path
from typing import Any


class Box:
    """The program."""

    def __init__(self, arguments: list[str]) -> None:
        options = dict(pairwise(arguments))
        self.resumes = "--resume" in options
        self.session_id = options.get("--resume") or options["--session-id"]
        self.settings = json.loads(Path(options["--settings"]).read_text())
        self.transcript = Path(f"transcript-{self.session_id}.jsonl").absolute()
        self.text = ""
        self.prompt_id = ""
        self.asked = ""
        self.dropped = 0
        self.escapes = 0  # in a row, in the idle box

    def hook(self, name: str, **data: Any) -> None:
        """Report an event as the CLI does: by the command in the settings."""
        event = {
            "hook_event_name": name,
            "session_id": self.session_id,
            "transcript_path": str(self.transcript),
            "cwd": os.getcwd(),
            **data,
        }
        for entry in self.settings["hooks"][name]:
            for hook in entry["hooks"]:
                subprocess.run(hook["command"], shell=True, input=json.dumps(event).encode(), check=True)

    def note(self, kind: str, text: str) -> None:
        """Append to the transcript."""
        entry = {"type": kind, "promptId": self.prompt_id, "message": {"role": kind, "content": text}}
        with open(self.transcript, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def draw(self) -> None:
        """Show the box, and in the title whether it works."""
        os.write(1, self.picture())

    def picture(self) -> bytes:
        """Return what shows them."""
        rule = "─" * 40
        title = "⠂ working" if self.prompt_id else "✳ idle"
        if self.escapes >= 2:
            menu = "\x1b[2J\x1b[H  Rewind\r\n\r\n  ❯ (current)\r\n\r\n  Enter to continue · Esc to cancel"
            return menu.encode()
        rows = f"{rule}\r\n❯ {self.text}\r\n{rule}\r\n{'.' * self.dropped}"
        return f"\x1b]0;{title}\x07\x1b[2J\x1b[H{rows}\x1b[2;{3 + len(self.text)}H".encode()

    def submit(self) -> None:
        """Take what stands in the box."""
        text, self.text = self.text, ""
        self.asked = text
        if text == "/exit":
            self.hook("SessionEnd", reason="prompt_input_exit")
            Path("said-goodbye").touch()
            sys.exit(0)
        self.prompt_id = str(uuid.uuid4())
        self.draw()
        if not text.startswith("lose"):
            self.note("user", text)
        self.hook("UserPromptSubmit", prompt=text, prompt_id=self.prompt_id)
        if not text.startswith(("wait", "lose")):
            self.finish()

    def finish(self) -> None:
        """End the turn."""
        self.note("assistant", "Done.")
        self.hook("Stop", prompt_id=self.prompt_id, last_assistant_message="Done.")
        self.prompt_id = ""

    def read(self) -> str:
        """Wait for keys."""
        while self.dropped and not select.select([0], [], [], 0.2)[0]:
            self.dropped = self.dropped % 9 + 1
            self.draw()
        return os.read(0, 65536).decode()

    def run(self) -> None:
        """Read keys until `/exit`."""
        tty.setraw(0)
        self.hook("SessionStart", source="resume" if self.resumes else "startup")
        self.draw()
        while keys := self.read():
            for mark in ("\x1b[200~", "\x1b[201~"):
                keys = keys.replace(mark, "")
            for key in keys:
                if key == "\r":
                    self.submit()
                elif key == "\x1b" and self.prompt_id:
                    self.note("user", "[Request interrupted by user]")
                    self.prompt_id = ""
                    self.escapes = 2 if self.asked.startswith("wait for a menu") else 0
                elif key == "\x1b":
                    self.escapes = 0 if self.escapes >= 2 else self.escapes + 1
                elif self.escapes >= 2:
                    continue
                elif key == "\x15":
                    self.text = ""
                elif key.isprintable():
                    self.text += key
            if self.text.startswith("drop"):
                self.text, self.dropped = "", 1
            self.draw()


if __name__ == "__main__":
    Box(sys.argv[1:]).run()
