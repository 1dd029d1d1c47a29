"""A DNS server that says what a test wants."""
import socket
import socketserver
import struct
import threading


class DnsServer:
    """Answers A questions on a UDP port of loopback from `names`; no such name otherwise. An answer is an address, or a list
    of them, of which each question gets the next and the last one serves for ever. While `failing`: SERVFAIL."""

    def __init__(self, names, ttl=60):
        self.names, self.ttl, self.failing, self.asked = names, ttl, False, []
        dns = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request[1].sendto(dns.answer(self.request[0]), self.client_address)

        self.server = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += query[at] + 1
        question, name = query[12:at + 5], ".".join(labels)
        is_a = struct.unpack(">H", query[at + 1:at + 3])[0] == 1
        code = 2 if self.failing else 0 if name in self.names else 3
        records = b""
        if code == 0 and is_a:
            records = struct.pack(">HHHIH", 0xC00C, 1, 1, self.ttl, 4) + socket.inet_aton(self.next_address(name))
        return query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, bool(records), 0, 0) + question + records

    def next_address(self, name):
        answers = self.names[name]
        address = answers if isinstance(answers, str) else answers.pop(0) if len(answers) > 1 else answers[0]
        self.asked.append((name, address))
        return address

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
