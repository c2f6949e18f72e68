#!/usr/bin/env python3
"""What socle-kv must refuse to start on: exit code not 0, one line on standard error, nothing changed on disk.

  run_bad_start.py --server build/release/bin/socle-kv [--only NAME]
"""

import argparse
import hashlib
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server, ServerFailed, free_port  # noqa: E402

REFUSAL_SECONDS = 30
PAGE = 4096
META_OFFSET = 16  # of the meta fields in their page; the checksum covers 56 bytes and follows them


def fingerprint(folder):
    """Path to digest, for everything below the folder."""
    result = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        result[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else oct(path.stat().st_mode)
    return result


def fnv1a(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001b3) & 0xffffffffffffffff
    return value


class Bench:
    """A good data directory, made once, and copies of it to spoil."""

    def __init__(self, binary):
        self.binary = binary
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-bad-start-"))
        self.clean = self.scratch / "clean"
        self.killed = self.scratch / "killed"
        self.make(self.clean, kill=False)
        self.make(self.killed, kill=True)

    def make(self, folder, kill):
        # What is killed has its last entries in the log alone, however slow the machine is.
        server = Server(self.binary, ["--log-level=error", *(["--backend-batch-interval=10m"] if kill else [])], data_dir=folder)
        try:
            server.start()
            for i in range(0, 200, 10):
                puts = "".join(f"put key{j} {'x' * 200}\n" for j in range(i, i + 10))
                self.etcdctl(server.endpoint, "txn", stdin=f"\n{puts}\n\n")
            if kill:
                server.kill()
            else:
                server.stop()
        finally:
            server.close()

    @staticmethod
    def etcdctl(endpoint, *arguments, stdin=""):
        return subprocess.run(["etcdctl", f"--endpoints={endpoint}", *arguments], env=dict(os.environ, ETCDCTL_API="3"),
                              input=stdin, capture_output=True, text=True, check=True, timeout=30).stdout

    def copy(self, source, name):
        folder = self.scratch / name
        shutil.copytree(source, folder)
        return folder

    def refusal(self, flags, folder=None, mention=None):
        """Starts the server on free ports, expects it to refuse. Returns what is wrong, or None."""
        before = fingerprint(folder) if folder else None
        port = free_port()
        # The flags of the case come last: the last spelling of a flag counts.
        command = [self.binary, "--log-level=error", f"--listen-client-urls=http://127.0.0.1:{port}",
                   f"--advertise-client-urls=http://127.0.0.1:{port}", f"--data-dir={folder or self.scratch / 'fresh'}"] + flags
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=REFUSAL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return f"it started, or hung for {REFUSAL_SECONDS} s"
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        if done.returncode == 0:
            return "exit code 0"
        if done.returncode < 0:
            return f"killed by signal {-done.returncode}:\n{done.stderr}"
        if len(lines) != 1:
            return f"{len(lines)} lines on standard error instead of one:\n{done.stderr}"
        if mention and not re.search(mention, lines[0]):
            return f"the line does not mention /{mention}/: {lines[0]}"
        if folder and fingerprint(folder) != before:
            after = fingerprint(folder)
            changed = [path for path in sorted(set(before) | set(after)) if before.get(path) != after.get(path)]
            return f"it changed {changed}"
        print(f"      {lines[0]}")
        return None

    def database(self, folder):
        return folder / "member" / "snap" / "db"

    def last_log_segment(self, folder):
        """The segment with the newest records: the one written last that is not an empty spare."""
        segments = [p for p in (folder / "member" / "socle-wal").rglob("*") if p.is_file() and p.read_bytes().strip(b"\0")]
        return max(segments, key=lambda p: (p.stat().st_mtime_ns, p.name))


def edit(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


# ------------------------------------------------------------------------------------------- cases

def unknown_flag(bench):
    return bench.refusal(["--no-such-flag=1"], mention="no-such-flag")


def flag_value_that_is_no_number(bench):
    return bench.refusal(["--backend-batch-limit=many"], mention="backend-batch-limit")


def flag_value_that_is_no_duration(bench):
    return bench.refusal(["--backend-batch-interval=soon"], mention="backend-batch-interval")


def listen_url_without_scheme(bench):
    return bench.refusal(["--listen-client-urls=127.0.0.1"], mention="listen-client-urls|127.0.0.1")


def port_taken(bench):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        return bench.refusal([f"--listen-client-urls=http://127.0.0.1:{port}"], mention=str(port))


def data_dir_is_a_file(bench):
    path = bench.scratch / "a-file"
    path.write_text("not a folder")
    return bench.refusal([f"--data-dir={path}"], mention="a-file")


def data_dir_not_writable(bench):
    # Permission bits do not stop root; the process file system stops everybody.
    return bench.refusal(["--data-dir=/proc/socle"], mention="/proc/socle")


def locked_by_another_server(bench):
    server = Server(bench.binary, ["--log-level=error"], data_dir=bench.copy(bench.clean, "locked"))
    try:
        server.start()
        # The running server may write at any time, so only the refusal is checked.
        wrong = bench.refusal([f"--data-dir={server.data_dir}"], mention="lock")
        if wrong is None and "key7" not in bench.etcdctl(server.endpoint, "get", "key7"):
            wrong = "the first server lost a key"
        return wrong
    finally:
        server.close()


def database_of_somebody_else(bench):
    folder = bench.copy(bench.clean, "foreign")
    bench.database(folder).write_bytes(b"SQLite format 3\0" + b"\x42" * 20000)
    return bench.refusal([], folder, mention="db")


def database_empty_text(bench):
    folder = bench.copy(bench.clean, "text")
    bench.database(folder).write_bytes(b"hello\n")
    return bench.refusal([], folder, mention="db")


def database_both_checksums_wrong(bench):
    folder = bench.copy(bench.clean, "checksum")
    for meta in (0, 1):
        edit(bench.database(folder), meta * PAGE + META_OFFSET + 40, b"\xde\xad")
    return bench.refusal([], folder, mention="db")


def database_of_a_newer_format(bench):
    folder = bench.copy(bench.clean, "newer")
    path = bench.database(folder)
    content = path.read_bytes()
    for meta in (0, 1):
        start = meta * PAGE + META_OFFSET
        fields = bytearray(content[start:start + 56])
        struct.pack_into("<I", fields, 4, 3)
        edit(path, start, bytes(fields) + struct.pack("<Q", fnv1a(fields)))
    return bench.refusal([], folder, mention="version")


def database_pages_broken(bench):
    folder = bench.copy(bench.clean, "pages")
    path = bench.database(folder)
    for page in range(2, path.stat().st_size // PAGE):
        edit(path, page * PAGE, struct.pack("<QHH", page + 1000, 0x7777, 9999))
    return bench.refusal([], folder, mention="page")


def database_cut_short(bench):
    folder = bench.copy(bench.clean, "short")
    path = bench.database(folder)
    os.truncate(path, 2 * PAGE + 100)
    return bench.refusal([], folder, mention="db")


def log_broken_in_the_middle(bench):
    folder = bench.copy(bench.killed, "log")
    path = bench.last_log_segment(folder)
    content = path.read_bytes()
    used = len(content.rstrip(b"\0"))
    # A byte that is followed by many good records can't be a torn write.
    edit(path, used // 2, bytes([content[used // 2] ^ 0xff]))
    return bench.refusal([], folder, mention="wal|log")


def etcd_directory(bench, elsewhere=False):
    """The line has the command that takes the directory over."""
    folder = bench.copy(bench.clean, "etcd-elsewhere" if elsewhere else "etcd")
    wal = folder / ("log" if elsewhere else "member/wal")
    wal.mkdir()
    # The head of a segment: a checksum of 0, framed and padded; then zeros, as etcd preallocates.
    (wal / "0000000000000000-0000000000000000.wal").write_bytes(b"\x04\0\0\0\0\0\0\x84\x08\x04\x10\0" + b"\0" * 500)
    said = re.escape(f"'soclectl import {folder}{f' --wal-dir {wal}' if elsewhere else ''} --data-dir {folder}.socle'")
    return bench.refusal([f"--wal-dir={wal}"] if elsewhere else [], folder, mention=said)


def etcd_directory_with_its_log_elsewhere(bench):
    return etcd_directory(bench, elsewhere=True)


def etcd_directory_whose_log_nobody_named(bench):
    """A real one: only its database is there, without the entries that the kill left in the log."""
    folder = bench.scratch / "etcd-nowhere"
    with Server("etcd", [f"--wal-dir={bench.scratch / 'nowhere'}"], data_dir=folder) as etcd:
        bench.etcdctl(etcd.endpoint, "put", "key", "value")
        etcd.kill()
    said = re.escape(f"'soclectl import {folder} --wal-dir DIR --data-dir {folder}.socle'")
    return bench.refusal([], folder, mention=said) or bench.refusal([f"--wal-dir={bench.scratch / 'other'}"], folder, mention=said)


def log_torn_at_its_end_is_repaired(bench):
    folder = bench.copy(bench.killed, "torn")
    path = bench.last_log_segment(folder)
    content = path.read_bytes()
    used = len(content.rstrip(b"\0"))
    edit(path, used - 40, b"\0" * 40)
    server = Server(bench.binary, ["--log-level=error"], data_dir=folder)
    try:
        server.start()
        keys = bench.etcdctl(server.endpoint, "get", "key", "--prefix", "--keys-only", "--limit=300").split()
        bench.etcdctl(server.endpoint, "put", "after", "repair")
        server.kill()
        server.start()
        if "repair" not in bench.etcdctl(server.endpoint, "get", "after"):
            return "a write after the repair was lost"
        # The torn record held the last ten keys.
        if len(keys) != 190:
            return f"{len(keys)} keys are left instead of 190"
        return None
    except ServerFailed as error:
        return str(error)
    finally:
        server.close()


CASES = [
    unknown_flag, flag_value_that_is_no_number, flag_value_that_is_no_duration, listen_url_without_scheme, port_taken,
    data_dir_is_a_file, data_dir_not_writable, locked_by_another_server, database_of_somebody_else, database_empty_text,
    database_both_checksums_wrong, database_of_a_newer_format, database_pages_broken, database_cut_short,
    log_broken_in_the_middle, log_torn_at_its_end_is_repaired, etcd_directory, etcd_directory_with_its_log_elsewhere,
    etcd_directory_whose_log_nobody_named,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--only", help="run the case of this name")
    arguments = parser.parse_args()
    bench = Bench(arguments.server)
    failed = 0
    for case in CASES:
        if arguments.only and case.__name__ != arguments.only:
            continue
        wrong = case(bench)
        print(f"{'ok    ' if wrong is None else 'FAILED'} {case.__name__}" + (f": {wrong}" if wrong else ""), flush=True)
        if wrong:
            failed += 1
            print(f"      reproduce: tests/acceptance/bad_start/run_bad_start.py --server {arguments.server} --only {case.__name__}")
    shutil.rmtree(bench.scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
