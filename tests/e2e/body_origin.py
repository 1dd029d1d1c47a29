"""An origin of one body, at the speed that a test wants."""
import hashlib
import http.server
import re
import threading
import time


class Origin:
    """Serves `body` at any path, of it what a Range asks for; below /chunked without a length. `bytes_per_sec` are of each
    connection. Knows how much it has sent, and over how many connections at once."""

    PIECE = 64 << 10

    def __init__(self, body, bytes_per_sec=None):
        self.body, self.bytes_per_sec = body, bytes_per_sec
        self.etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        self.sent = self.open = self.most_open = 0
        self.lock = threading.Lock()
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                origin.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path="body"):
        return f"http://127.0.0.1:{self.port}/{path}"

    def answer(self, request):
        chunked = request.path.startswith("/chunked")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        resumed = wanted and not chunked and request.headers.get("If-Range", self.etag) == self.etag
        start = int(wanted[1]) if resumed else 0
        end = int(wanted[2]) + 1 if resumed and wanted[2] else len(self.body)
        request.send_response(206 if resumed else 200)
        request.send_header("ETag", self.etag)
        if resumed:
            request.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(self.body)}")
        if chunked:
            request.send_header("Transfer-Encoding", "chunked")
        else:
            request.send_header("Accept-Ranges", "bytes")
            request.send_header("Content-Length", str(end - start))
        request.end_headers()
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            self.send(request.wfile, start, end, chunked)
        except OSError:
            request.close_connection = True  # The reader has gone.
        finally:
            with self.lock:
                self.open -= 1

    def send(self, file, start, end, chunked):
        begun = time.monotonic()
        for at in range(start, end, self.PIECE):
            piece = self.body[at:min(at + self.PIECE, end)]
            file.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            with self.lock:
                self.sent += len(piece)
            if self.bytes_per_sec:  # This is the origin's speed; nobody waits for it.
                time.sleep(max(0.0, begun + (at + len(piece) - start) / self.bytes_per_sec - time.monotonic()))
        if chunked:
            file.write(b"0\r\n\r\n")

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
