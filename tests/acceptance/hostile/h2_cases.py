"""Cases of HTTP/2: what is sent after the greeting, and what RFC 9113 wants. Stream 1 is open (a call without its message) where a case says so.

A case is (name, section, bytes, wanted). Wanted is one of:
  goaway(code, ...)   a connection error: GOAWAY with one of the codes, then the end
  reset(code, ...)    a stream error: RST_STREAM with one of the codes; the connection goes on
  answered(status)    an HTTP status; the connection goes on
  NOTHING             it is ignored; the connection goes on
"""

import struct

from frames import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENABLE_PUSH, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, PADDED, PING,
                    PRIORITY, PRIORITY_FLAG, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, grpc_fields, message)


class Wanted:
    def __init__(self, kind, values):
        self.kind, self.values = kind, values

    def __str__(self):
        return f"{self.kind} {' or '.join(map(str, self.values))}".strip()


def goaway(*codes):
    return Wanted("goaway", codes)


def reset(*codes):
    return Wanted("reset", codes)


def answered(*statuses):
    return Wanted("answered", statuses)


NOTHING = Wanted("nothing", ())
SILENT_END = Wanted("end", ())

OPEN = frame(HEADERS, END_HEADERS, 1, block(grpc_fields()))
WHOLE = block(grpc_fields())


def setting(identifier, value):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", identifier, value))


def head(pairs, flags=END_HEADERS | END_STREAM, stream=1):
    return frame(HEADERS, flags, stream, block(pairs))


def without(name):
    return [(field, value) for field, value in grpc_fields() if field != name]


def u32(value):
    return struct.pack(">I", value)


def in_pieces(fields, size, stream=1):
    """A head of HEADERS and CONTINUATIONs that ends its stream."""
    pieces = [fields[at:at + size] for at in range(0, len(fields), size)]
    return b"".join(frame(CONTINUATION if i else HEADERS, (0 if i else END_STREAM) | (END_HEADERS if i == len(pieces) - 1 else 0), stream, piece)
                    for i, piece in enumerate(pieces))


PROTOCOL, SIZE, FLOW, CLOSED, COMPRESSION = "PROTOCOL_ERROR", "FRAME_SIZE_ERROR", "FLOW_CONTROL_ERROR", "STREAM_CLOSED", "COMPRESSION_ERROR"

CASES = [
    # Frames (4).
    ("a frame larger than the maximum", "4.2", frame(DATA, 0, 1, b"x" * 16_385), goaway(SIZE)),
    ("a frame type nobody knows", "4.1", frame(0x42, 0xff, 0, b"what"), NOTHING),
    ("a flag nobody knows", "4.1", frame(PING, 0xf6, 0, b"8 bytes."), NOTHING),
    ("a reserved bit", "4.1", frame(PING, 0, 0x80000000, b"8 bytes."), NOTHING),
    ("a header block with an impossible index", "4.3", frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\x7f"), goaway(COMPRESSION)),
    ("a header block with index 0", "RFC 7541 6.1", frame(HEADERS, END_HEADERS, 1, b"\x80"), goaway(COMPRESSION)),
    ("a table larger than allowed", "RFC 7541 6.3", frame(HEADERS, END_HEADERS, 1, b"\x3f\xe1\xff\x03" + WHOLE), goaway(COMPRESSION)),
    ("a table size after the first field", "RFC 7541 4.2", frame(HEADERS, END_HEADERS, 1, WHOLE + b"\x20"), goaway(COMPRESSION)),
    ("a string that ends within its code", "RFC 7541 5.2", frame(HEADERS, END_HEADERS, 1, b"\x00\x01a\x82\xff\xff"), goaway(COMPRESSION)),
    ("another frame within a header block", "4.3", frame(HEADERS, 0, 1, WHOLE) + frame(PING, 0, 0, b"8 bytes."), goaway(PROTOCOL)),
    ("another stream's header within a header block", "4.3", frame(HEADERS, 0, 1, WHOLE) + frame(HEADERS, END_HEADERS, 3, WHOLE), goaway(PROTOCOL)),
    # Streams (5).
    ("data on an idle stream", "5.1", frame(DATA, 0, 1, b"x"), goaway(PROTOCOL)),
    ("a reset of an idle stream", "5.1", frame(RST_STREAM, 0, 1, u32(8)), goaway(PROTOCOL)),
    ("a window update of an idle stream", "5.1", frame(WINDOW_UPDATE, 0, 1, u32(1)), goaway(PROTOCOL)),
    ("a continuation of nothing", "6.10", frame(CONTINUATION, END_HEADERS, 1, WHOLE), goaway(PROTOCOL)),
    ("data after the end of the stream", "5.1", OPEN + frame(DATA, END_STREAM, 1, message()) + frame(DATA, END_STREAM, 1, b"x"),
     Wanted("goaway or reset", (CLOSED,))),
    ("a second head after the end of the stream", "5.1", OPEN + frame(DATA, END_STREAM, 1, message()) + frame(HEADERS, END_HEADERS | END_STREAM, 1, WHOLE),
     Wanted("goaway or reset", (CLOSED,))),
    ("data on a stream that the client has reset", "5.1", OPEN + frame(RST_STREAM, 0, 1, u32(8)) + frame(DATA, END_STREAM, 1, b"x"),
     Wanted("goaway, reset or nothing", (CLOSED,))),
    ("an even stream", "5.1.1", frame(HEADERS, END_HEADERS | END_STREAM, 2, WHOLE), goaway(PROTOCOL)),
    ("a stream number that goes back", "5.1.1", frame(HEADERS, END_HEADERS, 5, WHOLE) + frame(HEADERS, END_HEADERS, 3, WHOLE), Wanted("goaway or nothing", (PROTOCOL, CLOSED))),  # taken for a late frame of a stream that is over
    ("a head on stream 0", "6.2", frame(HEADERS, END_HEADERS, 0, WHOLE), goaway(PROTOCOL)),
    # DATA and padding (6.1).
    ("data on stream 0", "6.1", frame(DATA, 0, 0, b"x"), goaway(PROTOCOL)),
    ("more padding than data", "6.1", OPEN + frame(DATA, PADDED, 1, b"\x05ab"), goaway(PROTOCOL)),
    ("more padding than head", "6.2", frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + WHOLE[:20]), goaway(PROTOCOL)),
    ("a padded frame without its length", "6.1", OPEN + frame(DATA, PADDED, 1, b""), goaway(SIZE, PROTOCOL)),
    # PRIORITY (5.3.2): ignored but for its shape.
    ("a priority", "6.3", frame(PRIORITY, 0, 7, u32(0) + b"\x10"), NOTHING),
    ("a priority on stream 0", "6.3", frame(PRIORITY, 0, 0, u32(3) + b"\x10"), goaway(PROTOCOL)),
    ("a priority too short", "6.3", OPEN + frame(PRIORITY, 0, 1, b"\0\0\0\0"), Wanted("goaway or reset", (SIZE,))),
    ("a head with a priority", "6.2", frame(HEADERS, END_HEADERS | END_STREAM | PRIORITY_FLAG, 1, u32(0) + b"\x10" + WHOLE), answered(200)),
    # RST_STREAM (6.4).
    ("a reset of stream 0", "6.4", frame(RST_STREAM, 0, 0, u32(8)), goaway(PROTOCOL)),
    ("a reset too short", "6.4", OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0"), goaway(SIZE)),
    ("a reset with an error nobody knows", "7", OPEN + frame(RST_STREAM, 0, 1, u32(0xabcdef)), NOTHING),
    # SETTINGS (6.5).
    ("settings on a stream", "6.5", frame(SETTINGS, 0, 1, b""), goaway(PROTOCOL)),
    ("settings of five bytes", "6.5", frame(SETTINGS, 0, 0, b"\0\4\0\0\0"), goaway(SIZE)),
    ("settings acknowledged twice", "6.5.3", frame(SETTINGS, ACK, 0, b"") * 2, goaway(PROTOCOL)),
    ("an acknowledgement with settings", "6.5", frame(SETTINGS, ACK, 0, struct.pack(">HI", 4, 1)), goaway(SIZE)),
    ("push that is neither on nor off", "6.5.2", setting(ENABLE_PUSH, 2), goaway(PROTOCOL)),
    ("a window of 2^31", "6.5.2", setting(INITIAL_WINDOW_SIZE, 1 << 31), goaway(FLOW)),
    ("a frame size too small", "6.5.2", setting(MAX_FRAME_SIZE, 16_383), goaway(PROTOCOL)),
    ("a frame size too large", "6.5.2", setting(MAX_FRAME_SIZE, 1 << 24), goaway(PROTOCOL)),
    ("a setting nobody knows", "6.5.2", setting(0xabcd, 7), NOTHING),
    # PUSH_PROMISE, PING, GOAWAY (6.6 to 6.8).
    ("a promise from a client", "8.4", OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, u32(2) + WHOLE), goaway(PROTOCOL)),
    ("a ping of seven bytes", "6.7", frame(PING, 0, 0, b"7 bytes"), goaway(SIZE)),
    ("a ping on a stream", "6.7", frame(PING, 0, 1, b"8 bytes."), goaway(PROTOCOL)),
    ("an answer to a ping that was never sent", "6.7", frame(PING, ACK, 0, b"8 bytes."), NOTHING),
    ("a farewell on a stream", "6.8", frame(GOAWAY, 0, 1, u32(0) + u32(0)), goaway(PROTOCOL)),
    ("a farewell too short", "6.8", frame(GOAWAY, 0, 0, u32(0)), goaway(SIZE)),
    # WINDOW_UPDATE (6.9).
    ("a window update of nothing", "6.9", frame(WINDOW_UPDATE, 0, 0, u32(0)), goaway(PROTOCOL)),
    ("a window update of nothing on a stream", "6.9", OPEN + frame(WINDOW_UPDATE, 0, 1, u32(0)), Wanted("goaway or reset", (PROTOCOL,))),
    ("a window update too short", "6.9", frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"), goaway(SIZE)),
    ("a window beyond 2^31 - 1", "6.9.1", frame(WINDOW_UPDATE, 0, 0, u32(0x7fffffff)), goaway(FLOW)),
    ("a stream's window beyond 2^31 - 1", "6.9.1", OPEN + frame(WINDOW_UPDATE, 0, 1, u32(0x7fffffff)), reset(FLOW)),
    ("a first window that makes an open stream's overflow", "6.9.2",
     OPEN + frame(WINDOW_UPDATE, 0, 1, u32(0x7fff0000 - 1)) + setting(INITIAL_WINDOW_SIZE, 0x7fffffff), Wanted("goaway or reset", (FLOW,))),
    ("more data than the stream's window takes", "6.9.1", OPEN + frame(DATA, 0, 1, b"x" * 16_384) * 80, Wanted("goaway, reset or answered", (FLOW, 200))),
    # Requests (8).
    ("a name in upper case", "8.2.1", head([*grpc_fields(), ("X-Loud", "1")]), reset(PROTOCOL)),
    ("a value with a line end", "8.2.1", head([*grpc_fields(), ("x-split", "a\r\nb: c")]), reset(PROTOCOL)),
    ("a pseudo field nobody knows", "8.3", head([(":what", "1"), *grpc_fields()]), reset(PROTOCOL)),
    ("a field of answers", "8.3", head([(":status", "200"), *grpc_fields()]), reset(PROTOCOL)),
    ("a pseudo field after the others", "8.3", head([*without(":path"), (":path", "/x")]), reset(PROTOCOL)),
    ("two paths", "8.3.1", head([(":path", "/x"), *grpc_fields()]), reset(PROTOCOL)),
    ("no method", "8.3.1", head(without(":method")), reset(PROTOCOL)),
    ("no scheme", "8.3.1", head(without(":scheme")), reset(PROTOCOL)),
    ("no path", "8.3.1", head(without(":path")), reset(PROTOCOL)),
    ("an empty path", "8.3.1", head([(":path", ""), *without(":path")]), reset(PROTOCOL)),
    ("a field of the connection", "8.2.2", head([*grpc_fields(), ("connection", "keep-alive")]), reset(PROTOCOL)),
    ("te other than trailers", "8.2.2", head([*without("te"), ("te", "gzip")]), reset(PROTOCOL)),
    ("less body than its length says", "8.1.1", head([*grpc_fields(), ("content-length", "7")], END_HEADERS) + frame(DATA, END_STREAM, 1, message()),
     reset(PROTOCOL)),
    ("more body than its length says", "8.1.1", head([*grpc_fields(), ("content-length", "1")], END_HEADERS) + frame(DATA, END_STREAM, 1, message()),
     reset(PROTOCOL)),
    ("pseudo fields in trailers", "8.1", OPEN + frame(DATA, 0, 1, message()) + head([(":path", "/x")]), reset(PROTOCOL)),
    ("trailers that do not end the stream", "8.1", OPEN + frame(DATA, 0, 1, message()) + head([("x", "y")], END_HEADERS),
     Wanted("goaway or reset", (PROTOCOL,))),
    ("a head in a dozen pieces", "6.10", in_pieces(WHOLE, len(WHOLE) // 11), answered(200)),
    ("a head beyond the limit", "6.5.2", in_pieces(block([*grpc_fields(), ("x-large", "l" * 40_000), ("x-larger", "l" * 40_000)]), 16_384),
     answered(431)),
    ("a field larger than nghttp2 unfolds", "10.5.1", in_pieces(block([*grpc_fields(), ("x-large", "l" * 70_000)]), 16_384), goaway(COMPRESSION)),
    ("3,000 fields", "10.5.1", in_pieces(block([*grpc_fields(), *((f"x-{i}", "y") for i in range(3_000))]), 16_384), answered(431)),
    # The field is put into the table once; each byte that follows stands for it.
    ("fields that unfold to 48 MB", "10.5.1",
     frame(HEADERS, END_HEADERS | END_STREAM, 1, WHOLE + block([("x-bomb", "b" * 4_000)], 0x40) + b"\xbe" * 12_000), answered(431)),
]

# Answers that end the connection before it has begun.
GREETINGS = [
    ("HTTP/1 with a method that is none", b"B(REW /pot HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400"),
    ("another preface", b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS), b""),
    ("a ping before the settings", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(PING, 0, 0, b"8 bytes."), b""),
    ("an acknowledgement instead of settings", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, ACK), b""),
    ("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"HTTP/1.1 400"),
]
