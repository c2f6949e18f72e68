#!/usr/bin/env python3
"""Data moves between etcd and socle-kv by snapshot, both ways, and nothing of it changes.

  run_move.py --server build/release/bin/socle-kv
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server  # noqa: E402


def etcdctl(server, *arguments):
    environment = dict(os.environ, ETCDCTL_API="3")
    line = ["etcdctl", *arguments] if server is None else ["etcdctl", f"--endpoints={server.endpoint}", *arguments]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(line)} failed with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def fill(server):
    """Histories of every kind: overwritten, deleted, made again, leased, compacted. Returns the lease."""
    for i in range(300):
        etcdctl(server, "put", f"key{i % 100:03}", f"value {i}")
    etcdctl(server, "del", "key010", "key020")
    etcdctl(server, "put", "key015", "again")
    lease = etcdctl(server, "lease", "grant", "3600").split()[1]
    etcdctl(server, "put", "leased", "x", f"--lease={lease}")
    etcdctl(server, "put", "large", "y" * 100_000)
    etcdctl(server, "compaction", "150")
    return lease


# What a client can see: everything now, a revision of the past, and what a watcher is told about it.
def seen(server, lease):
    now = etcdctl(server, "get", "", "--prefix", "-w", "fields")
    past = etcdctl(server, "get", "", "--prefix", "--rev=200", "-w", "fields")
    attached = etcdctl(server, "lease", "timetolive", lease, "--keys").split("attached")[1]
    # Lines of the response header differ between servers; those of the keys may not.
    text = "\n".join(line for line in (now + past).splitlines() if not line.startswith(('"ClusterID', '"MemberID', '"RaftTerm')))
    return text + attached


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="the socle-kv binary")
    binary = parser.parse_args().server
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-move-"))
    try:
        with Server("etcd") as etcd:
            lease = fill(etcd)
            wanted = seen(etcd, lease)
            etcdctl(etcd, "snapshot", "save", str(scratch / "from-etcd.db"))
            etcd.stop()

        moved = scratch / "socle"
        (moved / "member" / "snap").mkdir(parents=True)
        shutil.copy(scratch / "from-etcd.db", moved / "member" / "snap" / "db")
        with Server(binary, ["--log-level=error"], data_dir=moved) as socle:
            if seen(socle, lease) != wanted:
                sys.exit("socle-kv shows other data than the etcd whose snapshot it was given")
            etcdctl(socle, "put", "written-by-socle", "1")
            wanted = seen(socle, lease)
            etcdctl(socle, "snapshot", "save", str(scratch / "from-socle.db"))
            socle.stop()

        back = Server("etcd", data_dir=scratch / "etcd")
        name = ["--name=default", f"--initial-cluster=default={back.peer_url}", f"--initial-advertise-peer-urls={back.peer_url}"]
        etcdctl(None, "snapshot", "restore", str(scratch / "from-socle.db"), f"--data-dir={back.data_dir}", *name)
        with back:
            if seen(back, lease) != wanted:
                sys.exit("etcd shows other data than the socle-kv whose snapshot it restored")
        print("moved from etcd to socle-kv and back: keys, history and leases are the same")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
