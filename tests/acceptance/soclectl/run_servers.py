#!/usr/bin/env python3
"""soclectl beside servers: it refuses what one has open, and etcd's own tools accept what socle-kv leaves behind.

  run_servers.py --server build/release/bin/socle-kv --soclectl build/release/bin/soclectl
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server  # noqa: E402


def run(*words):
    return subprocess.run(words, env=dict(os.environ, ETCDCTL_API="3"), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def need(condition, what, done=None):
    if not condition:
        sys.exit(f"FAILED {what}" + (f"\n{done.args}: exit code {done.returncode}\n{done.stdout}{done.stderr}" if done else ""))
    print(f"ok     {what}", flush=True)


def fill(server):
    for i in range(200):
        done = run("etcdctl", f"--endpoints={server.endpoint}", "put", f"key{i % 50:02}", f"value {i}" * 20)
        if done.returncode != 0:
            sys.exit(done.stderr)
    for i in range(10):
        run("etcdctl", f"--endpoints={server.endpoint}", "put", f"large{i}", "x" * 100_000)
    run("etcdctl", f"--endpoints={server.endpoint}", "del", "key1", "--prefix")
    run("etcdctl", f"--endpoints={server.endpoint}", "compaction", "150")


def refused_while_running(soclectl, server):
    """One line that names the server, exit code 2, at once."""
    name = pathlib.Path(server.binary).name
    for command in ("check", "dump"):
        done = run(soclectl, "db", command, str(server.data_dir))
        # Some kernels don't show who holds a lock.
        pattern = rf"in use by (another process|{name} \(process {server.process.pid}\)); stop it first, or save a snapshot"
        need(done.returncode == 2 and not done.stdout and done.stderr.count("\n") == 1 and re.search(pattern, done.stderr),
             f"db {command} of a running {name} is refused: {done.stderr.strip()}", done)


def clean_after_stop(soclectl, server):
    done = run(soclectl, "db", "check", str(server.data_dir))
    need(done.returncode == 0 and "/member/snap/db: clean: " in done.stdout, f"clean after the stop: {done.stdout.strip()}", done)


def cut_short_while_read(soclectl, path):
    """The dump waits for its reader while the file loses its end: what comes is a line and an exit code, no core dump."""
    with subprocess.Popen([soclectl, "db", "dump", str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as dump:
        dump.stdout.read(1)
        os.truncate(path, 8192)
        dump.stdout.read()
        text = dump.stderr.read().decode()
        code = dump.wait(30)
    need(code == 2 and text.count("\n") == 1 and "cut short meanwhile" in text, f"a file that is cut short while it is read: {text.strip()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="the socle-kv binary")
    parser.add_argument("--soclectl", required=True, help="the soclectl binary")
    arguments = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-soclectl-"))
    try:
        for binary in ("etcd", arguments.server):
            with Server(binary) as server:
                fill(server)
                refused_while_running(arguments.soclectl, server)
                done = run("etcdctl", f"--endpoints={server.endpoint}", "snapshot", "save", str(scratch / "saved.db"))
                need(done.returncode == 0, "a snapshot is saved", done)
                server.stop()
                clean_after_stop(arguments.soclectl, server)
                shutil.copy(server.data_dir / "member" / "snap" / "db", scratch / "ours.db")
            done = run(arguments.soclectl, "db", "check", str(scratch / "saved.db"))
            need(done.returncode == 0, "so is the snapshot of it", done)

        # The file as socle-kv left it: bbolt's own check finds nothing in it, and an etcd starts on it.
        done = run("etcdctl", "snapshot", "status", str(scratch / "ours.db"), "-w", "json")
        need(done.returncode == 0 and json.loads(done.stdout)["revision"] > 200, "etcdctl snapshot status accepts socle-kv's file", done)
        cut_short_while_read(arguments.soclectl, shutil.copy(scratch / "ours.db", scratch / "cut.db"))
        etcd = Server("etcd", data_dir=scratch / "etcd")
        done = run("etcdctl", "snapshot", "restore", str(scratch / "ours.db"), "--skip-hash-check", f"--data-dir={etcd.data_dir}",
                   "--name=default", f"--initial-cluster=default={etcd.peer_url}", f"--initial-advertise-peer-urls={etcd.peer_url}")
        need(done.returncode == 0, "etcd restores socle-kv's file", done)
        with etcd:
            done = run("etcdctl", f"--endpoints={etcd.endpoint}", "get", "key49", "--print-value-only")
            need(done.stdout.strip() == "value 199" * 20, "etcd serves what was put into socle-kv", done)
            fill(etcd)
            etcd.stop()
            clean_after_stop(arguments.soclectl, etcd)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
