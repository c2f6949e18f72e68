#!/usr/bin/env python3
"""A server whose disk takes no more: writes get one clear error and go on getting it, reads go on, /health says why, and a
start with room again has everything that was answered.

  run_full_disk.py --server build/release/bin/socle-kv

The limit is that of file sizes (RLIMIT_FSIZE), which needs no privileges and fails the same calls.
"""

import argparse
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server  # noqa: E402

FILE_BYTES_MAX = 12 << 20
VALUE = "v" * 60_000


class CrampedServer(Server):
    """A server whose files can't grow beyond the limit."""

    def launch(self, command):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))

        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=limit)


def etcdctl(server, *arguments, stdin=None):
    return subprocess.run(["etcdctl", f"--endpoints={server.endpoint}", "--command-timeout=10s", *arguments], input=stdin,
                          capture_output=True, text=True, timeout=30, env={**os.environ, "ETCDCTL_API": "3"})


def health(server):
    try:
        with urllib.request.urlopen(f"http://{server.endpoint}/health", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def fill(server):
    """Puts until one fails; how many were answered, and the failure."""
    for count in range(2000):
        put = etcdctl(server, "put", f"key{count:04}", stdin=VALUE)
        if put.returncode != 0:
            return count, put.stderr
    raise AssertionError("the limit was never reached")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    binary = parser.parse_args().server
    with CrampedServer(binary, ["--log-level=error"]) as cramped:
        answered, failure = fill(cramped)
        print(f"put {answered} failed: {failure.strip()}")
        expect("writing has stopped" in failure, f"the answer does not say that writing has stopped: {failure}")
        for command in (("put", "other", "1"), ("del", "key0000"), ("compaction", "2"), ("lease", "grant", "60")):
            again = etcdctl(cramped, *command)
            expect(again.returncode != 0 and "writing has stopped" in again.stderr, f"{command}: {again.stdout}{again.stderr}")
        read = etcdctl(cramped, "get", f"key{answered - 1:04}", "--print-value-only")
        expect(read.stdout.strip() == VALUE, f"the last answered put is not read back: {read.stderr}")
        status, body = health(cramped)
        expect(status == 503 and body["health"] == "false" and "writing has stopped" in body["reason"], f"/health: {status} {body}")
        print(f"/health: {body}")
        cramped.stop()
        with Server(binary, ["--log-level=error"], data_dir=cramped.data_dir) as roomy:
            there = etcdctl(roomy, "get", "key", "--prefix", "--keys-only").stdout.count("key")
            # The put that failed may be there: its answer said that writing has stopped, not that nothing was written.
            expect(answered <= there <= answered + 1, f"{answered} were answered, {there} are there")
            expect(etcdctl(roomy, "put", "other", "1").returncode == 0, "no write after the start with room")
            print(f"{answered} answered, {there} there after a start with room")
            roomy.stop()


if __name__ == "__main__":
    main()
