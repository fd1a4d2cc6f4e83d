"""What tells the machine of one server from that of another, and its present boot from an earlier one."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_MACHINE_ID = "/etc/machine-id"
#: Podman and Docker leave one of these in a container. Its machine id is its image's, the same on many machines.
_CONTAINER_MARKS = ("/run/.containerenv", "/.dockerenv")
_CONTAINER_VARIABLES = ("container", "KUBERNETES_SERVICE_HOST")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine, or the container, that a server runs on.

    Attributes:
        host: Its name.
        machine_id: What names it across reboots; None where nothing does, as in a container.
        boot_id: What names the present boot of its kernel, which containers share; None where nothing does.
    """

    host: str
    machine_id: str | None
    boot_id: str | None

    @classmethod
    def local(cls) -> Machine:
        """Return the one that we run on."""
        machine_id = None if _in_container() else _read(_MACHINE_ID)
        return cls(socket.gethostname(), machine_id, _read(_BOOT_ID))


def _in_container() -> bool:
    return any(map(os.path.exists, _CONTAINER_MARKS)) or any(name in os.environ for name in _CONTAINER_VARIABLES)


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):  # another system than Linux: then nothing names it, and users are asked
        return None
