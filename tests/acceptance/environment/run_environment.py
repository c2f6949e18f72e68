#!/usr/bin/env python3
"""What an ordinary environment does to a server: standard descriptors that are closed, no more threads, a log that nobody
reads, signals, a file that may not grow. None of it may end the server, stop it or get into its files.

  run_environment.py --server build/release/bin/socle-kv [--only CASE]
"""

import argparse
import fcntl
import json
import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server, ServerFailed  # noqa: E402

# Nobody's: the limit of tasks is one of users, and doesn't hold for root.
LONELY_USER = 61_234


class OddServer(Server):
    """A server that is started as `how` says: arguments of Popen that differ from the ordinary ones."""

    def __init__(self, binary, flags=(), data_dir=None, **how):
        super().__init__(binary, list(flags), data_dir=data_dir)
        self.how = how

    def launch(self, command):
        with open(self.log_path, "ab") as log:
            usual = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(command, **{**usual, **self.how})


def etcdctl(server, *arguments, stdin=None):
    return subprocess.run(["etcdctl", f"--endpoints={server.endpoint}", "--command-timeout=10s", *arguments], input=stdin,
                          capture_output=True, text=True, timeout=60, env={**os.environ, "ETCDCTL_API": "3"})


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def expect_serves(server):
    for command in (("put", "a", "b"), ("get", "a")):
        done = etcdctl(server, *command)
        expect(done.returncode == 0, f"{command}: {done.stderr}")


def standard_descriptors_that_are_closed(binary):
    """The first file opened got the number 2: the log stood in the database's first page."""
    for closed in ((2,), (1, 2), (0, 1, 2)):
        def close(numbers=closed):
            for number in numbers:
                os.close(number)

        with OddServer(binary, ["--slow-request-threshold=1ns"], preexec_fn=close) as server:
            descriptors = pathlib.Path(f"/proc/{server.process.pid}/fd")
            for number in closed:
                target = os.readlink(descriptors / str(number))
                # Before main() gRPC's library makes an eventfd, and does not close one that got the number 0.
                expect(target == "/dev/null" or target == "anon_inode:[eventfd]", f"{closed} closed: {number} is {target}")
            expect_serves(server)
            server.stop()
            for path in pathlib.Path(server.data_dir).rglob("*"):
                expect(path.is_dir() or b'"level"' not in path.read_bytes(), f"{closed} closed: the log stands in {path}")


def no_more_threads(binary):
    """A snapshot that got no thread ended the server; a start without them said 'Resource temporarily unavailable'."""
    def become_lonely(tasks):
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(LONELY_USER)
            os.setuid(LONELY_USER)
        if tasks:
            resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))

    # Of the running server; only its user may do that, whatever root may elsewhere.
    def limit_tasks(soft):
        subprocess.run(["prlimit", f"--pid={server.process.pid}", f"--nproc={soft}:"], check=True,
                       preexec_fn=lambda: become_lonely(None))

    server = OddServer(binary, preexec_fn=lambda: become_lonely(None))
    try:
        reachable = server.scratch / "socle-kv"
        shutil.copy(server.binary, reachable)
        server.binary = str(reachable)
        if os.geteuid() == 0:
            os.chown(server.scratch, LONELY_USER, LONELY_USER)
        server.start()
        expect_serves(server)
        limit_tasks("1")
        refused = etcdctl(server, "snapshot", "save", str(server.scratch / "refused.db"))
        expect(refused.returncode != 0 and "no thread 'snapshot' can be started" in refused.stderr, f"snapshot: {refused.stderr}")
        expect_serves(server)
        limit_tasks(str(resource.getrlimit(resource.RLIMIT_NPROC)[0]))
        saved = etcdctl(server, "snapshot", "save", str(server.scratch / "saved.db"))
        expect(saved.returncode == 0, f"snapshot with threads again: {saved.stderr}")
        server.stop()

        server.how = {"preexec_fn": lambda: become_lonely(1)}
        try:
            server.start()
        except ServerFailed:
            pass
        expect(server.process.wait(10) == 1, f"a start without threads ends with {server.process.returncode}")
        expect("can be started: Resource temporarily unavailable; raise the limit of tasks" in server.log_tail(), server.log_tail())
    finally:
        server.close()


def bytes_waiting(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def log_that_nobody_reads(binary):
    """A full pipe stopped every call, /health and the end at SIGTERM."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 16_384)
    with OddServer(binary, ["--slow-request-threshold=1ns", "--warning-unary-request-duration=1ns"], stderr=writer) as server:
        # Twenty lines a second, of more than half a KiB each.
        end = time.monotonic() + 4
        while time.monotonic() < end:
            put = etcdctl(server, "put", "k" * 1_000, "v")
            expect(put.returncode == 0, f"put with {bytes_waiting(reader)} bytes of log that nobody reads: {put.stderr}")
        with urllib.request.urlopen(f"http://{server.endpoint}/health", timeout=5) as answer:
            expect(json.load(answer)["health"] == "true", "/health is false")
        os.set_blocking(reader, False)
        first = os.read(reader, 1 << 20)
        time.sleep(1.1)  # so many slow requests a second are told
        etcdctl(server, "put", "again", "v")
        time.sleep(0.2)
        lines = (first + os.read(reader, 1 << 20)).decode().splitlines()
        told = [line for line in lines if "left out" in line and '"lines":' in line]
        expect(told, f"nothing says that lines were left out: {lines[-3:]}")
        expect(json.loads(told[0])["lines"] > 0 and json.loads(lines[-1]), "the log does not go on with whole lines")
        os.set_blocking(reader, True)
        server.stop()
    os.close(reader)
    os.close(writer)


def signals(binary):
    """etcd lives on at each of these."""
    with OddServer(binary) as server:
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE, signal.SIGXFSZ):
            server.process.send_signal(number)
            time.sleep(0.05)
            expect_serves(server)
        server.stop()


def files_that_may_not_grow(binary):
    """SIGXFSZ ended the server, without a word; it is an error of the write."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (12 << 20, 12 << 20))

    with OddServer(binary, ["--log-level=error"], preexec_fn=limit) as server:
        for i in range(1000):
            put = etcdctl(server, "put", f"key{i}", stdin="v" * 60_000)
            if put.returncode != 0:
                break
        expect("writing has stopped" in put.stderr and "File too large" in put.stderr, put.stderr)
        read = etcdctl(server, "get", "key0", "--keys-only")
        expect("key0" in read.stdout, read.stderr)
        server.stop()


CASES = (standard_descriptors_that_are_closed, no_more_threads, log_that_nobody_reads, signals, files_that_may_not_grow)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--only", choices=[case.__name__ for case in CASES])
    arguments = parser.parse_args()
    for case in CASES:
        if arguments.only in (None, case.__name__):
            case(arguments.server)
            print(f"{case.__name__}: ok")


if __name__ == "__main__":
    main()
