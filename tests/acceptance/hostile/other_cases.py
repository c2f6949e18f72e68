"""Cases of gRPC messages, of JSON and of HTTP/1: what is sent and how it must be answered."""

from frames import END_HEADERS, END_STREAM, DATA, HEADERS, block, frame, grpc_fields, message

BAD_BYTES = (b"\xff", b"\x0a\x05ab", b"\x08", b"\x0b\x0b", b"\x07\x01", b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 40)

# Every method that reads a message of its client, one of each kind.
METHODS = ("KV/Range", "KV/Put", "KV/DeleteRange", "KV/Txn", "KV/Compact", "Watch/Watch", "Lease/LeaseGrant", "Lease/LeaseRevoke", "Lease/LeaseKeepAlive",
           "Lease/LeaseTimeToLive", "Lease/LeaseLeases", "Cluster/MemberAdd", "Cluster/MemberList", "Maintenance/Alarm", "Maintenance/HashKV",
           "Auth/UserAdd", "Auth/Authenticate", "Auth/RoleGrantPermission")

PUT = "/etcdserverpb.KV/Put"
INTERNAL, UNIMPLEMENTED, EXHAUSTED, INVALID, UNKNOWN = 13, 12, 8, 3, 2


def sent(path, data, more=(), flags=END_STREAM):
    """The frames of stream 1 with this body."""
    return frame(HEADERS, END_HEADERS, 1, block(grpc_fields(path, more))) + b"".join(
        frame(DATA, flags if at + 16_384 >= len(data) else 0, 1, data[at:at + 16_384]) for at in range(0, max(len(data), 1), 16_384))


def nested_transaction(depth):
    """A transaction within a transaction within ...: Txn.success (2) . RequestOp.request_txn (4)."""
    body = b""
    for _ in range(depth):
        inner = b"\x22" + varint(len(body)) + body
        body = b"\x12" + varint(len(inner)) + inner
    return body


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


# (name, frames, statuses of gRPC allowed)
GRPC = [
    *((f"{name} of {body[:8].hex()}", sent(f"/etcdserverpb.{name}", message(body)), (INTERNAL,)) for name in METHODS for body in BAD_BYTES),
    ("a method nobody knows", sent("/etcdserverpb.KV/Steal", message()), (UNIMPLEMENTED,)),
    ("a service nobody knows", sent("/what/Range", message()), (UNIMPLEMENTED,)),
    ("a path that is none", sent("/", message()), (UNIMPLEMENTED,)),
    ("no message", sent(PUT, b""), (INTERNAL,)),
    ("two messages", sent(PUT, message(b"\x0a\x01k") + message(b"\x0a\x01k")), (INTERNAL,)),
    ("half a message", sent(PUT, message(b"\x0a\x01k", length=700)), (INTERNAL,)),
    ("half a prefix", sent(PUT, b"\0\0\0"), (INTERNAL,)),
    ("a compressed message without a coding", sent(PUT, message(b"\x0a\x01k", compressed=1)), (INTERNAL,)),
    ("a coding nobody knows", sent(PUT, message(b"\x0a\x01k", compressed=1), [("grpc-encoding", "squeeze")]), (UNIMPLEMENTED,)),
    ("a flag nobody knows", sent(PUT, message(b"\x0a\x01k", compressed=7)), (INTERNAL,)),
    ("a message of 4 GB", sent(PUT, message(b"\x0a\x01k", length=0xffffffff)), (EXHAUSTED,)),
    ("a message of 3 MB", sent(PUT, message(b"\x0a\x01k\x12" + varint(3_000_000) + b"v" * 3_000_000)), (EXHAUSTED,)),
    ("a message of 1.7 MB", sent(PUT, message(b"\x0a\x01k\x12" + varint(1_700_000) + b"v" * 1_700_000)), (INVALID,)),
    ("a timeout that is none", sent(PUT, message(b"\x0a\x01k"), [("grpc-timeout", "soon")]), (INTERNAL,)),
    ("a transaction 3,000 deep", sent("/etcdserverpb.KV/Txn", message(nested_transaction(3_000))), (INTERNAL, INVALID)),
    ("a transaction 60 deep", sent("/etcdserverpb.KV/Txn", message(nested_transaction(60))), (0, INVALID, INTERNAL)),
]

KEY = "eA=="
# (name, path, body, statuses of HTTP allowed)
JSON = [
    *((f"{body[:30]!r}", "/v3/kv/put", body, (400,)) for body in (
        b"{", b"[", b"nonsense", b'{"key"', b'{"key":', b'{"key":"eA=="', b'{"key":"eA==",}', b'{"key":eA==}', b'{"key":"not base64!"}',
        b'{"key":7}', b'{"key":["eA=="]}', b'{"key":{"a":1}}', b'{"lease":"x"}', b'{"lease":1e99}', b'{"lease":99999999999999999999}', b'{"prev_kv":"yes"}',
        b'{"key":"\\ud800"}', b'{"key":"\xff\xfe"}', b'"eA=="', b"[]", b"7", b"\0", b'{"a":' * 20_000, b"[" * 100_000,
        b'{"key":"eA==","value":"' + b"A" * 30 + b'%"}')),
    ("more after the end", "/v3/kv/put", b'{"key":"eA=="}}', (200,)),  # nobody reads it, as in etcd
    ("no body", "/v3/kv/put", b"", (400,)),
    ("a target nobody knows", "/v3/kv/range", b'{"key":"eA==","sort_target":"SIZE"}', (400,)),
    ("a path nobody knows", "/v3/kv/steal", b"{}", (404,)),
    ("a value of 3 MB", "/v3/kv/put", b'{"key":"eA==","value":"' + b"QUFB" * 1_000_000 + b'"}', (400, 413, 429)),
    ("a member of 3 MB that nobody knows", "/v3/kv/put", b'{"key":"eA==","what":"' + b"x" * 3_000_000 + b'"}', (200, 400, 413, 429)),
    ("a watch of nonsense", "/v3/watch", b'{"create_request":7}', (400, 500)),  # 500 is etcd's own
    ("a user of nonsense", "/v3/auth/user/add", b'{"name":{"a":[]}}', (400,)),
]

ASK = b"GET /version HTTP/1.1\r\nHost: x\r\n"
# (name, bytes, beginnings of the answer allowed; b"" stands for an end without an answer). All end the connection.
HTTP1 = [
    ("no host", b"GET /version HTTP/1.1\r\n\r\n", (b"HTTP/1.1 400",)),
    ("two hosts", ASK + b"Host: y\r\n\r\n", (b"HTTP/1.1 400",)),
    ("a length that is none", ASK + b"Content-Length: two\r\n\r\n", (b"HTTP/1.1 400",)),
    ("a negative length", ASK + b"Content-Length: -1\r\n\r\n", (b"HTTP/1.1 400",)),
    ("two lengths", ASK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", (b"HTTP/1.1 400",)),
    ("a length and chunks", b"POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (b"HTTP/1.1 400",)),
    ("a coding nobody knows", b"POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: squeeze\r\n\r\n", (b"HTTP/1.1 501", b"HTTP/1.1 400")),
    ("chunked, but not last", b"POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", (b"HTTP/1.1 501", b"HTTP/1.1 400")),
    ("a chunk size that is none", b"POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", (b"HTTP/1.1 400",)),
    ("a chunk size that overflows", b"POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", (b"HTTP/1.1 400",)),
    ("a space before the colon", b"GET /version HTTP/1.1\r\nHost : x\r\n\r\n", (b"HTTP/1.1 400",)),
    ("a field without a colon", ASK + b"nonsense\r\n\r\n", (b"HTTP/1.1 400",)),
    ("a zero byte in a field", ASK + b"X: a\0b\r\n\r\n", (b"HTTP/1.1 400",)),
    ("a line end in the path", b"GET /ver\rsion HTTP/1.1\r\nHost: x\r\n\r\n", (b"HTTP/1.1 400",)),
    ("another version", b"GET /version HTTP/7.0\r\nHost: x\r\n\r\n", (b"HTTP/1.1 400", b"HTTP/1.1 505")),
    ("no version", b"GET /version\r\n\r\n", (b"HTTP/1.1 400",)),
    ("noise", bytes(range(128, 256)) * 10, (b"HTTP/1.1 400",)),
    ("a field of 100,000 bytes", ASK + b"X: " + b"y" * 100_000 + b"\r\n\r\n", (b"HTTP/1.1 431",)),
    ("10,000 fields", ASK + b"".join(b"X-%d: y\r\n" % i for i in range(10_000)) + b"\r\n", (b"HTTP/1.1 431",)),
    ("a path of 100,000 bytes", b"GET /" + b"p" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (b"HTTP/1.1 431", b"HTTP/1.1 414")),
]
