#!/usr/bin/python3
"""aiohttp as a peer, used as its guide advises: one session, a limited connector, streamed bodies.

aiohttp_fetch.py URL COUNT CONCURRENCY [CA_FILE]
"""
import asyncio
import ssl
import sys

import aiohttp


async def fetch_many(url, count, width, ca_file=None):
    numbers = iter(range(count))
    received = 0
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    connector = aiohttp.TCPConnector(limit=width, limit_per_host=width, ssl=context)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False, read_bufsize=1 << 18) as session:

        async def worker():
            nonlocal received
            for _ in numbers:
                async with session.get(url) as response:
                    response.raise_for_status()
                    async for chunk in response.content.iter_any():
                        received += len(chunk)

        await asyncio.gather(*(worker() for _ in range(width)))
    print("requests", count, "bytes", received)


if __name__ == "__main__":
    asyncio.run(fetch_many(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:5]))
