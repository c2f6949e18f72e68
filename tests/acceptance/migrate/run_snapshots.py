#!/usr/bin/env python3
"""soclectl snapshot beside etcdctl snapshot: each takes what the other saved, and says the same of it.

  run_snapshots.py --soclectl build/release/bin/soclectl --server build/release/bin/socle-kv
"""

import argparse
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from gateway import Load  # noqa: E402
from run_import import AS_ROOT, LAGGING, Reachable, etcdctl, need_same, run, seen  # noqa: E402

FORMATS = ["simple", "table", "json", "fields"]
BUMP = 1_000_000


def need(condition, what, *details):
    if not condition:
        sys.exit(f"FAILED {what}\n" + "\n".join(str(detail) for detail in details))
    print(f"ok     {what}", flush=True)


def same_status(soclectl, path):
    for form in FORMATS:
        ours, theirs = run(soclectl, "snapshot", "status", path, "-w", form), run("etcdctl", "snapshot", "status", path, "-w", form)
        # 3.4 knows no storage version.
        text = ours.stdout.replace(',"version":"3.6.0"', "").replace('"Version" : 3.6.0\n', "")
        if (ours.returncode, text) != (theirs.returncode, theirs.stdout):
            sys.exit(f"FAILED status -w {form} of {path}:\n{ours.stdout}{ours.stderr}\n{theirs.stdout}{theirs.stderr}")


def restored(tools, server_kind, path, folder):
    """The path's snapshot restored by the tool of the server's kind; the server, not started."""
    server = Reachable(server_kind, [] if server_kind == "etcd" else ["--log-level=error"], data_dir=folder)
    if server_kind == "etcd":
        done = run("etcdctl", "snapshot", "restore", path, f"--data-dir={folder}", "--name=default",
                   f"--initial-cluster=default={server.peer_url}", f"--initial-advertise-peer-urls={server.peer_url}")
    else:
        done = run(tools.soclectl, "snapshot", "restore", path, f"--data-dir={folder}", "--initial-cluster=default=http://localhost:2380")
    if done.returncode != 0:
        sys.exit(f"FAILED restore of {path} for {server_kind}:\n{done.stdout}{done.stderr}")
    return server


def both_ways(tools, scratch):
    """etcd -> socle-kv -> etcd -> socle-kv, users included, with the tools of each side taking turns."""
    soclectl = tools.soclectl
    with Reachable("etcd", LAGGING) as etcd:
        load = Load(etcd.endpoint, tools.seed)
        load.run(150)
        load.users(4)
        load.run(150)
        wanted = seen(etcd, AS_ROOT)
        by_etcdctl, by_soclectl = str(scratch / "a.db"), str(scratch / "b.db")
        etcdctl(etcd, *AS_ROOT, "snapshot", "save", by_etcdctl)
        saved = run(soclectl, "snapshot", "save", by_soclectl, f"--endpoints={etcd.endpoint}", *AS_ROOT)
        need(saved.returncode == 0 and saved.stdout == f"Snapshot saved at {by_soclectl}\n", "soclectl saves from etcd", saved)
        # The server stamps its own commits into the file; what is in it is the same.
        need(run(soclectl, "snapshot", "status", by_etcdctl).stdout.split(",")[1:] ==
             run(soclectl, "snapshot", "status", by_soclectl).stdout.split(",")[1:], "both tools save the same")
        nobody = run(soclectl, "snapshot", "save", str(scratch / "c.db"), f"--endpoints={etcd.endpoint}")
        need(nobody.returncode == 2 and "user name is empty" in nobody.stderr and not (scratch / "c.db").exists(), "not without a user", nobody)
        stranger = run(soclectl, "snapshot", "save", str(scratch / "c.db"), f"--endpoints={etcd.endpoint}", "--user=user1:p1")
        need(stranger.returncode == 2 and "permission denied" in stranger.stderr, "not as somebody", stranger)
        need(not list(scratch.glob("c.db*")), "what was refused leaves no file")
    for path in (by_etcdctl, by_soclectl):
        same_status(soclectl, path)
    need(True, "soclectl and etcdctl say the same of an etcd's snapshot, in every format")
    with restored(tools, tools.server, by_etcdctl, scratch / "socle") as socle:
        need_same("etcd -> socle-kv", seen(socle, AS_ROOT), wanted)
        etcdctl(socle, *AS_ROOT, "put", "here", "now")
        wanted = seen(socle, AS_ROOT)
        path = str(scratch / "from-socle.db")
        run(soclectl, "snapshot", "save", path, f"--endpoints={socle.endpoint}", *AS_ROOT)
        socle.stop()
    same_status(soclectl, path)
    need(True, "and of socle-kv's")
    with restored(tools, "etcd", path, scratch / "etcd") as etcd:
        need_same("socle-kv -> etcd", seen(etcd, AS_ROOT), wanted)
        path = str(scratch / "again.db")
        etcdctl(etcd, *AS_ROOT, "snapshot", "save", path)
        etcd.stop()
    with restored(tools, tools.server, path, scratch / "socle2") as socle:
        need_same("etcd -> socle-kv again", seen(socle, AS_ROOT), wanted)
    need(True, "etcd -> socle-kv -> etcd -> socle-kv: hash, keys, leases, users and roles are the same")
    # An etcd that was restored and never wrote: its log has the member and nothing else.
    imported = run(soclectl, "import", str(scratch / "etcd"), "--data-dir", str(scratch / "imported"))
    need(imported.returncode == 0 and f": {wanted['hash'][0]}, compacted" in imported.stdout, "and the same by import", imported)
    return path


def bumped(tools, path, scratch):
    folder = scratch / "bumped"
    done = run(tools.soclectl, "snapshot", "restore", path, f"--data-dir={folder}", f"--bump-revision={BUMP}", "--mark-compacted")
    need(done.returncode == 0, "restore with --bump-revision", done)
    plain = seen_revision(run(tools.soclectl, "snapshot", "status", path).stdout)
    server = Reachable(tools.server, ["--log-level=error"], data_dir=folder)
    with server as socle:
        put = etcdctl(socle, *AS_ROOT, "put", "after", "bump", "-w", "json")
        need(f'"revision":{plain + BUMP + 1}' in put, "the next write is behind the revisions that were left out", put)
        old = run("etcdctl", f"--endpoints={socle.endpoint}", *AS_ROOT, "get", "after", f"--rev={plain}")
        need("required revision has been compacted" in old.stderr, "what was before is compacted", old)
        before = seen(socle, AS_ROOT)
        run(tools.soclectl, "snapshot", "save", str(scratch / "bumped.db"), f"--endpoints={socle.endpoint}", *AS_ROOT)
        socle.stop()
    with restored(tools, "etcd", str(scratch / "bumped.db"), scratch / "bumped-etcd") as etcd:
        need_same("bumped -> etcd", seen(etcd, AS_ROOT), before)
    need(True, "etcd goes on from there")


def seen_revision(status):
    return int(status.split(", ")[1])


def refused(tools, path, scratch):
    whole = pathlib.Path(path).read_bytes()
    broken, bare = scratch / "broken.db", scratch / "bare.db"
    broken.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    bare.write_bytes(whole[:-32])
    for file, ours, theirs in ((broken, "expected sha256", "expected sha256"),
                               (bare, "snapshot missing hash but --skip-hash-check=false", "snapshot missing hash but --skip-hash-check=false")):
        done = run(tools.soclectl, "snapshot", "restore", str(file), f"--data-dir={scratch / 'r1'}")
        peer = run("etcdctl", "snapshot", "restore", str(file), f"--data-dir={scratch / ('peer-' + file.stem)}")
        need(done.returncode in (1, 2) and ours in done.stderr and theirs in peer.stderr and not (scratch / "r1").exists(),
             f"{file.name} is refused as etcdctl refuses it", done, peer)
    status = run(tools.soclectl, "snapshot", "status", str(broken))
    need(status.returncode == 1 and "expected sha256" in status.stderr, "status refuses it, too", status)
    done = run(tools.soclectl, "snapshot", "restore", str(bare), "--skip-hash-check", f"--data-dir={scratch / 'r3'}")
    need(done.returncode == 0, "a file without a digest is taken when asked to", done)
    done = run(tools.soclectl, "snapshot", "restore", str(bare), "--skip-hash-check", f"--data-dir={scratch / 'r3'}")
    need(done.returncode == 2 and "exists and is not empty" in done.stderr, "an existing directory is not touched", done)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--soclectl", required=True)
    parser.add_argument("--server", required=True, help="the socle-kv binary")
    parser.add_argument("--seed", type=int, default=7)
    tools = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-snapshots-"))
    try:
        path = both_ways(tools, scratch)
        bumped(tools, path, scratch)
        refused(tools, path, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
