"""Cards that follow the server by themselves: the picture of a moment, and a script that brings it up to date.

Where somebody sits at a front end, the HTML of a result that was not waited for stands in a ``<wxcode-card>`` element
and is followed by a script of one statement, which loads ``server/static/cards.js`` from the server that the page comes
from. The kernel has no part in it: the card works while the kernel is busy, dead, or another one.

It is HTML and no Jupyter widget, because a widget belongs to its kernel: after a reload JupyterLab shows "Loading
widget..." as long as the kernel is busy, and "model not found" once it is gone (jupyterlab_widgets 3.0), where this
card shows its picture, and follows again. A front end that runs no script, or whose notebook is not trusted, shows the
picture; so does a page that comes from no Jupyter server, such as nbconvert's. No token is in it: the page's own cookie
counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Literal

from ..plain import clean_line

Subject = Literal["session", "command", "milestone", "questions"]

#: Asks for the page's server only (``baseUrl`` is that of JupyterLab and Notebook); one without our files is told.
_SCRIPT = """<script>((here) => {
  const page = document.getElementById("jupyter-config-data");
  if (page) import(new URL(JSON.parse(page.textContent).baseUrl + "static/wxcode_jupyter/cards.js", location.href))
    .catch(() => here.before("Not followed: the server of this page does not serve wxcode_jupyter."));
})(document.currentScript)</script>"""


@dataclass(frozen=True, slots=True)
class Live:
    """What a card follows.

    Attributes:
        subject: What the card is about; it decides which rows it has.
        project_id: The project, whose session and questions are followed.
        server_pid: Process of the server that has the session, by which the page's server is known to be the one.
        command_id: The command, for ``command`` and ``milestone``.
        milestone_id: The milestone, for ``milestone``.
    """

    subject: Subject
    project_id: str
    server_pid: int
    command_id: str | None = None
    milestone_id: str | None = None

    def wrap(self, picture: str) -> str:
        """Return the HTML of a card that shows a picture of this moment first."""
        attributes = {
            "subject": self.subject,
            "project": self.project_id,
            "server": str(self.server_pid),
            "command": self.command_id,
            "milestone": self.milestone_id,
            "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        written = " ".join(f'data-{name}="{escape(clean_line(value))}"' for name, value in attributes.items() if value)
        return f'<wxcode-card style="display:block" {written}>{picture}</wxcode-card>{_SCRIPT}'
