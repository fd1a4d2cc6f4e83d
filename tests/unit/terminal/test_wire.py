"""Frames and the descriptors that ride on them."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from wxcode_jupyter.terminal.wire import MAX_FRAME_BYTES, Channel, Decoder, FrameError, encode


def test_a_frame_is_its_length_and_json() -> None:
    assert encode({"op": "hello", "versions": [1]}) == b'\x00\x00\x00\x1d{"op":"hello","versions":[1]}'


def test_frames_may_be_cut_anywhere() -> None:
    decoder, messages = Decoder(), []
    for byte in encode({"a": "ü"}) + encode({"b": 2}):
        messages += decoder.feed(bytes([byte]))
    assert messages == [{"a": "ü"}, {"b": 2}]


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"\0\0\0\1{", b"GET / HTTP/1.1\r\n\r\n"])
def test_garbage_is_an_error(garbage: bytes) -> None:
    with pytest.raises(FrameError):
        Decoder().feed(garbage)


def test_a_message_that_is_too_large_is_refused_before_it_is_sent() -> None:
    with pytest.raises(FrameError):
        encode({"x": "y" * MAX_FRAME_BYTES})


def test_descriptors_come_with_their_message_however_slowly_it_is_read() -> None:
    ours, theirs = (Channel(sock) for sock in socket.socketpair())
    ours.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    pipes = [os.pipe() for _ in range(3)]
    for number, (read_end, _) in enumerate(pipes):
        ours.send({"number": number, "padding": "x" * 100_000}, [read_end])
    assert ours.backlog
    messages: list[dict[str, Any]] = []
    while len(messages) < 3:
        ours.flush()
        messages += theirs.receive() or []
    for message in messages:
        (received,) = theirs.take_fds(message["fds"])
        os.write(pipes[message["number"]][1], b"%d" % message["number"])
        assert os.read(received, 10) == b"%d" % message["number"]
        assert not os.get_inheritable(received)
        os.close(received)
    with pytest.raises(FrameError):
        theirs.take_fds(1)
    ours.close()
    assert theirs.receive() is None
    theirs.close()
    for pipe in pipes:
        os.close(pipe[0])
        os.close(pipe[1])


def test_descriptors_that_nobody_took_are_closed_with_the_channel() -> None:
    ours, theirs = (Channel(sock) for sock in socket.socketpair())
    read_end, write_end = os.pipe()
    ours.send({}, [read_end])
    theirs.receive()
    os.close(read_end)
    theirs.close()
    with pytest.raises(BrokenPipeError):
        os.write(write_end, b"x")
    ours.send({})
    assert ours.backlog == 0
    ours.close()
    os.close(write_end)
