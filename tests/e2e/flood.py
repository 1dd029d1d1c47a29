"""Many callers at once who mean no good, in processes of their own: one may not open as many files, and nobody's tests are to wait
for them. A process is told what to do by lines, and answers each with one of JSON.

Floods come from several addresses of loopback, as if from several machines."""
import argparse
import contextlib
import json
import pathlib
import resource
import select
import socket
import subprocess
import sys
import time

from h2_caller import CANCEL, END_HEADERS, END_STREAM, DATA, HEADERS, RST_STREAM, SETTINGS, frame, header

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIELDS = {":method": "POST", ":scheme": "http", ":path": "/fetchd.v1.FetchService/GetJob", ":authority": "localhost",
          "content-type": "application/grpc", "te": "trailers"}
HEAD = b"".join(header(*field) for field in FIELDS.items())
# What a connection has said when it says no more.
BEGINNINGS = {"nothing": b"", "half a preface": PREFACE[:12], "settings": PREFACE + frame(SETTINGS),
              "half a head": PREFACE + frame(SETTINGS) + frame(HEADERS, HEAD[:20], 0, 1)}


def resets(first, count):
    """Calls that are begun and reset at once, as the streams `first`, `first` + 2, ..."""
    body = b"\0" + bytes(4)
    return b"".join(frame(HEADERS, HEAD, END_HEADERS, stream) + frame(DATA, body, END_STREAM, stream) +
                    frame(RST_STREAM, CANCEL.to_bytes(4, "big"), 0, stream) for stream in range(first, first + 2 * count, 2))


class Worker:
    """One process of a flood."""

    def __init__(self, port, addresses):
        self.port, self.addresses, self.sockets, self.first, self.prepared = port, addresses, [], 1, {}
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def open(self, count, beginning):
        begun, failed = time.monotonic(), 0
        for number in range(count):
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=20,
                                                      source_address=(self.addresses[number % len(self.addresses)], 0))
                connection.setblocking(False)
                self.sockets.append(connection)
                with contextlib.suppress(OSError):
                    connection.send(BEGINNINGS[beginning])
            except OSError:
                failed += 1
        return {"opened": len(self.sockets), "failed": failed, "seconds": time.monotonic() - begun}

    def held(self):
        """How many the server has not ended. What it says is read and dropped."""
        poller, by_fd = select.poll(), {connection.fileno(): connection for connection in self.sockets}
        for fd in by_fd:
            poller.register(fd, select.POLLIN)
        for fd, _ in poller.poll(0):
            if self.has_ended(by_fd[fd]):
                by_fd.pop(fd).close()
        self.sockets = list(by_fd.values())
        return {"held": len(self.sockets)}

    def has_ended(self, connection):
        try:
            while piece := connection.recv(1 << 16):
                pass
            return not piece
        except BlockingIOError:
            return False
        except OSError:
            return True

    def reset(self, streams):
        """As many calls on each connection, begun and reset at once; the next streams the next time."""
        if streams not in self.prepared:
            self.prepared = {streams: resets(self.first, streams)}
        octets, begun, sent = self.prepared.pop(streams), time.monotonic(), 0
        self.first += 2 * streams
        for connection in self.sockets:
            with contextlib.suppress(OSError):
                connection.settimeout(2)
                connection.sendall(octets)
                sent += streams
            connection.setblocking(False)
        return {"sent": sent, "seconds": time.monotonic() - begun, **self.held()}

    def serve(self):
        for line in sys.stdin:
            order, *arguments = json.loads(line)
            print(json.dumps(getattr(self, order)(*arguments)), flush=True)


class Flood:
    """`processes` that do the same together; their figures are added up."""

    def __init__(self, port, addresses, processes=4):
        self.workers = [subprocess.Popen([sys.executable, "-B", pathlib.Path(__file__), "--port", str(port),
                                          *(word for address in addresses[number::processes] for word in ("--address", address))],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                        for number in range(processes)]

    def order(self, *words):
        for worker in self.workers:
            worker.stdin.write(json.dumps(words) + "\n")
            worker.stdin.flush()
        answers = [json.loads(worker.stdout.readline()) for worker in self.workers]
        return {key: (max if key == "seconds" else sum)(answer[key] for answer in answers) for key in answers[0]}

    def open(self, count, beginning="nothing"):
        return self.order("open", count // len(self.workers), beginning)

    def held(self):
        return self.order("held")["held"]

    def reset(self, streams):
        return self.order("reset", streams)

    def stop(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()
            worker.stdin.close()
            worker.stdout.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", action="append", required=True)
    options = parser.parse_args()
    Worker(options.port, options.address).serve()
