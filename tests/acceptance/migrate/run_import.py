#!/usr/bin/env python3
"""soclectl import: what socle-kv answers on the imported directory is what etcd answers after its own restart on a copy.

  run_import.py --soclectl build/release/bin/soclectl --server build/release/bin/socle-kv [--seed N] [--only NAME]
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from gateway import Load, coded  # noqa: E402
from server import Server  # noqa: E402

# The database stays behind: nothing of the load is committed to it before the kill.
LAGGING = ["--backend-batch-interval=1h", "--backend-batch-limit=1000000"]
AS_ROOT = ["--user=root:r"]


class Reachable(Server):
    """A server that may have an alarm, and so not be healthy."""

    def await_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://{self.endpoint}/health", timeout=1).close()
                return True
            except urllib.error.HTTPError:
                return True
            except OSError:
                time.sleep(0.02)
        return False


def run(*words):
    return subprocess.run(words, env=dict(os.environ, ETCDCTL_API="3"), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, check=False)


def etcdctl(server, *words):
    done = run("etcdctl", f"--endpoints={server.endpoint}", *words)
    if done.returncode != 0:
        sys.exit(f"{' '.join(done.args)} failed with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def state_of(folder):
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(folder.rglob("*")) if path.is_file()}


def without_headers(text):
    answer = json.loads(text)
    answer.pop("header", None)
    return answer


def seen(server, user):
    """All that a client can ask: hash, keys with all fields, leases with their keys, users, roles, alarms."""
    hashed = json.loads(etcdctl(server, *user, "endpoint", "hashkv", "-w", "json"))[0]["HashKV"]
    view = {"hash": [hashed["hash"], hashed["header"]["revision"], hashed.get("compact_revision")],
            "keys": without_headers(etcdctl(server, *user, "get", "", "--prefix", "-w", "json")),
            "alarms": sorted(etcdctl(server, *user, "alarm", "list").splitlines())}
    leases = etcdctl(server, *user, "lease", "list").split()[3:]
    view["leases"] = {}
    for lease in sorted(leases):
        told = without_headers(etcdctl(server, *user, "lease", "timetolive", lease, "--keys", "-w", "json"))
        view["leases"][lease] = (told["granted-ttl"], sorted(told.get("keys") or []), told["ttl"] > 0)
    view["users"] = {name: etcdctl(server, *user, "user", "get", name) for name in etcdctl(server, *user, "user", "list").split()}
    view["roles"] = {name: etcdctl(server, *user, "role", "get", name) for name in etcdctl(server, *user, "role", "list").split()}
    return view


def need_same(name, ours, theirs):
    for part, value in theirs.items():
        if ours[part] != value:
            sys.exit(f"FAILED {name}: {part} differ\nsocle-kv: {ours[part]}\netcd:     {value}")


def plain(load):
    load.compactions = False
    load.run(500)


def with_compactions(load):
    load.run(400)


def with_users(load):
    load.run(100)
    load.users(6)
    load.run(400)


def with_alarms(load):
    load.run(150)
    load.alarm("ACTIVATE")
    load.run(80)
    load.alarm("DEACTIVATE")
    load.run(60)
    load.alarm("ACTIVATE", "CORRUPT")
    load.run(40)
    load.alarm("DEACTIVATE", "CORRUPT")
    load.run(40)
    load.alarm("ACTIVATE")
    load.run(40)


def large(load):
    """More than a segment of the log."""
    for i in range(80):
        load.gateway.need("kv/put", key=coded(f"large/{i % 7}"), value=coded("x" * 1_000_000))
    load.run(50)


SCENARIOS = [
    # name, flags of etcd, load, user that looks, database: as the kill left it, or as it was before the load
    ("nothing in the database", LAGGING, plain, [], "early"),
    ("compactions", LAGGING, with_compactions, [], "early"),
    ("users and roles", LAGGING, with_users, AS_ROOT, "early"),
    ("alarms", LAGGING, with_alarms, [], "early"),
    ("as it comes", [], with_compactions, [], "left"),
    ("users and roles, as it comes", LAGGING, with_users, AS_ROOT, "left"),
    ("snapshots of the log on the way", ["--snapshot-count=40"], with_compactions, [], "left"),
    ("two segments", LAGGING, large, [], "early"),
]


def scenario(row, tools, seed, scratch):
    name, flags, fill, user, database = row
    with Server("etcd", flags) as etcd:
        load = Load(etcd.endpoint, seed)
        shutil.copyfile(etcd.data_dir / "member" / "snap" / "db", scratch / "early.db")
        fill(load)
        etcd.kill()
        source = scratch / "source"
        copy = scratch / "copy"
        shutil.copytree(etcd.data_dir, source)
        shutil.copytree(etcd.data_dir, copy)
        peer = etcd.peer_url
    if database == "early":
        for folder in (source, copy):
            shutil.copyfile(scratch / "early.db", folder / "member" / "snap" / "db")
    before = state_of(source)
    target = scratch / "imported"
    done = run(tools.soclectl, "import", str(source), "--data-dir", str(target))
    if done.returncode != 0:
        sys.exit(f"FAILED {name}: import refused with code {done.returncode}:\n{done.stdout}{done.stderr}")
    if state_of(source) != before:
        sys.exit(f"FAILED {name}: the import changed its source")
    if database == "early" and not re.search("log entries [1-5] to", done.stdout):
        sys.exit(f"FAILED {name}: the log was not needed, the test shows nothing\n{done.stdout}")
    again = Reachable("etcd", data_dir=copy)
    again.peer_url = peer
    with Reachable(tools.server, ["--log-level=error"], data_dir=target) as socle, again:
        theirs = seen(again, user)
        need_same(name, seen(socle, user), theirs)
        # Both go on from there.
        for server in (socle, again):
            etcdctl(server, *user, "alarm", "disarm")
            etcdctl(server, *user, "put", "after", "1")
            etcdctl(server, *user, "del", "key/0", "--prefix")
        need_same(name, seen(socle, user), seen(again, user))
        if user:
            for login in ("--user=user0:changed", "--user=user3:p3"):
                etcdctl(socle, login, "user", "get", login.split("=")[1].split(":")[0])
        check = run(tools.soclectl, "snapshot", "save", str(scratch / "after.db"), f"--endpoints={socle.endpoint}", *user)
        if check.returncode != 0:
            sys.exit(f"FAILED {name}: {check.stderr}")
        socle.stop()
    whole = run(tools.soclectl, "db", "check", str(target))
    if whole.returncode != 0:
        sys.exit(f"FAILED {name}: {whole.stdout}{whole.stderr}")
    print(f"ok     {name}: {done.stdout.splitlines()[0].split('; ')[-1]}; hash {theirs['hash'][0]} at revision {theirs['hash'][1]}", flush=True)


def keys_of_the_v2_api(tools, scratch):
    """They are in the log alone, and behind what the database has applied."""
    with Server("etcd", ["--enable-v2", "--backend-batch-limit=1"]) as etcd:
        put = urllib.request.Request(f"http://{etcd.endpoint}/v2/keys/foo", b"value=bar", method="PUT")
        urllib.request.urlopen(put, timeout=30).close()
        etcdctl(etcd, "put", "a", "1")
        etcd.kill()
        done = run(tools.soclectl, "import", str(etcd.data_dir), "--data-dir", str(scratch / "imported"))
    if done.returncode != 2 or "PUT /1/foo changes the v2 store" not in done.stderr:
        sys.exit(f"FAILED keys of the v2 API: code {done.returncode}:\n{done.stdout}{done.stderr}")
    print(f"ok     keys of the v2 API are refused: {done.stderr.strip()}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soclectl", required=True)
    parser.add_argument("--server", required=True, help="the socle-kv binary")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--only", help="the name of one scenario")
    tools = parser.parse_args()
    print(f"seed {tools.seed}", flush=True)
    rows = {row[0]: lambda scratch, row=row: scenario(row, tools, tools.seed, scratch) for row in SCENARIOS}
    rows["keys of the v2 API"] = lambda scratch: keys_of_the_v2_api(tools, scratch)
    for name, check in rows.items():
        if tools.only in (None, name):
            scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-import-"))
            try:
                check(scratch)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
