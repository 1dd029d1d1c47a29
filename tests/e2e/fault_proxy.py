"""A proxy in front of a real origin that breaks what passes through it: by chance, and by a seed."""
import asyncio
import collections
import contextlib
import random
import re
import socket
import struct
import threading

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
PIECE = 64 << 10


class FaultProxy:
    """Listens on `ports` ports of its own, so that one server is as many origins. Each of `rates` is the share of the answers
    that meet it:

    refuse    429 or 503 with Retry-After: 1          error     500, 502 or 504
    silence   reset instead of an answer              delay     the answer comes up to 0.3 s late
    reset     RST in the middle of the body           truncate  FIN in the middle of the body
    stall     nothing more comes in the middle of the body

    What happens to the n-th request is the seed's; which request is the n-th is not.
    """
    RATES = {"refuse": 0.01, "error": 0.02, "silence": 0.02, "delay": 0.03, "reset": 0.04, "truncate": 0.03, "stall": 0.004}

    def __init__(self, origin_port, seed, ports=4, rates=None, stall_seconds=60):
        self.origin_port, self.random = origin_port, random.Random(seed)
        self.rates, self.stall_seconds = rates or self.RATES, stall_seconds
        self.counts = collections.Counter()
        self.sockets = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(ports)]
        self.ports = [listener.getsockname()[1] for listener in self.sockets]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def url(self, number, path):
        return f"http://127.0.0.1:{self.ports[number % len(self.ports)]}/{path}"

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        servers = [self.loop.run_until_complete(asyncio.start_server(self._serve, sock=listener)) for listener in self.sockets]
        self.loop.run_forever()
        for server in servers:
            server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    def _choose(self):
        point = self.random.random()
        for fault, rate in self.rates.items():
            if (point := point - rate) < 0:
                return fault
        return "none"

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(await reader.readuntil(b"\r\n\r\n"), writer):
                pass
        writer.close()

    async def _answer(self, request, writer):
        """True when the connection may be used again."""
        fault = self._choose()
        self.counts[fault] += 1
        if fault == "silence":
            return self._reset(writer)
        if fault in ("refuse", "error"):
            status = self.random.choice([429, 503] if fault == "refuse" else [500, 502, 504])
            after = "Retry-After: 1\r\n" if fault == "refuse" else ""
            writer.write(f"HTTP/1.1 {status} No\r\n{after}Content-Length: 0\r\n\r\n".encode())
            return True
        if fault == "delay":
            await asyncio.sleep(self.random.uniform(0.01, 0.3))
        from_origin, to_origin = await asyncio.open_connection("127.0.0.1", self.origin_port)
        try:
            to_origin.write(request)
            head = await from_origin.readuntil(b"\r\n\r\n")
            return await self._pass_on(head, from_origin, writer, fault)
        finally:
            to_origin.close()

    async def _pass_on(self, head, from_origin, writer, fault):
        size = int(CONTENT_LENGTH.search(head)[1])
        cut = self.random.randrange(size) if fault in ("reset", "truncate", "stall") and size else None
        writer.write(head)
        left = size
        while left and size - left != cut:
            wanted = min(left, PIECE) if cut is None else min(PIECE, cut - (size - left))
            piece = await from_origin.read(wanted)
            left -= len(piece)
            writer.write(piece)
            await writer.drain()
        if cut is None:
            return True
        if fault == "stall":
            await asyncio.sleep(self.stall_seconds)
        return self._reset(writer) if fault == "reset" else False

    @staticmethod
    def _reset(writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False
