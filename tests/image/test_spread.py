#!/usr/bin/env python3
"""Callers that stay for hours find replicas that came later: a headless service (all addresses under one name), round_robin, and
connections that end after grpc.tls.connection_age."""
import os
import pathlib
import socket
import socketserver
import struct
import subprocess
import threading

import lab
from lab import harness

import certificates  # noqa: E402  lab knows where it is.

HERE = pathlib.Path(__file__).parent
NAME = "fetchd-headless.test"
NAME_SERVER = ("127.0.0.53", 5353)


class HeadlessService(socketserver.ThreadingUDPServer):
    """Says of every name that it has these IPv4 addresses."""

    def __init__(self):
        self.addresses = []
        super().__init__(NAME_SERVER, Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Answer(socketserver.BaseRequestHandler):
    def handle(self):
        query, reply_to = self.request
        end = query.index(b"\0", 12) + 5
        is_a = struct.unpack(">H", query[end - 4:end - 2])[0] == 1
        found = self.server.addresses if is_a else []
        records = b"".join(struct.pack(">HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(address) for address in found)
        reply_to.sendto(query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0) + query[12:end] + records, self.client_address)


class SpreadTest(lab.TestCase):
    def setUp(self):
        super().setUp()
        authority = certificates.Authority(self.folder / "tls")
        self.server_files = authority.issue("server", f"DNS:{NAME}")
        self.caller_files = authority.issue("caller", "DNS:caller.example")
        self.authority = authority.file
        self.callers = self.folder / "tls/callers.yaml"
        self.callers.write_text("certificates: [{dns: caller.example, principal: caller, roles: [admin]}]\n")
        for file in (*self.server_files, self.callers):
            os.chown(file, lab.USER, lab.USER)
        (self.folder / "tls").chmod(0o755)
        self.service = HeadlessService()
        self.addCleanup(self.service.stop)

    def start_replica(self, number, connection_age):
        certificate, key = (file.name for file in self.server_files)
        replica = lab.Container(self, f"replica{number}", 20 + number, "callers.file=/tls/callers.yaml",
                                f"grpc.tls.certificate_file=/tls/{certificate}", f"grpc.tls.key_file=/tls/{key}",
                                f"grpc.tls.client_ca_file=/tls/{self.authority.name}", f"grpc.tls.connection_age={connection_age}")
        replica.options += ["--volume", f"{self.folder}/tls:/tls:ro"]
        replica.connect = ["--server-name", NAME, "--ca-file", self.authority,
                           "--cert-file", self.caller_files[0], "--key-file", self.caller_files[1]]
        replica.start()
        replica.submit("--label", f"replica={number}", "--to", "discard:", "http://127.0.0.1:8080/")
        return replica

    def start_caller(self):
        server, port = NAME_SERVER
        caller = subprocess.Popen(["/usr/bin/python3", "-B", HERE / "spread_caller.py", "--target", f"dns://{server}:{port}/{NAME}:7070",
                                   "--proto", lab.REPOSITORY / "proto", "--ca", self.authority,
                                   "--certificate", self.caller_files[0], "--key", self.caller_files[1]], stdout=subprocess.PIPE, text=True)
        self.addCleanup(caller.communicate)
        self.addCleanup(caller.kill)
        return caller

    def answers(self, caller, calls):
        lines = [lab.read_line(caller).strip() for _ in range(calls)]
        self.assertTrue(all(lines), "the caller ended, or said nothing for a minute")
        return lines

    def serve(self, *numbers):
        self.service.addresses = [f"127.0.0.{20 + number}" for number in numbers]

    def test_a_replica_that_came_later_gets_its_share_and_no_call_fails(self):
        for number in (1, 2):
            self.start_replica(number, "2s")
        self.serve(1, 2)
        caller = self.start_caller()
        before = self.answers(caller, 50)
        self.assertEqual(set(before), {"1", "2"}, before[:5])

        self.start_replica(3, "2s")
        self.serve(1, 2, 3)
        seen = []
        harness.wait_for(lambda: seen.extend(self.answers(caller, 10)) or "3" in seen, "the new one is asked")
        after = self.answers(caller, 90)

        self.assertEqual(set(seen) | set(after), {"1", "2", "3"})
        self.assertGreater(after.count("3"), 15)

    def test_without_an_age_of_connections_it_would_get_none(self):
        for number in (1, 2):
            self.start_replica(number, "1h")
        self.serve(1, 2)
        caller = self.start_caller()
        self.assertEqual(set(self.answers(caller, 50)), {"1", "2"})

        self.start_replica(3, "1h")
        self.serve(1, 2, 3)

        self.assertEqual(set(self.answers(caller, 200)), {"1", "2"})


if __name__ == "__main__":
    lab.main()
