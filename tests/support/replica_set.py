"""Three real mongods that are one replica set, on loopback, with elections that take a second or two."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Self

import pymongo
from pymongo.errors import AutoReconnect, PyMongoError

from tests.support.mongod import Mongod

_NAME = "wxfaults"
_ELECTED_WITHIN_S = 60.0
_SETTINGS = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200}


class ReplicaSet:
    """A replica set, as a context manager; ``url`` is its address without a database's name."""

    def __init__(self) -> None:
        self._ports = _free_ports(3)
        self._dead: set[int] = set()
        self._members = {
            port: Mongod(port=port, options=["--replSet", _NAME, "--oplogSize=16"]) for port in self._ports
        }

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"mongodb://{','.join(map(_host, self._ports))}/{database}?replicaSet={_NAME}"

    def step_down(self) -> None:
        """Have the primary step down, once others can follow it, and wait until one of them is it."""
        primary = self._until_complete()
        for port in set(self._ports) - {primary}:
            with self._connect(port) as client:
                client.admin.command("replSetFreeze", 0)  # it may have stepped down itself just before
        with self._connect(primary) as client, suppress(AutoReconnect):  # it closes its connections: that is the point
            client.admin.command("replSetStepDown", 60, secondaryCatchUpPeriodSecs=30)
        self._until_primary(but=primary)

    def kill_primary(self) -> None:
        """SIGKILL the primary, once others can follow it, and wait until one of them is it."""
        primary = self._until_complete()
        self._members[primary].kill()
        self._dead.add(primary)
        self._until_primary(but=primary)

    def start_again(self) -> None:
        """Start who was killed; in a thread that lives as long as the test: the kernel ends it with its parent."""
        while self._dead:
            self._members[self._dead.pop()].start()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for member in self._members.values():
                stack.enter_context(member)
            members = [{"_id": number, "host": _host(port)} for number, port in enumerate(self._ports)]
            with self._connect(self._ports[0]) as client:
                client.admin.command("replSetInitiate", {"_id": _NAME, "members": members, "settings": _SETTINGS})
            self._until_complete()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _until_primary(self, but: int | None = None) -> int:
        deadline = time.monotonic() + _ELECTED_WITHIN_S
        while time.monotonic() < deadline:
            for port in self._ports:
                if port != but and self._is_primary(port):
                    return port
            time.sleep(0.05)
        raise AssertionError("no member became primary")

    def _until_complete(self) -> int:
        """Wait until there is a primary, and the others have its data; return its port."""
        deadline = time.monotonic() + _ELECTED_WITHIN_S
        while time.monotonic() < deadline:
            primary = self._until_primary()
            with self._connect(primary) as client:
                states = [each["stateStr"] for each in client.admin.command("replSetGetStatus")["members"]]
            if sorted(states) == ["PRIMARY", "SECONDARY", "SECONDARY"]:
                return primary
            time.sleep(0.05)
        raise AssertionError(f"the members are {states}")

    def _is_primary(self, port: int) -> bool:
        try:
            with self._connect(port) as client:
                return bool(client.admin.command("hello")["isWritablePrimary"])
        except PyMongoError:
            return False

    def _connect(self, port: int) -> pymongo.MongoClient[dict[str, Any]]:
        return pymongo.MongoClient(_host(port), directConnection=True, serverSelectionTimeoutMS=5000)


def _host(port: int) -> str:
    return f"127.0.0.1:{port}"


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
