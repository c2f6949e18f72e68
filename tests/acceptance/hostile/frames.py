"""Talk: HTTP/2 spoken by hand over one socket, rightly or wrongly. Fields are written without compression and read with Debian's hpack."""

import socket
import struct
import sys
import time

try:
    import hpack
except ImportError as error:
    sys.exit(f"{error}: Debian's python3-hpack is needed, and /usr/bin/python3: ./dev setup test")

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)

ERRORS = ("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
          "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 65_535
ANSWER_SECONDS = 30


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    size = len(payload) if length is None else length
    return struct.pack(">BHBBI", size >> 16, size & 0xffff, kind, flags, stream) + payload


def integer(value, bits, first=0):
    """HPACK's integer (RFC 7541 5.1)."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    out = [first | limit]
    value -= limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out + [value])


def block(pairs, kind=0x00):
    """A header block of literal fields; kind 0x40 puts each into the dynamic table."""
    out = b""
    for name, value in pairs:
        name, value = (text if isinstance(text, bytes) else text.encode() for text in (name, value))
        out += bytes([kind]) + integer(len(name), 7) + name + integer(len(value), 7) + value
    return out


def settings(**values):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", globals()[name.upper()], value) for name, value in values.items()))


def grpc_fields(path="/grpc.health.v1.Health/Check", more=()):
    return [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "here"), ("content-type", "application/grpc"), ("te", "trailers"),
            *more]


def message(body=b"", compressed=0, length=None):
    return struct.pack(">BI", compressed, len(body) if length is None else length) + body


def call(stream, path="/grpc.health.v1.Health/Check", body=b"", more=()):
    """The frames of one unary call."""
    return (frame(HEADERS, END_HEADERS, stream, block(grpc_fields(path, more))) + frame(DATA, END_STREAM, stream, message(body)))


class Ended(Exception):
    """The server has closed the connection."""


class Talk:
    """One connection. What comes is taken apart when somebody waits for it."""

    def __init__(self, endpoint, greets=True, first_settings=None, receive_buffer=None, grants=True):
        host, port = endpoint.rsplit(":", 1)
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect((host, int(port)))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.decoder = hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.grants = grants
        self.bytes = b""
        self.fields = {}    # stream: names and values, of head and trailers
        self.bodies = {}    # stream: bytes
        self.ended = set()  # streams that the server has ended
        self.resets = {}    # stream: error
        self.goaway = None  # error
        self.goaway_text = b""
        self.acks = 0
        self.has_settings = False
        self.granted = {}   # stream: bytes that the server lets be sent beyond the first window
        self.is_over = False
        if greets:
            self.send(PREFACE + (first_settings or settings()))

    def send(self, data):
        """False when the server no longer takes it."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            return False

    def send_within_window(self, data, stream):
        """Pauses while the server has not taken what was sent."""
        step = 1 << 19
        self.run_until(lambda: self.has_settings)  # the windows are theirs from the acknowledgement on
        for at in range(0, len(data), step):
            self.run_until(lambda: self.granted.get(stream, 0) >= at - step or stream in self.ended)
            self.send(data[at:at + step])

    def close(self):
        self.sock.close()

    def abort(self):
        """Closes with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def read_frame(self, deadline):
        while True:
            if len(self.bytes) >= 9:
                size = int.from_bytes(self.bytes[:3], "big")
                if len(self.bytes) >= 9 + size:
                    head, payload, self.bytes = self.bytes[:9], self.bytes[9:9 + size], self.bytes[9 + size:]
                    return head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7fffffff, payload
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
            try:
                more = self.sock.recv(1 << 18)
            except ConnectionError:
                more = b""
            except socket.timeout:
                raise TimeoutError from None
            if not more:
                self.is_over = True
                raise Ended
            self.bytes += more

    def take(self, deadline):
        kind, flags, stream, payload = self.read_frame(deadline)
        if kind == HEADERS:
            self.fields.setdefault(stream, {}).update(self.decoder.decode(payload))
        elif kind == DATA:
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
            if self.grants and payload:
                step = struct.pack(">I", len(payload))
                self.send(frame(WINDOW_UPDATE, 0, 0, step) + (b"" if flags & END_STREAM else frame(WINDOW_UPDATE, 0, stream, step)))
        elif kind == RST_STREAM:
            self.resets[stream] = ERRORS[int.from_bytes(payload, "big")]
            self.ended.add(stream)
        elif kind == GOAWAY:
            self.goaway = ERRORS[int.from_bytes(payload[4:8], "big")]
            self.goaway_text = payload[8:]
        elif kind == SETTINGS and not flags & ACK:
            self.has_settings = True
            self.send(frame(SETTINGS, ACK))
        elif kind == WINDOW_UPDATE:
            self.granted[stream] = self.granted.get(stream, 0) + int.from_bytes(payload, "big")
        elif kind in (SETTINGS, PING) and flags & ACK:
            self.acks += 1
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.ended.add(stream)

    def run_until(self, is_done, seconds=ANSWER_SECONDS):
        """True when is_done came true; False when the connection ended or the time is over."""
        deadline = time.monotonic() + seconds
        while not is_done():
            try:
                self.take(deadline)
            except (Ended, TimeoutError):
                return is_done()
        return True

    def run_to_end(self, seconds=ANSWER_SECONDS):
        return self.run_until(lambda: self.is_over, seconds)

    def answer(self, stream, seconds=ANSWER_SECONDS):
        """grpc-status and message of a call, its reset, or None when there is no answer."""
        self.run_until(lambda: stream in self.ended or self.goaway not in (None, "NO_ERROR"), seconds)
        if stream in self.resets and "grpc-status" not in self.fields.get(stream, {}):
            return self.resets[stream]
        fields = self.fields.get(stream, {})
        return (int(fields["grpc-status"]), fields.get("grpc-message", "")) if "grpc-status" in fields else fields.get(":status")

    def is_served(self, stream):
        """A health check on this stream is answered: the connection is alive and well."""
        self.send(call(stream))
        return self.answer(stream) == (0, "")
