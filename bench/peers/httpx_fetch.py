#!/usr/bin/python3
"""httpx as a peer, used as its guide advises: one AsyncClient, streamed bodies.

httpx_fetch.py URL COUNT CONCURRENCY [CA_FILE]
"""
import asyncio
import sys

import httpx


async def fetch_many(url, count, width, ca_file=True):
    numbers = iter(range(count))
    received = 0
    limits = httpx.Limits(max_connections=width, max_keepalive_connections=width)
    async with httpx.AsyncClient(limits=limits, verify=ca_file, timeout=60) as client:

        async def worker():
            nonlocal received
            for _ in numbers:
                async with client.stream("GET", url) as response:
                    response.raise_for_status()
                    async for chunk in response.aiter_raw():
                        received += len(chunk)

        await asyncio.gather(*(worker() for _ in range(width)))
    print("requests", count, "bytes", received)


if __name__ == "__main__":
    asyncio.run(fetch_many(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:5]))
