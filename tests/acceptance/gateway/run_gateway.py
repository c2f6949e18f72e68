#!/usr/bin/env python3
"""The same HTTP requests to Debian's etcd and to socle-kv: statuses, header fields that matter and bodies are compared byte for byte.

  run_gateway.py --server build/release/bin/socle-kv            both servers, side by side
  run_gateway.py --server build/release/bin/socle-kv --plant    socle-kv gets one other request: the test must fail
  run_gateway.py --server build/release/bin/socle-kv --verbose  what each was answered

Ids of cluster, members and leases made by the server, tokens, terms, sizes and versions are made equal before; where socle-kv follows a later
etcd, or is stricter, the case says so with differs=.
"""

import argparse
import difflib
import http.client
import json
import pathlib
import re
import socket
import subprocess
import sys

from gateway_cases import ACCESS, ACCESS_FLAGS, AUTH, QUOTA, QUOTA_FLAGS, REQUESTS, STREAMS

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server  # noqa: E402

SECONDS = 20
FIELDS = ("content-type", "allow", "location", "x-content-type-options", "access-control-allow-origin", "access-control-allow-headers",
          "access-control-allow-methods", "grpc-metadata-content-type")

# What differs between two servers without being a difference.
NORMAL = [
    (r'"(cluster_id|member_id|raft_term)":"\d+"', r'"\1":"<\1>"'),
    (r'"(dbSize|dbSizeInUse|leader|raftIndex|raftTerm|raftAppliedIndex|dbSizeQuota)":"\d+",?', r''),
    (r'"(?:storageVersion|version)":"3[.\d]+",?', ''),
    (r'"hash":\d+', '"hash":<hash>'),
    (r'"(ID|memberID|lease|leader)":"\d{12,}"', r'"\1":"<id>"'),
    (r'"clientURLs":\["http://127.0.0.1:\d+"\]', '"clientURLs":["<url>"]'),
    (r'"peerURLs":\["http://[\w.]+:\d+"\]', '"peerURLs":["<url>"]'),
    (r'"token":"[\w.]+"', '"token":"<token>"'),
    (r'"etcdserver":"[\d.]+","etcdcluster":"[\d.]+"(,"storage":"[\d.]+")?', '"<versions>"'),
    (r',"reason":"[^"]*"', ''),
    (r'("code":\d+),"details":\[\]', r'\1'),  # of etcd 3.6
    (r'"TTL":"9\d"', '"TTL":"<left>"'),
]


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def normal(self, names):
        body = self.body.decode("utf-8", "replace")
        for old, new in names.items():
            body = body.replace(old, new)
        for pattern, replacement in NORMAL:
            body = re.sub(pattern, replacement, body)
        # Keys that the server has made of a lease's id.
        body = re.sub(r'"key":"(bG9ja3Mv|ZWxlY3QvYS)[\w+/=]+"', r'"key":"<\1>"', body)
        body = body.replace(",}", "}")
        return [f"{self.status}"] + [f"{name}: {self.fields[name]}" for name in FIELDS if name in self.fields] + body.split("\n")


def ask(server, case, lines=None):
    """One request on a connection of its own. With `lines` the answer is a stream, left after as many lines."""
    host, port = server.endpoint.split(":")
    sock = socket.create_connection((host, int(port)), SECONDS)
    body = case.body.encode() if isinstance(case.body, str) else case.body
    head = [f"{case.method} {case.path} HTTP/1.1"]
    if not any(field.lower().startswith("host:") for field in case.fields):
        head.append(f"Host: {server.endpoint}")
    head += [*case.fields, "Connection: close", f"Content-Length: {len(body)}"]
    try:
        try:
            sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        except OSError:
            pass  # refused before the end of the body: the answer is there all the same
        response = http.client.HTTPResponse(sock, method=case.method)
        response.begin()
        fields = {name.lower(): value for name, value in response.getheaders()}
        if lines is None:
            return Answer(response.status, fields, response.read())
        text = b"".join(response.readline() for _ in range(lines))
        return Answer(response.status, fields, text)
    finally:
        sock.close()


class Pair:
    """etcd and socle-kv, asked the same things in the same order."""

    def __init__(self, binary, flags, plants, verbose):
        self.servers = [Server("etcd", ["--log-level=error", *flags]), Server(binary, ["--log-level=error", *flags])]
        self.remembered = [{}, {}]
        self.plants, self.verbose = plants, verbose
        self.asked = self.failed = 0

    def __enter__(self):
        for server in self.servers:
            server.start()
        return self

    def __exit__(self, *unused):
        for server in self.servers:
            server.close()

    def check(self, case):
        self.asked += 1
        answers = []
        for i, server in enumerate(self.servers):
            mine = case.filled(self.remembered[i])
            if self.plants and i == 1 and self.asked == 5:
                mine = mine.with_body('{"key":"eA=="}')
            try:
                answer = ask(server, mine, case.lines)
            except (OSError, http.client.HTTPException) as error:
                sys.exit(f"{server.binary}: {mine}: {error!r}")
            if case.keeps:
                found = json.loads(answer.body)
                for part in case.keeps.split("."):
                    found = found[part]
                self.remembered[i][case.keeps.rsplit(".", maxsplit=1)[-1]] = str(found)
            answers.append(answer.normal({}))
        etcd, socle = answers
        if self.verbose:
            print(f"{case}\n   {socle}")
        if case.differs is not None:
            wanted = case.differs
            if etcd == socle or wanted not in "\n".join(socle):
                self.fail(case, etcd, socle, f"should differ: {case.why}; and say {wanted!r}")
        elif etcd != socle:
            self.fail(case, etcd, socle, "differs")

    def fail(self, case, etcd, socle, why):
        self.failed += 1
        print(f"{case}: {why}")
        for line in difflib.unified_diff(etcd, socle, "etcd", "socle-kv", lineterm="", n=0):
            print(f"   {line[:400]}")


def check_readme(binary):
    """README's `$ curl` lines: each command as it stands there, but for the port; its answer, but for the revision."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    steps = [(line.removeprefix("    $ "), lines[i + 1].strip()) for i, line in enumerate(lines) if line.startswith("    $ curl ")]
    if not steps:
        sys.exit("README.md has no curl example any more")

    def normal(text):
        return re.sub(r'"revision":"\d+"', '"revision":"<revision>"', text.strip())

    with Server(binary, ["--log-level=error"]) as server:
        for command, expected in steps:
            line = ["bash", "-c", command.replace("127.0.0.1:2379", server.endpoint)]
            answer = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False).stdout
            if normal(answer) != normal(expected):
                sys.exit(f"README.md: {command}\n   is said to answer {expected}\n   and answers       {answer}")
    return len(steps)


def check_early_refusals(binary):
    """curl over HTTP/2 sees the refusals that are said before its request has ended."""
    cases = [([], "/v3/kv/nope", "404"), (["-X", "PUT"], "/v3/kv/range", "405"), (["-H", "Grpc-Timeout: x"], "/v3/kv/range", "400")]
    line = ["curl", "-s", "--max-time", str(SECONDS), "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}/%{exitcode}"]
    with Server(binary, ["--log-level=error"]) as server:
        for flags, path, status in cases:
            for size in (2, 50_000, 3_000_000):
                for _ in range(8):
                    command = [*line, *flags, f"http://{server.endpoint}{path}", "--data-binary", "@-"]
                    answer = subprocess.run(command, input=b"{" + b" " * (size - 2) + b"}", capture_output=True, timeout=2 * SECONDS, check=False).stdout.decode()
                    if answer != f"{status}/0":
                        sys.exit(f"curl {' '.join(flags)} {path} with {size} bytes over HTTP/2: {answer}, not {status}/0")
    return len(cases)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="the socle-kv binary")
    parser.add_argument("--plant", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    asked = failed = 0
    for name, flags, cases in (("requests", [], REQUESTS + STREAMS + AUTH), ("access", ACCESS_FLAGS, ACCESS), ("quota", QUOTA_FLAGS, QUOTA)):
        with Pair(options.server, flags, options.plant and name == "requests", options.verbose) as pair:
            for case in cases:
                pair.check(case)
        asked += pair.asked
        failed += pair.failed
    if options.plant:
        if failed != 1:
            sys.exit(f"one request was another one, and {failed} answers differ")
        print("the planted request was noticed")
    elif failed:
        sys.exit(f"{failed} of {asked} answers differ from etcd's")
    else:
        print(f"{asked} requests were answered as etcd answers them, {check_readme(options.server)} as README says; "
              f"{check_early_refusals(options.server)} refusals reach curl over HTTP/2")


if __name__ == "__main__":
    main()
