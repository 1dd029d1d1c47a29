"""An origin that remembers what it was shown, and answers by path."""
import http.server
import threading


class Origin:
    """/body; /missing (404); /denied (401); /busy (503, come back in 200 s); /cut (breaks off); /slow (until `release` is set);
    /digest (a challenge); /to (redirects to `target`). Whatever the method: a store that refuses."""

    BODY = b"the body of all that is asked for"

    def __init__(self):
        self.target = None
        self.requests = []  # Each as one text: request line and headers.
        self.release = threading.Event()
        self.lock = threading.Lock()
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                origin.remember(self)
                origin.answer(self)

            def refuse(self):
                origin.remember(self)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                origin.send(self, 403, {}, b"<Error><Code>AccessDenied</Code></Error>")

            do_PUT = do_POST = do_HEAD = do_DELETE = refuse

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://{self.address}/{path}"

    def remember(self, request):
        with self.lock:
            self.requests.append(f"{request.requestline}\n{request.headers}")

    def shown(self, path=""):
        """All that it was shown with requests for `path`."""
        with self.lock:
            return "\n".join(text for text in self.requests if f" /{path}" in text.splitlines()[0])

    @staticmethod
    def send(request, status, headers, body, announced=None):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(announced or len(body)))
        request.end_headers()
        request.wfile.write(body if request.command != "HEAD" else b"")

    def answer(self, request):
        path = request.path.partition("?")[0]
        if path == "/missing":
            return self.send(request, 404, {}, b"no")
        if path == "/denied":
            return self.send(request, 401, {"WWW-Authenticate": 'Basic realm="x"'}, b"no")
        if path == "/busy":
            return self.send(request, 503, {"Retry-After": "200"}, b"no")
        if path == "/to":
            return self.send(request, 302, {"Location": self.target}, b"")
        if path == "/digest" and "Authorization" not in request.headers:
            challenge = 'Digest realm="members", qop="auth", nonce="n0nce", algorithm=SHA-256'
            return self.send(request, 401, {"WWW-Authenticate": challenge}, b"no")
        if path in ("/cut", "/slow"):
            self.send(request, 200, {}, self.BODY[:5], announced=len(self.BODY))
            request.wfile.flush()
            if path == "/slow":
                self.release.wait(60)
            request.close_connection = True
            return None
        return self.send(request, 200, {"ETag": '"v1"'}, self.BODY)

    def stop(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
