#!/usr/bin/env python3
"""TLS on the API: who connects, whom he sees, and new certificates without a restart."""
import os
import socket
import ssl
import subprocess
import time
import warnings

import certificates
import harness

NAMES = "DNS:localhost,IP:127.0.0.1"
GOAWAY = 7  # RFC 9113 6.8


class TlsTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.authority = certificates.Authority(self.folder / "ca")
        self.certificate, self.key = self.authority.issue("server", NAMES)

    def new_tls_server(self, *settings):
        server = self.new_server(f"grpc.tls.certificate_file={self.certificate}", f"grpc.tls.key_file={self.key}",
                                 "grpc.reload_interval=1s", *settings)
        server.connect = ["--ca-file", self.authority.file]
        return server

    def shown_certificate(self, server):
        context = ssl.create_default_context(cafile=self.authority.file)
        context.set_alpn_protocols(["h2"])
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                self.assertIn(secured.version(), ("TLSv1.2", "TLSv1.3"))
                return secured.getpeercert(binary_form=True)

    def test_a_job_goes_through_tls_and_plain_text_does_not(self):
        url = self.start_nginx().add("body", b"body")
        server = self.new_tls_server().start()

        server.ctl("submit", "--wait", url)

        server.connect = []
        self.assertEqual(server.ctl("list", check=False).returncode, 3)

    def test_a_probe_needs_the_authority_and_no_token(self):
        known = self.folder / "callers.yaml"
        known.write_text(f"tokens: [{{sha256: {'0' * 64}, principal: nobody, roles: [admin]}}]\n")
        server = self.new_tls_server(f"callers.file={known}")
        server.connect = []

        def probe(**variables):
            return subprocess.run([harness.binaries["fetchctl"], "health", "--request-timeout", "5s"], capture_output=True, text=True,
                                  timeout=60, env={**os.environ, "FETCHCTL_SERVER": server.address, **variables})

        trusting = {"FETCHCTL_CA_FILE": str(self.authority.file)}
        server.launch()
        harness.wait_for(lambda: probe(**trusting).returncode == 0, "it is healthy")

        self.assertEqual(probe(**trusting).stdout, "SERVING\n")
        self.assertEqual(probe().returncode, 3, "plain text gets an answer")
        self.assertEqual(probe(**trusting, FETCHCTL_SERVER_NAME="other.example").returncode, 3, "any certificate will do")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(probe(**trusting).returncode, 3)

    def test_a_caller_with_tls_1_1_does_not_get_in(self):
        server = self.new_tls_server().start()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority.file)
        context.set_ciphers("ALL:@SECLEVEL=0")  # So that the client offers it at all.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            # The server hangs up, with or without an alert; what the client itself refuses reads otherwise.
            with self.assertRaisesRegex(OSError, "(?i)EOF occurred|protocol.version|reset by peer"):
                context.wrap_socket(plain, server_hostname="localhost")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                self.assertEqual(secured.version(), "TLSv1.2")

    def test_a_connection_that_showed_a_certificate_ends_after_its_age(self):
        callers = certificates.Authority(self.folder / "callers")
        known = self.folder / "callers.yaml"
        known.write_text("certificates: [{dns: caller.example, principal: caller, roles: [admin]}]\n")
        mine = callers.issue("caller", "DNS:caller.example")
        server = self.new_tls_server(f"grpc.tls.client_ca_file={callers.file}", "grpc.tls.connection_age=2s",
                                     f"callers.file={known}")
        server.connect += ["--cert-file", mine[0], "--key-file", mine[1]]
        server.start()
        context = ssl.create_default_context(cafile=self.authority.file)
        context.set_alpn_protocols(["h2"])
        context.load_cert_chain(*mine)

        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
                self.assertIn(GOAWAY, self.frames_until(secured, GOAWAY))

    def frames_until(self, connection, last):
        """The types of the frames that come, up to `last` or the end."""
        types, data = [], b""
        while last not in types:
            piece = connection.recv(65536)
            if not piece:
                break
            data += piece
            while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                types.append(data[3])
                data = data[9 + int.from_bytes(data[:3], "big"):]
        return types

    def test_a_server_that_another_authority_vouches_for_is_not_trusted(self):
        server = self.new_tls_server().start()
        server.connect = ["--ca-file", certificates.Authority(self.folder / "other").file]

        self.assertEqual(server.ctl("list", check=False).returncode, 3)

    def test_the_name_in_the_certificate_may_be_given(self):
        self.certificate, self.key = self.authority.issue("named", "DNS:fetchd.example")
        server = self.new_tls_server()
        server.connect += ["--server-name", "fetchd.example"]
        server.start()

        server.connect = ["--ca-file", self.authority.file]
        self.assertEqual(server.ctl("list", check=False).returncode, 3)
        os.environ["FETCHCTL_SERVER_NAME"] = "fetchd.example"
        self.addCleanup(os.environ.pop, "FETCHCTL_SERVER_NAME")
        server.ctl("list")

    def test_a_caller_without_a_certificate_of_the_authority_does_not_get_in(self):
        callers = certificates.Authority(self.folder / "callers")
        known = self.folder / "callers.yaml"
        known.write_text("certificates: [{dns: caller.example, principal: caller, roles: [admin]}]\n")
        server = self.new_tls_server(f"grpc.tls.client_ca_file={callers.file}", f"callers.file={known}")
        mine = callers.issue("caller", "DNS:caller.example")
        theirs = certificates.Authority(self.folder / "others").issue("caller", "DNS:caller.example")
        server.connect += ["--cert-file", mine[0], "--key-file", mine[1]]
        server.start()

        server.connect = ["--ca-file", self.authority.file]
        self.assertEqual(server.ctl("list", check=False).returncode, 3)
        server.connect += ["--cert-file", theirs[0], "--key-file", theirs[1]]
        self.assertEqual(server.ctl("list", check=False).returncode, 3)

    def test_a_new_certificate_is_shown_to_new_connections_without_a_restart(self):
        server = self.new_tls_server().start()
        first = self.shown_certificate(server)
        url = self.start_nginx(slow_rate="1").add("slow/body", b"body" * 1000)

        new = self.authority.issue("next", NAMES)
        for source, target in zip(new, (self.certificate, self.key)):
            os.replace(source, target)

        harness.wait_for(lambda: self.shown_certificate(server) != first, "the new certificate is shown", 15)
        server.submit(url)  # And it serves as before.

    def test_a_file_that_is_gone_leaves_what_it_held(self):
        server = self.new_tls_server().start()
        first = self.shown_certificate(server)

        self.certificate.unlink()
        time.sleep(2.5)  # There is no event for "it was not read": two intervals.

        self.assertEqual(self.shown_certificate(server), first)

    def test_a_broken_file_is_mended_without_a_restart(self):
        server = self.new_tls_server().start()
        whole = self.certificate.read_text()

        self.certificate.write_text("no certificate")
        harness.wait_for(lambda: server.ctl("list", check=False).returncode == 3, "nobody gets in", 15)
        self.certificate.write_text(whole)

        harness.wait_for(lambda: server.ctl("list", check=False).returncode == 0, "callers get in again", 15)

    def test_files_that_are_of_no_use_are_told_before_the_start(self):
        other = self.authority.issue("other", NAMES)
        cases = {"is not the key of the certificate": (self.certificate, other[1], ""),
                 "No such file": (self.folder / "none.pem", self.key, ""),
                 "grpc.tls.client_ca_file": (self.certificate, self.key, f"grpc.tls.client_ca_file={self.folder}/none")}
        for expected, (certificate, key, more) in cases.items():
            with self.subTest(expected):
                server = self.new_server(f"grpc.tls.certificate_file={certificate}", f"grpc.tls.key_file={key}",
                                         *([more] if more else []))
                run = harness.subprocess.run(server.command(), capture_output=True, text=True, timeout=60)
                self.assertEqual(run.returncode, 1)
                self.assertIn("grpc.tls", run.stderr)
                self.assertIn(expected, run.stderr)


if __name__ == "__main__":
    harness.main()
