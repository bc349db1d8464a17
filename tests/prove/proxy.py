"""A way to the store that can be slow, refuse writes, or be cut: what a network and a demoted primary do, without touching the server.

Read-only is simulated: the server is asked nothing, and a write is answered as a MongoDB that is no primary any more answers it.
"""

import asyncio
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import bson

HEADER = struct.Struct("<iiii")
OP_MSG = 2013
NOT_PRIMARY = {"ok": 0.0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary (a proof says so)"}
WRITES = frozenset({"insert", "update", "delete"})


class Way(StrEnum):
    """How the way to the store is."""

    OPEN = "open"
    SLOW = "slow"
    TOO_SLOW = "too_slow"
    """Every request waits longer than a client does, and arrives after all."""
    READ_ONLY = "read_only"


DELAYS = {Way.SLOW: 0.4, Way.TOO_SLOW: 11.0}
"""Seconds that every request waits; a consumer waits ten for its answer."""


@dataclass(slots=True)
class Proxy:
    """Listens on one port and hands every request on to another."""

    port: int
    to_port: int
    way: Way = Way.OPEN
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def url(self) -> str:
        """Address of the store through this way."""
        return f"mongodb://127.0.0.1:{self.port}"

    def serve(self, ready: threading.Event) -> None:
        """Until stopped."""
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", self.port))
        ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def stop(self) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.close()
            return
        answers = asyncio.ensure_future(_copied(there, writer))
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                await self._request(reader, writer, back)
        answers.cancel()
        writer.close()
        back.close()

    async def _request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        header = await reader.readexactly(HEADER.size)
        length, request, _response, code = HEADER.unpack(header)
        body = await reader.readexactly(length - HEADER.size)
        if self.way is Way.READ_ONLY and code == OP_MSG and _is_write(body):
            writer.write(_answer(request))
            await writer.drain()
            return
        await asyncio.sleep(DELAYS.get(self.way, 0.0))
        back.write(header + body)
        await back.drain()


@contextmanager
def proxy(port: int, to_port: int) -> Iterator[Proxy]:
    """A way that is open, in a thread of its own."""
    opened, ready = Proxy(port, to_port), threading.Event()
    thread = threading.Thread(target=opened.serve, args=(ready,), daemon=True, name="proxy")
    thread.start()
    ready.wait(10.0)
    try:
        yield opened
    finally:
        opened.stop()
        thread.join(10.0)


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while some := await reader.read(65_536):
            writer.write(some)
            await writer.drain()
    writer.close()


def _is_write(body: bytes) -> bool:
    """Whether the first section of an OP_MSG is a write command: flags (4 bytes), kind 0, a document whose first field names it."""
    if len(body) < 10 or body[4] != 0:
        return False
    end = body.index(0, 10)
    return body[10:end].decode("utf-8", "replace") in WRITES


def _answer(request: int) -> bytes:
    document: Any = bson.encode(NOT_PRIMARY)
    return HEADER.pack(HEADER.size + 5 + len(document), 0, request, OP_MSG) + b"\0\0\0\0\0" + document
