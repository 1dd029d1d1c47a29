"""An identity provider: signs tokens (RS256, by openssl) and serves its key set over HTTP."""
import base64
import http.server
import json
import subprocess
import threading
import time

ISSUER, AUDIENCE = "https://id.example", "fetchd"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    def __init__(self, folder, name):
        self.name, self.file = name, folder / f"{name}.key"
        subprocess.run(["openssl", "genrsa", "-out", self.file, "2048"], check=True, capture_output=True)

    def jwk(self):
        modulus = subprocess.run(["openssl", "rsa", "-in", self.file, "-noout", "-modulus"], check=True,
                                 capture_output=True, text=True).stdout.strip().removeprefix("Modulus=")
        return {"kty": "RSA", "kid": self.name, "use": "sig", "alg": "RS256", "n": base64url(bytes.fromhex(modulus)),
                "e": "AQAB"}

    def token(self, **changes):
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ci", "tenant": "builds", "roles": ["submit", "read"],
                  "exp": int(time.time()) + 600} | changes
        header = {"alg": "RS256", "typ": "JWT", "kid": self.name}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.file], check=True, input=signed.encode(),
                                   capture_output=True).stdout
        return f"{signed}.{base64url(signature)}"


class Provider:
    """Serves the keys of `keys` at `url`; 503 while `failing`."""

    def __init__(self, *keys):
        self.keys, self.failing, self.asked = list(keys), False, 0
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked += 1
                body = json.dumps({"keys": [key.jwk() for key in provider.keys]}).encode()
                self.send_response(503 if provider.failing else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
