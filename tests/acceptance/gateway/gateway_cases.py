"""What run_gateway.py asks both servers, in order."""

import base64
import dataclasses


def b(text):
    """base64, as keys and values travel."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@dataclasses.dataclass
class Case:
    path: str
    body: object = ""
    fields: tuple = ()
    method: str = "POST"
    lines: object = None    # of a stream
    keeps: str = ""         # a field of the answer, for {name} in later cases
    differs: object = None  # what socle-kv says instead, and why
    why: str = ""

    def filled(self, names):
        fields = tuple(field.format(**names) if "{" in field else field for field in self.fields)
        body = self.body
        for name, value in names.items():
            body = body.replace("{" + name + "}", value) if isinstance(body, str) else body
        return dataclasses.replace(self, fields=fields, body=body)

    def with_body(self, body):
        return dataclasses.replace(self, body=body)

    def __str__(self):
        return f"{self.method} {self.path} {self.body[:160]!r} {list(self.fields)}"


def many(path, bodies, **more):
    return [Case(path, body, **more) for body in bodies]


KV = [
    Case("/v3/kv/range", '{"key":"YQ=="}'),
    Case("/v3/kv/put", '{"key":"YQ==","value":"MQ=="}'),
    Case("/v3/kv/put", '{"key":"YQ==","value":"Mg==","prev_kv":true}'),
    Case("/v3/kv/put", '{"key":"Yg==","value":"%s"}' % b(bytes(range(256)))),
    Case("/v3/kv/range", '{"key":"AA==","range_end":"AA=="}'),
    Case("/v3beta/kv/range", '{"key":"AA==","range_end":"AA==","limit":"1"}'),
    Case("/v3/kv/range", '{"key":"AA==","range_end":"AA==","sort_order":"DESCEND","sortTarget":"MOD","keys_only":true}'),
    Case("/v3/kv/range", '{"key":"AA==","range_end":"AA==","countOnly":true}'),
    Case("/v3/kv/range", '{"key":"YQ==","revision":"2","serializable":true}'),
    Case("/v3/kv/range", '{"key":"YQ==","revision":99}'),
    Case("/v3/kv/range", '{"key":"AA==","range_end":"AA==","min_mod_revision":4}'),
    Case("/v3/kv/deleterange", '{"key":"Yg==","prev_kv":true}'),
    Case("/v3/kv/deleterange", '{"key":"Yg=="}'),
    Case("/v3/kv/txn", '{"compare":[{"target":"VALUE","key":"YQ==","value":"Mg=="}],"success":[{"requestPut":{"key":"Yg==","value":"MQ=="}},'
                       '{"request_range":{"key":"Yg=="}},{"request_delete_range":{"key":"Yw==","prev_kv":true}}]}'),
    Case("/v3/kv/txn", '{"compare":[{"target":"VERSION","key":"YQ==","version":"7","result":"LESS"}],"failure":[{"request_range":{"key":"YQ=="}}]}'),
    Case("/v3/kv/txn", '{"compare":[{"key":"YQ==","target":"LEASE","lease":"0"}],"success":[{"request_txn":{"success":[{"request_txn":{}}]}}]}'),
    Case("/v3/kv/compaction", '{"revision":"3"}'),
    Case("/v3/kv/compaction", '{"revision":"3","physical":true}'),
    Case("/v3/kv/compaction", '{"revision":"99"}'),
    Case("/v3/kv/range", '{"key":"YQ==","revision":2}'),
]

# Every way to say one request wrong: etcd's texts are those of Go's decoder.
SYNTAX = many("/v3/kv/range", [
    '{"key":"YQ=="', '{"key":"YQ==",}', '{"key" "YQ=="}', "{,}", '{"key":}', "nul", "tru", "truex", '"abc', '"a\\x"', '"a\\u12g4"', '"a\nb"', "-",
    "-a", "01", "1.", "1.x", "1e", "1e+", "1ex", "1e+x", '{"a":1 "b"}', "[1 2]", "[1,]", b"\xff", b"\xa0", b"\x80", b"\x07", b"\x7f", b"\\",
    '{"key":tRue}', '{"key":falsy}', '{"key":nope}', '"\\ud800"', " ", "\n", "", "{}", "{}}", "null", "{'a':1}", "{bad", "[]", "5", '"s"', "true", "{1",
    '{"a":[{"b":{}},[],[[1]],-0.5e-7,"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"],"key":"YQ=="}', '{"key":"YQ=="} trailing', '{"key":"YQ==","unknown":{"a":[1]}}',
    '\t{ "key" : "YQ==" , "limit" : 1 }\r\n', '{"a":' * 12000, '{"key":{"a":1}}}', '{"KEY":"YQ=="}', '{"":1}',
])

TYPES = many("/v3/kv/range", [
    '{"limit":1.5}', '{"limit":"1.5"}', '{"limit":"-"}', '{"limit":""}', '{"limit":" 1"}', '{"limit":true}', '{"limit":99999999999999999999}',
    '{"limit":"99999999999999999999"}', '{"limit":{}}', '{"limit":[]}', '{"limit":1e2}', '{"limit":"a"}', '{"limit":"0x1"}', '{"limit":"null","key":"YQ=="}',
    '{"limit":"{}"}', '{"limit":"nul"}', '{"limit":"\\"1"}', '{"limit":"\\u0031"}', '{"limit":null,"key":"YQ=="}', '{"limit":-1,"key":"YQ=="}', '{"limit":9223372036854775807,"key":"YQ=="}',
    '{"limit":9223372036854775808,"key":"YQ=="}', '{"limit":-0,"key":"YQ=="}',
    '{"serializable":"true"}', '{"serializable":1}', '{"serializable":null,"key":"YQ=="}', '{"key":5}', '{"key":true}', '{"key":{}}', '{"key":null}',
    '{"key":[97]}', '{"key":[300]}', '{"key":["a"]}', '{"key":[null,1.5]}', '{"key":[]}', '{"key":[[]]}', '{"key":"%%%"}', '{"key":"YQ"}', '{"key":"YQ="}',
    '{"key":"YQ==YQ=="}', '{"key":"Y-__"}', '{"key":"YR=="}', '{"key":"YQ=\\n="}', '{"key":"\\u0059Q=="}', '{"key":"="}', '{"key":"A==="}',
    '{"key":"YWI=\\r\\n"}', '{"key":"YWJj="}', '{"key":"YWJjZ"}', '{"key":"YQ=a"}', '{"key":"YQ==","key":"Yg=="}', '{"key":"YQ==","sort_order":"ascend"}',
    '{"key":"YQ==","sort_order":true}', '{"key":"YQ==","sort_order":1.5}', '{"key":"YQ==","sort_order":99999999999}', '{"key":"YQ==","sort_order":null}',
    '{"key":"YQ==","sort_order":2}', '{"key":"YQ==","sort_order":""}', '{"key":"YQ==","sort_order":"\\"\\u0007"}',
    '{"sort_target":"MOD","sortTarget":"XX","key":"YQ=="}',
]) + many("/v3/kv/txn", [
    '{"compare":{}}', '{"compare":[5]}', '{"compare":null}', '{"compare":"x"}', '{"compare":5}', '{"success":[{"request_put":5}]}',
    '{"success":[{"request_put":null}]}', '{"compare":[{"key":"YQ==","target":"LEASE","lease":"abc"}]}', '{"success":[{}]}',
    '{"compare":[{"key":"YQ==","target":0,"result":0,"version":null}]}', '{"success":[{"request_bogus":{}}]}',
    '{"compare":[{"key":"YQ==","target":"VALUE","value":"Mg==","result":"NOT_EQUAL","rangeEnd":"Yg=="}]}',
]) + many("/v3/cluster/member/add", [
    '{"peerURLs":"x"}', '{"peerURLs":[1]}', '{"peerURLs":[null]}', '{"peerURLs":["x"]}', '{"peerURLs":{}}', '{"is_learner":1}',
]) + many("/v3/maintenance/alarm", ['{"memberID":-1}', '{"memberID":"18446744073709551616"}', '{"alarm":"SPACE"}', '{"action":"NONE"}'])

PATHS = [
    Case("/v3/kv/range", method="GET"), Case("/v3/kv/range", "{}", method="PUT"), Case("/v3/kv/range", method="HEAD"),
    Case("/v3/kv/range", method="DELETE"), Case("/v3/kv/range", method="OPTIONS"), Case("/nowhere", method="OPTIONS"),
    Case("/v3/kv/nothing", "{}"), Case("/v3/kv/range/", "{}"), Case("/v3/", "{}"), Case("/v3", "{}"), Case("/v3beta/", "{}"), Case("/v3alpha/kv/range", "{}"),
    Case("/v3/kv/range?key=YQ==", ""), Case("/", method="GET"), Case("/nowhere", method="GET"), Case("/version", method="GET"),
    Case("/version"), Case("/health"), Case("/health", method="GET"),
]

LEASES = [
    Case("/v3/lease/grant", '{"TTL":100,"ID":7}'), Case("/v3/lease/grant", '{"TTL":"100","ID":"8"}'),
    Case("/v3/lease/grant", '{"TTL":"100","ID":7}', differs="400", why="412 until grpc-gateway 1.10"),
    Case("/v3/lease/grant", '{"TTL":"99999999999"}'), Case("/v3/lease/grant", '{"TTL":-5,"ID":9}'),
    Case("/v3/kv/put", '{"key":"bGVhc2Vk","value":"MQ==","lease":"7"}'), Case("/v3/kv/put", '{"key":"bGVhc2Vk","value":"MQ==","lease":77}'),
    Case("/v3/lease/timetolive", '{"ID":7,"keys":true}'), Case("/v3/kv/lease/timetolive", '{"ID":99}'),
    Case("/v3/lease/revoke", '{"ID":9}'),
    Case("/v3/lease/revoke", '{"ID":8}'), Case("/v3/lease/leases"), Case("/v3/kv/lease/leases", "{}"),
    Case("/v3/kv/lease/revoke", '{"ID":8}'), Case("/v3/kv/lease/revoke", '{"ID":7}'), Case("/v3/kv/range", '{"key":"bGVhc2Vk"}'),
]

ALARM = {"differs": '"header"', "why": "the answer has a header since etcd 3.5"}
MEMBERS = [
    Case("/v3/cluster/member/list"), Case("/v3/cluster/member/remove", '{"ID":1}'), Case("/v3/cluster/member/promote", '{"ID":1}'),
    Case("/v3/cluster/member/update", '{"ID":1,"peerURLs":["http://a:1"]}'),
    Case("/v3/maintenance/alarm", **ALARM), Case("/v3/maintenance/alarm", '{"action":"ACTIVATE","memberID":"1","alarm":"CORRUPT"}', **ALARM),
    Case("/v3/maintenance/alarm", '{"action":"GET","memberID":"0","alarm":"NONE"}', **ALARM),
    Case("/v3/kv/put", '{"key":"YQ==","value":"MQ=="}'),
    Case("/v3/maintenance/alarm", '{"action":"DEACTIVATE","memberID":"1","alarm":"CORRUPT"}', **ALARM),
    Case("/v3/maintenance/status", differs='"downgradeInfo":{}', why="since etcd 3.6"), Case("/v3/maintenance/defragment"), Case("/v3/maintenance/hash"),
    Case("/v3/maintenance/transfer-leadership", "{}", differs="400", why="412 until grpc-gateway 1.10"),
    Case("/v3/maintenance/hashkv", differs='"compact_revision"', why="has a path since etcd 3.6"),
    Case("/v3/maintenance/downgrade", '{"version":"3.5.0"}', differs='"code"', why="since etcd 3.5"),
    Case("/v3/auth/status", differs='"authRevision"', why="since etcd 3.5"),
]

CONTESTS = [
    Case("/v3/lease/grant", '{"TTL":100,"ID":70}'),
    Case("/v3/lock/lock", '{"name":"bG9ja3M=","lease":"70"}', keeps="key"), Case("/v3/lock/unlock", '{"key":"{key}"}'),
    Case("/v3/lock/unlock", '{"key":"bm9uZQ=="}'), Case("/v3/lock/lock", '{"name":5}'),
    Case("/v3/election/campaign", '{"name":"ZWxlY3Q=","value":"dg==","lease":70}'), Case("/v3/election/leader", '{"name":"ZWxlY3Q="}'),
    Case("/v3/election/leader", '{"name":"ZXg="}'), Case("/v3/election/proclaim"), Case("/v3/election/resign"),
    Case("/v3/election/observe", '{"name":"ZWxlY3Q="}', lines=1), Case("/v3/election/observe", '{"name":5}'),
    Case("/v3/election/proclaim", '{"leader":{"name":"ZWxlY3Q=","key":"ZWxlY3QvNDY=","rev":"1","lease":70},"value":"dw=="}'),
]

TIMES = [
    Case("/v3/kv/range", '{"key":"YQ=="}', ("Grpc-Timeout: 10S",)), Case("/v3/kv/range", '{"key":"YQ=="}', ("Grpc-Timeout: xx",)),
    Case("/v3/watch", '{"create_request":{"key":"YQ=="}}', ("Grpc-Timeout: 300m",), lines=1),
]

SIZES = [
    Case("/v3/kv/put", '{"key":"YQ==","value":"%s"}' % b(b"x" * 1_600_000)), Case("/v3/kv/put", '{"key":"YQ==","value":"%s"}' % b(b"x" * 2_200_000)),
    Case("/v3/kv/put", '{"key":"YQ==","value":"%s"}' % b(b"x" * 9_200_000), differs="429", why="is not read to its end"),
    Case("/v3/kv/put", '{"key":"YQ==","value":"%s"}' % b(b"x" * 1_000_000)), Case("/v3/kv/range", '{"key":"YQ=="}'),
]

REQUESTS = KV + SYNTAX + TYPES + PATHS + LEASES + MEMBERS + CONTESTS + TIMES + SIZES

STREAMS = [
    Case("/v3/kv/put", '{"key":"dzE=","value":"MQ=="}'), Case("/v3/kv/put", '{"key":"dzE=","value":"Mg=="}'), Case("/v3/kv/deleterange", '{"key":"dzE="}'),
    Case("/v3/watch", '{"create_request":{"key":"dzE=","start_revision":"4","prev_kv":true}}', lines=2),
    Case("/v3/watch", '{"create_request":{"key":"dzE=","start_revision":"4","filters":["NOPUT"]}}', lines=2),
    Case("/v3/watch", '{"create_request":{"key":"dzE="}} {"create_request":{"key":"Yg==","watch_id":"7"}}\n{"cancel_request":{"watch_id":"7"}}', lines=3),
    Case("/v3/watch", '{"create_request":{"key":"dzE=","range_end":"dzE="}}', lines=1),
    Case("/v3/watch", '{"create_request":{"key":"dzE=","start_revision":"1"}}', lines=2),
    Case("/v3/watch", '{"create_request":{"key":"dzE="}} bad', lines=1),
    Case("/v3/watch", "bad"), Case("/v3/watch", '{"create_request":{"filters":["X"]}}'), Case("/v3/watch", "5"), Case("/v3/watch", "{"),
    Case("/v3/lease/grant", '{"TTL":100,"ID":71}'),
    Case("/v3/lease/keepalive", '{"ID":71}'), Case("/v3/lease/keepalive", '{"ID":71}{"ID":"72"}\n\n{"ID":71}'), Case("/v3/lease/keepalive", ""),
    Case("/v3/lease/keepalive", "xx"), Case("/v3/lease/keepalive", '{"ID":71} xx'), Case("/v3/lease/keepalive", '{"ID":71} {"ID":{}} {"ID":71}'),
    Case("/v3/maintenance/snapshot", "xx"),
]

AUTH = [
    Case("/v3/auth/enable", "{}", differs="400", why="412 until grpc-gateway 1.10"), Case("/v3/auth/disable"),
    Case("/v3/auth/user/add", '{"name":"root","password":"r"}'), Case("/v3/auth/user/add", '{"name":"a<b>&c\\u2028\\u0001\\"\\\\/","password":"r"}'),
    Case("/v3/auth/user/add", b'{"name":"\xff\xfe","password":"r"}'), Case("/v3/auth/user/add", '{"name":"\\ud800x\\ud83d\\ude00","password":"r"}'),
    Case("/v3/auth/user/add", '{"name":5,"password":"r"}'), Case("/v3/auth/user/add", '{"name":"nopw","options":{"no_password":true}}'),
    Case("/v3/auth/user/list"), Case("/v3/auth/user/get", '{"name":"nobody"}', differs="400", why="412 until grpc-gateway 1.10"),
    Case("/v3/auth/user/changepw", '{"name":"nopw","password":"x"}'), Case("/v3/auth/user/delete", '{"name":"nopw"}'),
    Case("/v3/auth/role/add", '{"name":"root"}'), Case("/v3/auth/role/add", '{"name":"r"}'),
    Case("/v3/auth/role/grant", '{"name":"r","perm":{"permType":"READWRITE","key":"YQ==","range_end":"Yg=="}}'),
    Case("/v3/auth/role/grant", '{"name":"r","perm":{"permType":"READ","key":"Yw=="}}'), Case("/v3/auth/role/get", '{"role":"r"}'),
    Case("/v3/auth/role/revoke", '{"role":"r","key":"YQ==","range_end":"Yg=="}'), Case("/v3/auth/role/list"),
    Case("/v3/auth/user/grant", '{"user":"root","role":"root"}'), Case("/v3/auth/user/grant", '{"user":"root","role":"r"}'),
    Case("/v3/auth/user/get", '{"name":"root"}'), Case("/v3/auth/user/revoke", '{"name":"root","role":"r"}'), Case("/v3/auth/role/delete", '{"role":"r"}'),
    Case("/v3/auth/enable"),
    Case("/v3/auth/authenticate", '{"name":"root","password":"r"}', keeps="token"), Case("/v3/auth/authenticate", '{"name":"root","password":"wrong"}'),
    Case("/v3/kv/range", '{"key":"YQ=="}'), Case("/v3/kv/range", '{"key":"dzE="}', ("Authorization: {token}",)),
    Case("/v3/kv/range", '{"key":"dzE="}', ("Grpc-Metadata-Token: {token}",)), Case("/v3/kv/range", '{"key":"dzE="}', ("token: {token}",)),
    Case("/v3/kv/range", '{"key":"dzE="}', ("Authorization: Bearer {token}",), differs="200", why="Bearer is taken off since etcd 3.6"),
    Case("/v3/kv/range", '{"key":"dzE="}', ("Authorization: wrong",)),
    Case("/v3/watch", '{"create_request":{"key":"YQ=="}}', lines=1), Case("/v3/watch", '{"create_request":{"key":"YQ=="}}', ("Authorization: wrong",), lines=1),
    Case("/v3/watch", '{"create_request":{"key":"YQ=="}}', ("Authorization: {token}",), lines=1),
    Case("/v3/maintenance/snapshot", differs='"grpc_code":3', why="3.4 lets an inner error through"),
    Case("/v3/maintenance/defragment", differs='"code":3', why="3.4 lets an inner error through"),
    Case("/v3/auth/disable", "", ("Authorization: {token}",)), Case("/v3/kv/range", '{"key":"dzE="}'),
]

ACCESS_FLAGS = ["--cors=http://a.com:1,http://b.com:80", "--host-whitelist=good.com,127.0.0.1"]
ACCESS = [
    Case("/version", method="GET", fields=("Origin: http://a.com:1",)), Case("/version", method="GET", fields=("Origin: http://c.com",)),
    Case("/v3/kv/range", '{"key":"YQ=="}', ("Origin: http://b.com:80",)), Case("/v3/kv/range", "x", ("Origin: http://b.com:80",)),
    Case("/v3/watch", "x", ("Origin: http://b.com:80",)), Case("/v3/watch", '{"create_request":{"key":"YQ=="}}', ("Origin: http://b.com:80",), lines=1),
    Case("/v3/kv/range", method="OPTIONS", fields=("Origin: http://c.com",)), Case("/v3/kv/range", method="OPTIONS", fields=("Origin: http://a.com:1",)),
    Case("/version", method="GET", fields=("Host: good.com",)), Case("/version", method="GET", fields=("Host: good.com:99",)),
    Case("/version", method="GET", fields=("Host: GOOD.com",)), Case("/version", method="GET", fields=("Host: evil.com:99",)),
    Case("/v3/kv/range", "{}", ("Host: evil.com", "Origin: http://a.com:1")), Case("/v3/kv/range", method="OPTIONS", fields=("Host: [::1]:5",)),
    Case("/version", method="GET", fields=("Host:",)),
]

QUOTA_FLAGS = ["--quota-backend-bytes=40000"]
QUOTA = [
    Case("/v3/kv/put", '{"key":"YQ==","value":"%s"}' % b(b"x" * 100_000)),
    Case("/health", method="GET"), Case("/health?exclude=NOSPACE", method="GET"), Case("/health?exclude=CORRUPT&exclude=NOSPACE", method="GET"),
]
