#!/usr/bin/env python3
"""The quickstart's origin: one file of 48 MiB on loopback, slow enough to watch, with ranges and an ETag.

demo_origin.py PORT
"""
import http.server
import re
import sys
import time

SIZE = 48 << 20
PIECE = 256 << 10
BYTES_PER_SECOND = 24 << 20
BODY = bytes(range(256)) * (SIZE // 256)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        first = 0
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match and int(match[1]) < SIZE:
            first = int(match[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{SIZE - 1}/{SIZE}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(SIZE - first))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"demo-1"')
        self.end_headers()
        for offset in range(first, SIZE, PIECE):
            self.wfile.write(BODY[offset : offset + PIECE])
            time.sleep(PIECE / BYTES_PER_SECOND)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
