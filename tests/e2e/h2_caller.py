"""A caller of the API who does with HTTP/2 what no library would: frames as they are written, no more of the answer read than is
asked for. Plain text; knows as much of HPACK as gRPC's answers need (RFC 7541 without Huffman codes, which gRPC uses for binary
fields only, and not towards who takes them as they are)."""
import contextlib
import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
REFUSED_STREAM, CANCEL = 7, 8
TRUE_BINARY = 0xFE03  # A setting of gRPC's own: binary fields may come as they are.
# Names alone: of the values gRPC's answers use ":status: 200" (8) only.
STATIC_NAMES = """:authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status
accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow authorization
cache-control content-disposition content-encoding content-language content-length content-location content-range content-type
cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link
location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie
strict-transport-security transfer-encoding user-agent vary via www-authenticate""".split()


def frame(kind, payload=b"", flags=0, stream=0):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def integer(value, prefix=7, flags=0):
    most = (1 << prefix) - 1
    if value < most:
        return bytes([flags | value])
    out, value = bytearray([flags | most]), value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out) + bytes([value])


def header(name, value):
    """Literal, never indexed."""
    name, value = (text if isinstance(text, bytes) else text.encode() for text in (name, value))
    return b"\x10" + integer(len(name)) + name + integer(len(value)) + value


def message(fields):
    """A protobuf message from {number: text, bytes, int, dict, or a list of these}."""
    out = b""
    for number, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, int):
                out += integer_of_protobuf(number << 3) + integer_of_protobuf(value)
                continue
            value = message(value) if isinstance(value, dict) else value if isinstance(value, bytes) else value.encode()
            out += integer_of_protobuf(number << 3 | 2) + integer_of_protobuf(len(value)) + value
    return out


def integer_of_protobuf(value):
    out = bytearray()
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out) + bytes([value])


class HeaderTable:
    """The peer's fields, as they come."""

    def __init__(self):
        self.dynamic = []

    def read(self, block):
        fields, self.block, self.at = {}, block, 0
        while self.at < len(block):
            first = block[self.at]
            if first & 0x80:
                name, value = self.entry(self.integer(7))
            elif first & 0xE0 == 0x20:
                self.integer(5)  # The table's size.
                continue
            else:
                index = self.integer(6 if first & 0x40 else 4)
                name = self.entry(index)[0] if index else self.text()
                value = self.text()
                if first & 0x40:
                    self.dynamic.insert(0, (name, value))
            fields[name] = value
        return fields

    def entry(self, index):
        if index <= len(STATIC_NAMES):
            return STATIC_NAMES[index - 1], "200" if index == 8 else ""
        return self.dynamic[index - len(STATIC_NAMES) - 1]

    def integer(self, prefix):
        most = (1 << prefix) - 1
        value, self.at = self.block[self.at] & most, self.at + 1
        shift = 0
        while value >= most and (shift == 0 or self.block[self.at - 1] & 0x80):
            value += (self.block[self.at] & 0x7F) << shift
            shift, self.at = shift + 7, self.at + 1
        return value

    def text(self):
        size = self.integer(7)
        self.at += size
        octets = self.block[self.at - size:self.at]
        # Fields that end in "-bin" come as they are.
        return octets.decode() if octets.isascii() else octets


class Stream:
    def __init__(self, window=0):
        self.headers, self.data, self.ended, self.reset = {}, bytearray(), False, None
        self.window = window  # What may be sent.

    @property
    def over(self):
        return self.ended or self.reset is not None

    @property
    def status(self):
        """gRPC's, once there is one."""
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None


class Caller:
    """One connection. `window` is what the server may send on each stream before it is asked for more, which never happens;
    `source` is the address to come from."""

    def __init__(self, port, window=65535, source="127.0.0.1", token=None, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0))
        self.token, self.next_stream, self.streams, self.goaway, self.closed = token, 1, {}, None, False
        self.unread, self.table = b"", HeaderTable()
        self.window = self.window_of_streams = 65535  # What may be sent: on all streams, on a new one.
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, struct.pack(">HIHI", 4, window, TRUE_BINARY, 1)) +
                  frame(WINDOW_UPDATE, struct.pack(">I", 1 << 30)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def reply(self, octets):
        """To what the server may have sent before it hung up."""
        with contextlib.suppress(ConnectionError):
            self.send(octets)

    def head(self, method, service="FetchService"):
        fields = {":method": "POST", ":scheme": "http", ":path": f"/fetchd.v1.{service}/{method}", ":authority": "localhost",
                  "content-type": "application/grpc", "te": "trailers"}
        if self.token:
            fields["authorization"] = f"Bearer {self.token}"
        return b"".join(header(*field) for field in fields.items())

    def begin(self, method, body=b"", more=b"", end=True):
        """The frames of a call, and its stream. `more`: further fields."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.streams[stream] = Stream(self.window_of_streams)
        framed = b"\0" + len(body).to_bytes(4, "big") + body
        return stream, (frame(HEADERS, self.head(method) + more, END_HEADERS, stream) +
                        frame(DATA, framed, END_STREAM if end else 0, stream))

    def call(self, method, body=b"", more=b"", end=True):
        stream, frames = self.begin(method, body, more, end)
        self.send(frames)
        return stream

    def read_until(self, condition):
        """Reads the server's frames until it holds, or the connection has ended."""
        while not condition(self) and not self.closed:
            while len(self.unread) < 9 or len(self.unread) < 9 + int.from_bytes(self.unread[:3], "big"):
                piece = b""
                with contextlib.suppress(ConnectionError):
                    piece = self.socket.recv(1 << 16)
                if not piece:
                    self.closed = True
                    return
                self.unread += piece
            size = int.from_bytes(self.unread[:3], "big")
            kind, flags, stream = self.unread[3], self.unread[4], int.from_bytes(self.unread[5:9], "big") & 0x7FFFFFFF
            payload, self.unread = self.unread[9:9 + size], self.unread[9 + size:]
            self.take(kind, flags, stream, payload)

    def take(self, kind, flags, number, payload):
        stream = self.streams.get(number, Stream())
        if kind == SETTINGS and not flags & ACK:
            self.reply(frame(SETTINGS, flags=ACK))
            for key, value in struct.iter_unpack(">HI", payload):
                if key == 4:
                    for other in self.streams.values():
                        other.window += value - self.window_of_streams
                    self.window_of_streams = value
        elif kind == WINDOW_UPDATE:
            more = int.from_bytes(payload, "big")
            if number:
                stream.window += more
            else:
                self.window += more
        elif kind == PING and not flags & ACK:
            self.reply(frame(PING, payload, ACK))
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big"), payload[8:]
        elif kind == HEADERS:
            stream.headers |= self.table.read(payload)
        elif kind == DATA:
            stream.data += payload
        elif kind == RST_STREAM:
            stream.reset = int.from_bytes(payload, "big")
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            stream.ended = True

    def pour(self, number, octets):
        """Sends them on the stream as the server lets it, and no end. How many it took until it was silent for a while."""
        stream, sent = self.streams[number], 0
        while sent < len(octets) and not stream.over and not self.closed:
            size = min(len(octets) - sent, self.window, stream.window, 16384)
            if size > 0:
                self.send(frame(DATA, octets[sent:sent + size], 0, number))
                sent, self.window, stream.window = sent + size, self.window - size, stream.window - size
                continue
            try:
                self.read_until(lambda c: (c.window > 0 and stream.window > 0) or stream.over)
            except TimeoutError:
                break
        return sent

    def answer(self, method, body=b"", more=b""):
        """Of a call that is made and waited for."""
        stream = self.streams[self.call(method, body, more)]
        self.read_until(lambda _: stream.over)
        return stream
