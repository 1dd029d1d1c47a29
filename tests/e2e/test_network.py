#!/usr/bin/env python3
"""Names and certificates: DNS servers by configuration, client certificates, pins."""
import base64
import hashlib
import http.server
import ssl
import subprocess
import threading

import harness
from dns_server import DnsServer


class DnsTest(harness.TestCase):
    def start_dns(self, **names):
        dns = DnsServer({f"{name}.test": address for name, address in names.items()})
        self.addCleanup(dns.stop)
        return dns

    def test_the_configured_servers_are_asked_and_an_old_answer_serves_while_they_fail(self):
        nginx = self.start_nginx()
        nginx.add("file", b"content")
        dns = self.start_dns(origin="127.0.0.1", inside="127.0.0.2")
        server = self.start_server(f"dns.servers={dns.address}", "dns.min_ttl=0", "dns.max_ttl=0")
        url = f"http://origin.test:{nginx.port}/file"
        self.assertEqual(server.ctl("get", url, "-o", "-").stdout, "content")
        self.assertNotEqual(server.ctl("get", f"http://other.test:{nginx.port}/", check=False).returncode, 0)
        refused = server.ctl("get", f"http://inside.test:{nginx.port}/", check=False)
        self.assertEqual(refused.returncode, 5, refused.stderr)

        dns.failing = True
        nginx.stop()  # Its connections with it: the name is asked for again.
        again = http.server.ThreadingHTTPServer(("127.0.0.1", nginx.port), HelloHandler)
        threading.Thread(target=again.serve_forever, daemon=True).start()
        self.addCleanup(again.server_close)
        self.addCleanup(again.shutdown)
        self.assertEqual(server.ctl("get", url, "-o", "-").stdout, "hello")

    def test_a_bad_server_is_refused_at_start(self):
        run = subprocess.run(self.new_server("dns.servers=127.0.0.1:53,resolver.corp").command(), capture_output=True,
                             text=True, timeout=60, cwd=self.folder)

        self.assertNotEqual(run.returncode, 0)
        self.assertIn('dns.servers: "resolver.corp" is no DNS server: expects addresses', run.stderr)


class HelloHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


class TlsOrigin:
    """Says hello, or redirects to `location`. `shown` has the common name that each client proved, or None."""

    def __init__(self, pki, verify, location=None):
        origin = self
        self.shown = []

        class Handler(HelloHandler):
            def do_GET(self):
                subject = dict(field[0] for field in (self.connection.getpeercert() or {}).get("subject", ()))
                origin.shown.append(subject.get("commonName"))
                if location is None:
                    return super().do_GET()
                self.send_response(302)
                self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.path("server.pem"), pki.path("server.key"))
        context.load_verify_locations(pki.path("ca.pem"))
        context.verify_mode = verify
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.handle_error = lambda *_: None  # A handshake that fails is what the tests ask for.
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"https://{self.host}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Pki:
    """An authority in `folder` with a certificate for the server at 127.0.0.1 and one for the client."""

    def __init__(self, folder):
        self.folder = folder
        self.openssl("req", "-x509", *self.new_key("ca"), "-subj", "/CN=ca", "-days", "2", "-out", self.path("ca.pem"))
        self.issue("server", "IP:127.0.0.1")
        self.issue("client", "DNS:client.test")

    def path(self, name):
        return str(self.folder / name)

    def openssl(self, *words):
        return subprocess.run(["openssl", *words], check=True, capture_output=True).stdout

    def new_key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(f"{name}.key")]

    def issue(self, name, alternative_name):
        request, extensions = self.path(f"{name}.csr"), self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative_name}\n")
        self.openssl("req", *self.new_key(name), "-subj", f"/CN={name}", "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"),
                     "-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out", self.path(f"{name}.pem"))

    def pin(self, name):
        key = self.openssl("pkey", "-in", self.path(f"{name}.key"), "-pubout", "-outform", "der")
        return base64.b64encode(hashlib.sha256(key).digest()).decode()


class TlsTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.pki = Pki(self.folder)

    def start_origin(self, verify=ssl.CERT_OPTIONAL, location=None):
        origin = TlsOrigin(self.pki, verify, location)
        self.addCleanup(origin.stop)
        return origin

    def test_a_client_certificate_is_shown_to_its_own_origin_only(self):
        target = self.start_origin()
        origin = self.start_origin(ssl.CERT_REQUIRED, location=target.url)
        server = self.start_server(f"tls.ca_file={self.pki.path('ca.pem')}",
                                   f"tls.profiles.partner.ca_file={self.pki.path('ca.pem')}",
                                   f"tls.profiles.partner.certificate_file={self.pki.path('client.pem')}",
                                   f"tls.profiles.partner.key_file={self.pki.path('client.key')}")
        got = server.ctl("get", "--tls-profile", "partner", origin.url, "-o", "-")
        self.assertEqual(got.stdout, "hello")
        self.assertEqual((origin.shown, target.shown), (["client"], [None]))

        server.ctl("get", "--tls-profile", "partner", target.url, "-o", "-")
        self.assertEqual(target.shown, [None, "client"])

        without = server.ctl("get", origin.url, "-o", "-", check=False)
        self.assertEqual(without.returncode, 1)
        self.assertIn("the server asks for a client certificate", without.stderr)

    def test_a_client_certificate_by_the_rule_of_an_origin_is_shown_there_only(self):
        target = self.start_origin()
        origin = self.start_origin(ssl.CERT_REQUIRED, location=target.url)
        server = self.start_server(f"tls.ca_file={self.pki.path('ca.pem')}",
                                   f"tls.profiles.partner.ca_file={self.pki.path('ca.pem')}",
                                   f"tls.profiles.partner.certificate_file={self.pki.path('client.pem')}",
                                   f"tls.profiles.partner.key_file={self.pki.path('client.key')}",
                                   f"origins.{origin.host}.tls_profile=partner")

        self.assertEqual(server.ctl("get", origin.url, "-o", "-").stdout, "hello")
        self.assertEqual((origin.shown, target.shown), (["client"], [None]))

    def test_a_pin_holds_besides_the_authority(self):
        origin = self.start_origin()
        profiles = [f"tls.profiles.{name}.{key}" for name in ("right", "wrong") for key in ("ca_file", "pins")]
        ca, right, wrong = self.pki.path("ca.pem"), self.pki.pin("server"), self.pki.pin("client")
        values = [ca, f'["{right}"]', ca, f'["{wrong}"]']
        server = self.start_server(*(f"{key}={value}" for key, value in zip(profiles, values)))

        self.assertEqual(server.ctl("get", "--tls-profile", "right", origin.url, "-o", "-").stdout, "hello")
        refused = server.ctl("get", "--tls-profile", "wrong", origin.url, "-o", "-", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("no certificate of the chain has a key that is pinned", refused.stderr)

    def test_a_key_that_is_not_the_certificates_is_refused_at_start(self):
        settings = [f"tls.profiles.partner.certificate_file={self.pki.path('client.pem')}",
                    f"tls.profiles.partner.key_file={self.pki.path('server.key')}"]
        command = self.new_server(*settings).command()
        for more in ([], ["--check-config"]):
            run = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60, cwd=self.folder)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn('TLS profile "partner": key_file', run.stderr)
            self.assertIn("is not the key of the certificate", run.stderr)


if __name__ == "__main__":
    harness.main()
