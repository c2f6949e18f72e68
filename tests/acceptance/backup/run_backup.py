#!/usr/bin/env python3
"""Continuous backup of a socle-kv that is killed again and again; any revision and any moment come back as the server showed them.

  run_backup.py --soclectl build/release/bin/soclectl --server build/release/bin/socle-kv --seed 1

The truth is what the server answered while it ran: all keys and HashKV at revisions of its life, and at moments.
"""

import argparse
import datetime
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
sys.path.insert(0, str(ROOT / "tests" / "acceptance" / "migrate"))
from gateway import Gateway, Load, coded  # noqa: E402
from server import Server  # noqa: E402

ROUNDS = 3
ALL = {"key": coded("\0"), "range_end": coded("\0")}


class Found(Exception):
    """The backup broke its promise."""


def expect(condition, what):
    if not condition:
        raise Found(what)


def state(gateway, revision=0):
    """All keys, the revision they are of, and HashKV there."""
    answer = gateway.need("kv/range", **ALL, revision=revision)
    at = revision or int(answer["header"]["revision"])
    hashed = gateway.need("maintenance/hashkv", revision=at)
    return {"revision": at, "kvs": answer.get("kvs", []), "hash": int(hashed["hash"]), "compacted": int(hashed.get("compact_revision", 0))}


class Run:
    def __init__(self, arguments, scratch):
        self.soclectl_path = arguments.soclectl
        self.random = random.Random(arguments.seed)
        self.seed = arguments.seed
        self.backup = scratch / "backup"
        self.scratch = scratch
        self.server = Server(arguments.server, ["--log-level=warn", f"--backup-dir={self.backup}", "--backup-interval=50ms",
                                                "--backup-snapshot-interval=1s"])
        self.seen = []   # states at revisions
        self.times = []  # (time, state) at moments when nothing was written

    def soclectl(self, *arguments, code=0):
        done = subprocess.run([self.soclectl_path, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
        expect(done.returncode == code, f"soclectl {' '.join(map(str, arguments))}: exit code {done.returncode}, not {code}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def metric(self, name):
        text = urllib.request.urlopen(f"http://{self.server.endpoint}/metrics", timeout=10).read().decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE).group(1))

    def await_saved(self, revision):
        deadline = time.monotonic() + 20
        while self.metric("socle_backup_saved_revision") < revision:
            expect(time.monotonic() < deadline, "the backup did not follow")
            time.sleep(0.05)

    def write(self, number):
        load = Load(self.server.endpoint, self.seed * 100 + number)
        deadline = time.monotonic() + 1.1
        while time.monotonic() < deadline:
            load.run(self.random.randrange(5, 40))
            self.seen.append(state(load.gateway))
        time.sleep(0.25)  # nothing is written between the marks around this time
        self.times.append((datetime.datetime.now(datetime.timezone.utc), state(load.gateway)))
        time.sleep(0.25)
        load.run(20)
        return load.gateway

    def live(self):
        for number in range(ROUNDS):
            self.server.start()
            gateway = self.write(number)
            if number + 1 < ROUNDS:
                if number == 0:
                    self.await_saved(self.times[-1][1]["revision"])
                self.server.kill()  # with what was written last saved, or not
        # The mistake: a namespace is gone.
        time.sleep(0.3)
        self.before = (datetime.datetime.now(datetime.timezone.utc), state(gateway))
        time.sleep(0.3)
        gateway.need("kv/deleterange", key=coded("key/"), range_end=coded("key0"))
        self.soclectl("backup", "check", self.backup)  # beside the running server
        expect(self.metric("socle_backup_failures_total") == 0, "the backup failed")
        self.last = state(gateway)
        self.server.stop()

    def compare(self, restored, expected):
        """A server on the restored directory answers as the first one did."""
        with Server(self.server.binary, ["--log-level=error"], data_dir=restored) as server:
            found = state(Gateway(server.endpoint), expected["revision"])
        expect(found["kvs"] == expected["kvs"], f"revision {expected['revision']}: other keys")
        if found["compacted"] == expected["compacted"]:
            expect(found["hash"] == expected["hash"], f"revision {expected['revision']}: HashKV {found['hash']}, not {expected['hash']}")

    def restore(self, expected, *how):
        target = self.scratch / f"restored-{expected['revision']}-{len(list(self.scratch.glob('restored-*')))}"
        said = self.soclectl("backup", "restore", self.backup, "--data-dir", target, *how)
        told = re.search(r"hashkv\): (\d+) at revision (\d+), compacted at (-?\d+)", said)
        expect(int(told[2]) == expected["revision"], f"{how}: restored revision {told[2]}, not {expected['revision']}")
        if max(int(told[3]), 0) == max(expected["compacted"], 0):
            expect(int(told[1]) == expected["hash"], f"{how}: HashKV {told[1]}, not {expected['hash']}")
        return target

    def check_restores(self):
        listed = self.soclectl("backup", "list", self.backup)
        expect(listed.count("chain ") == 1, f"there is a gap:\n{listed}")
        expect(listed.count("  base ") >= 3, f"too few bases:\n{listed}")
        oldest = int(re.search(r"base .*? revision +(\d+)", listed)[1])
        seen = [each for each in self.seen if each["revision"] > oldest]
        for i, each in enumerate(self.random.sample(seen, min(6, len(seen)))):
            target = self.restore(each, "--to-revision", each["revision"])
            if i < 2:
                self.compare(target, each)
        self.compare(self.restore(self.last), self.last)
        for when, each in self.times + [self.before]:
            target = self.restore({**each, "revision": each["revision"]}, "--to-time", when.isoformat())
        self.compare(target, self.before[1])
        self.soclectl("backup", "restore", self.backup, "--data-dir", target, code=2)  # it is not empty
        text = self.soclectl("backup", "restore", self.backup, "--data-dir", self.scratch / "none", "--to-time", "2020-01-01T00:00:00Z", code=2)
        expect("the earliest time that can be restored is" in text, text)

    def check_others(self):
        image = next(self.backup.glob("*.db"))
        etcdctl = subprocess.run(["etcdctl", "snapshot", "status", str(image)], env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"},
                                 capture_output=True, text=True, check=False) if shutil.which("etcdctl") else None
        expect(etcdctl is None or etcdctl.returncode == 0, "etcdctl can't read a base")
        self.soclectl("snapshot", "restore", image, "--data-dir", self.scratch / "by-snapshot")
        other = subprocess.run(self.server.command() + [f"--data-dir={self.scratch / 'other'}"], capture_output=True, text=True, timeout=30, check=False)
        expect(other.returncode == 1 and "is the backup of store" in other.stdout + other.stderr, f"another store: {other.stdout}{other.stderr}")

    def check_damage(self):
        pieces = sorted(self.backup.glob("*.piece"))
        for victim in [max(pieces, key=lambda piece: piece.stat().st_size), sorted(self.backup.glob("*.db"))[-1], sorted(self.backup.glob("*.base"))[-1]]:
            whole = victim.read_bytes()
            at = self.random.randrange(len(whole))
            victim.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
            text = self.soclectl("backup", "check", self.backup, code=1)
            expect(victim.stem in text, f"{victim.name} at {at}: not named in\n{text}")
            victim.write_bytes(whole)
        self.soclectl("backup", "check", self.backup)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soclectl", required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="socle-backup-") as scratch:
        run = Run(arguments, pathlib.Path(scratch))
        try:
            run.live()
            run.check_restores()
            run.check_others()
            run.check_damage()
        except Found as found:
            sys.exit(f"seed {arguments.seed}: {found}\n{run.server.log_tail()[-1500:]}")
        finally:
            run.server.close()
    print(f"{len(run.seen)} states and {len(run.times) + 1} moments, {ROUNDS - 1} kills: all restored states are what the server showed")


if __name__ == "__main__":
    main()
