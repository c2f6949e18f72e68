#!/usr/bin/env python3
"""Users and roles move between etcd and socle-kv by snapshot, both ways, with authentication on.

  run_auth_move.py --server build/release/bin/socle-kv
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from run_move import ROOT, etcdctl

sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server  # noqa: E402

AS_ROOT = "--user=root:r"
AS_ALICE = "--user=alice:a"


def fill(server):
    etcdctl(server, "put", "dir/1", "one")
    etcdctl(server, "put", "other", "two")
    etcdctl(server, "user", "add", "root:r")
    etcdctl(server, "user", "grant-role", "root", "root")
    etcdctl(server, "user", "add", "alice:a")
    etcdctl(server, "user", "add", "certified", "--no-password")
    etcdctl(server, "role", "add", "some")
    etcdctl(server, "role", "grant-permission", "some", "read", "dir/", "--prefix=true")
    etcdctl(server, "role", "grant-permission", "some", "write", "w", "--from-key=true")
    etcdctl(server, "role", "grant-permission", "some", "readwrite", "k")
    etcdctl(server, "user", "grant-role", "alice", "some")
    etcdctl(server, "auth", "enable")


def refused(server, *arguments):
    """The error of a command that must fail."""
    line = ["etcdctl", f"--endpoints={server.endpoint}", *arguments]
    done = subprocess.run(line, env=dict(os.environ, ETCDCTL_API="3"), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        sys.exit(f"{' '.join(line)} worked and should have been refused")
    return done.stderr.splitlines()[-1]


# What a client can see of the users, and of what they may do.
def seen(server):
    return [
        etcdctl(server, AS_ROOT, "user", "list"),
        etcdctl(server, AS_ROOT, "role", "list"),
        etcdctl(server, AS_ROOT, "role", "get", "some"),
        etcdctl(server, AS_ROOT, "get", "", "--prefix"),
        etcdctl(server, AS_ALICE, "user", "get", "alice", "--detail"),
        etcdctl(server, AS_ALICE, "get", "dir/", "--prefix"),
        etcdctl(server, AS_ALICE, "put", "wide", "1"),
        refused(server, AS_ALICE, "get", "other"),
        refused(server, AS_ALICE, "put", "dir/1", "2"),
        refused(server, "--user=alice:wrong", "get", "k"),
        refused(server, "get", "k"),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True, help="the socle-kv binary")
    binary = parser.parse_args().server
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-auth-move-"))
    try:
        with Server("etcd") as etcd:
            fill(etcd)
            wanted = seen(etcd)
            wanted = seen(etcd)  # with the key that looking has put
            etcdctl(etcd, AS_ROOT, "snapshot", "save", str(scratch / "from-etcd.db"))
            etcd.stop()

        moved = scratch / "socle"
        (moved / "member" / "snap").mkdir(parents=True)
        shutil.copy(scratch / "from-etcd.db", moved / "member" / "snap" / "db")
        with Server(binary, ["--log-level=error"], data_dir=moved) as socle:
            if (now := seen(socle)) != wanted:
                sys.exit(f"socle-kv shows other users than the etcd whose snapshot it was given:\n{now}\n{wanted}")
            etcdctl(socle, AS_ROOT, "role", "add", "later")
            etcdctl(socle, AS_ROOT, "role", "grant-permission", "later", "read", "other")
            etcdctl(socle, AS_ROOT, "user", "add", "bob:b")
            etcdctl(socle, AS_ROOT, "user", "grant-role", "bob", "later")
            wanted = seen(socle) + [etcdctl(socle, "--user=bob:b", "get", "other")]
            etcdctl(socle, AS_ROOT, "snapshot", "save", str(scratch / "from-socle.db"))
            socle.stop()

        back = Server("etcd", data_dir=scratch / "etcd")
        name = ["--name=default", f"--initial-cluster=default={back.peer_url}", f"--initial-advertise-peer-urls={back.peer_url}"]
        etcdctl(None, "snapshot", "restore", str(scratch / "from-socle.db"), f"--data-dir={back.data_dir}", *name)
        with back:
            now = seen(back) + [etcdctl(back, "--user=bob:b", "get", "other")]
            if now != wanted:
                sys.exit(f"etcd shows other users than the socle-kv whose snapshot it restored:\n{now}\n{wanted}")
        print("moved from etcd to socle-kv and back: users, roles and what they may do are the same")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
