#!/usr/bin/env python3
"""socle-kv on each storage engine: what was put is there after SIGTERM and SIGKILL, the directory knows its engine and refuses
another, and a snapshot is a file that etcdctl and a server on bolt open.

  run_backend.py --server build/release/bin/socle-kv
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
from server import Server, free_port  # noqa: E402

BACKENDS = {"bolt": "db", "lmdb": "db.lmdb", "rocksdb": "db.rocksdb"}


def etcdctl(server, *arguments, stdin=""):
    line = ["etcdctl", *arguments] if server is None else ["etcdctl", f"--endpoints={server.endpoint}", *arguments]
    done = subprocess.run(line, env=dict(os.environ, ETCDCTL_API="3"), input=stdin, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(line)} failed with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def fill(server, revision_texts):
    for i in range(0, 200, 20):
        etcdctl(server, "txn", stdin="\n" + "".join(f"put key{j:03} value-{i}\n" for j in range(i, i + 20)) + "\n\n")
    etcdctl(server, "put", "key010", "again")
    etcdctl(server, "del", "key020")
    etcdctl(server, "put", "large", "y" * 100_000)
    etcdctl(server, "compaction", "5", "--physical")
    revision_texts.append(seen(server))


def seen(server):
    """What a client can see: everything now, and a revision of the past."""
    text = etcdctl(server, "get", "", "--prefix", "-w", "fields") + etcdctl(server, "get", "", "--prefix", "--rev=7", "-w", "fields")
    return "\n".join(line for line in text.splitlines() if not line.startswith(('"ClusterID', '"MemberID', '"RaftTerm')))


def history(server):
    """The events that a watcher is told who comes late."""
    watch = subprocess.Popen(["etcdctl", f"--endpoints={server.endpoint}", "watch", "key010", "--rev=6", "--prev-kv"],
                             env=dict(os.environ, ETCDCTL_API="3"), stdout=subprocess.PIPE, text=True)
    try:
        return [watch.stdout.readline() for _ in range(5)]
    finally:
        watch.kill()
        watch.wait()


def refuse_others(binary, backend, data_dir):
    snap = data_dir / "member" / "snap"
    before = sorted(path.name for path in snap.iterdir())
    for other in BACKENDS:
        if other == backend:
            continue
        url = f"http://127.0.0.1:{free_port()}"
        done = subprocess.run([binary, "--log-level=error", f"--data-dir={data_dir}", f"--backend={other}", f"--listen-client-urls={url}",
                               f"--advertise-client-urls={url}"], capture_output=True, text=True, timeout=30, check=False)
        lines = done.stderr.splitlines()
        wanted = (f"engine {backend}, not {other}", f"--backend={backend}", f"soclectl db convert {data_dir} --to {other}")
        if done.returncode != 1 or len(lines) != 1 or not all(text in lines[0] for text in wanted):
            sys.exit(f"{backend} directory with --backend={other}: exit code {done.returncode}, {done.stderr}")
        if sorted(path.name for path in snap.iterdir()) != before:
            sys.exit(f"{backend} directory: --backend={other} was refused, but files changed")
        print(f"      {lines[0]}")


def run(binary, backend, scratch):
    data_dir = scratch / backend
    texts = []
    with Server(binary, ["--log-level=error", f"--backend={backend}"], data_dir=data_dir) as server:
        fill(server, texts)
        server.stop()
    if not (data_dir / "member" / "snap" / BACKENDS[backend]).exists():
        sys.exit(f"{backend}: there is no {BACKENDS[backend]}")
    refuse_others(binary, backend, data_dir)
    # Without the flag: the directory knows.
    with Server(binary, ["--log-level=error"], data_dir=data_dir) as server:
        texts.append(seen(server))
        events = history(server)
        if events != ["PUT\n", "key010\n", "value-0\n", "key010\n", "again\n"]:
            sys.exit(f"{backend}: a late watcher is told {events}")
        server.kill()
        server.start()
        texts.append(seen(server))
        snapshot = scratch / f"{backend}.db"
        etcdctl(server, "snapshot", "save", str(snapshot))
        status = etcdctl(None, "snapshot", "status", str(snapshot)).split(", ")
        size = int(next(line for line in etcdctl(server, "endpoint", "status", "-w", "fields").splitlines() if "DBSize\"" in line).split()[-1])
        if size <= 0:
            sys.exit(f"{backend}: the database has {size} bytes")
        server.stop()
    restored = scratch / f"{backend}-restored"
    (restored / "member" / "snap").mkdir(parents=True)
    shutil.copy(snapshot, restored / "member" / "snap" / "db")
    with Server(binary, ["--log-level=error", "--backend=bolt"], data_dir=restored) as server:
        texts.append(seen(server))
        server.stop()
    if len(set(texts)) != 1:
        sys.exit(f"{backend}: what clients see changed: {[len(text) for text in texts]}")
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="the socle-kv binary")
    binary = str(pathlib.Path(parser.parse_args().server).resolve())
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-backend-"))
    try:
        for backend in BACKENDS:
            status = run(binary, backend, scratch)
            print(f"ok    {backend}: restarted, killed, refused to the others; snapshot at revision {status[1]} with {status[2]} keys")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
