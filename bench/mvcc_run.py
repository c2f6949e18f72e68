#!/usr/bin/env python3
"""The multi-version store: each founding optimisation against its absence (ways_bench), and socle-kv beside Debian's etcd.

  mvcc_run.py --bin build/release/bin [--keys N] [--leases N] [--seconds S] [--rounds R] [--only PART] [--record]

Parts: ways (in this process: now and as it was before), servers (memory, restart, ranges, compaction), leases, watch. Servers run with
default flags on fresh data directories, one after the other, R rounds of etcd and socle-kv in turn; figures are medians of the rounds.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from results import record  # noqa: E402
from server import CLEAN_CODES, Server, ServerFailed  # noqa: E402

FIRST, END = "0", "g"  # around all keys of a put run, which are hexadecimal


def p999_ms(run):
    return run["latency"]["p99.9_us"] / 1000


class Session:
    """One server and what is asked of it."""

    def __init__(self, server, bench):
        self.server = server
        self.bench = bench

    def command(self, workload, flags, path):
        return [self.bench, workload, f"--endpoints={self.server.endpoint}", f"--server-pid={self.server.process.pid}", f"--json={path}",
                "--no-progress", *flags]

    def run(self, workload, *flags):
        """The JSON of one socle-bench run."""
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            done = subprocess.run(self.command(workload, flags, file.name), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode not in CLEAN_CODES:
                raise ServerFailed(f"socle-bench {workload} {' '.join(flags)}: exit code {done.returncode}\n{done.stdout}")
            return json.loads(pathlib.Path(file.name).read_text())

    def background(self, workload, *flags):
        return subprocess.Popen(self.command(workload, flags, os.devnull), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def etcdctl(self, *arguments):
        done = subprocess.run(["etcdctl", f"--endpoints={self.server.endpoint}", "--command-timeout=600s", *arguments],
                              env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True, check=True)
        return done.stdout

    def revision(self):
        return json.loads(self.etcdctl("get", "no-such-key", "-w", "json"))["header"]["revision"]

    def count(self, prefix):
        return json.loads(self.etcdctl("get", "--prefix", prefix, "--limit=1", "-w", "json")).get("count", 0)

    def anonymous_mib(self):
        for line in pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
        return 0.0


def fill(session, keys):
    session.run("put", "--sequential-keys", "--key-size=32", "--val-size=256", f"--key-space-size={keys}", f"--total={keys}", "--clients=200",
                "--conns=10")


def puts(session, keys, seconds, rate=3000, key_size=32):
    return session.run("put", f"--key-size={key_size}", "--val-size=256", f"--key-space-size={keys}", f"--total={int(rate * seconds)}", "--clients=100",
                       "--conns=10", f"--rate={rate}", "--seed=7")


def puts_beside_compaction(session, keys, seconds):
    """p99.9 of puts that begin with a compaction of as many revisions as there are keys."""
    fill(session, keys)
    compaction = subprocess.Popen(["etcdctl", f"--endpoints={session.server.endpoint}", "--command-timeout=600s", "compaction", "--physical",
                                   str(session.revision())], env={**os.environ, "ETCDCTL_API": "3"}, stdout=subprocess.DEVNULL)
    run = puts(session, keys, seconds)
    compaction.wait()
    return p999_ms(run)


def timed_compaction(session, keys):
    fill(session, keys)
    revision = session.revision()
    start = time.monotonic()
    session.etcdctl("compaction", "--physical", str(revision))
    return time.monotonic() - start


def measure_server(binary, bench, keys, seconds):
    figures = {}
    with Server(binary, ["--log-level=error"]) as server:
        session = Session(server, bench)
        print(f"== {binary}: {keys} keys", flush=True)
        fill(session, keys)
        time.sleep(1)
        figures["resident anonymous memory, MiB"] = session.anonymous_mib()
        server.stop()
        start = time.monotonic()
        server.start()
        figures["restart until it serves, s"] = time.monotonic() - start
        # etcd 3.4 reads at half speed after a burst of writes: it has just been started.
        limited = session.run("range", FIRST, END, "--limit=500", "--clients=8", "--conns=4", f"--total={max(50, int(20 * seconds))}")
        figures["range, limit 500 and count, per second"] = limited["requests_per_second"]
        alone = p999_ms(puts(session, keys, seconds))
        figures["puts at 3,000/s, p99.9 ms"] = alone
        ranges = session.background("range", FIRST, END, "--limit=10000", "--clients=1", "--conns=1", "--total=1000000000")
        figures["puts beside 10,000-key ranges, p99.9 ms"] = p999_ms(puts(session, keys, seconds))
        ranges.terminate()
        ranges.wait()
        figures["compaction, s"] = timed_compaction(session, keys)
        figures["puts beside a compaction, p99.9 ms"] = puts_beside_compaction(session, keys, seconds)
        server.stop()
    return figures


WIDE_KEYS = 20_000  # of one lease: what etcd does for each grows with their number


def puts_beside_revocation(session, keys):
    """The longest put at 1,000/s while one lease with so many keys is revoked: it is one revision."""
    lease = 77
    session.run("lease-grant", f"--first-id={lease}", "--leases=1", "--ttl=6000", "--total=1")
    session.run("put", f"--lease={lease}", "--sequential-keys", "--key-size=32", "--val-size=16", f"--key-space-size={keys}", f"--total={keys}",
                "--clients=200", "--conns=10")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        load = subprocess.Popen(session.command("put", ["--key-size=8", "--val-size=256", "--key-space-size=10000", "--total=4000", "--clients=100",
                                                        "--conns=10", "--rate=1000"], file.name), stdout=subprocess.DEVNULL)
        time.sleep(1)
        session.etcdctl("lease", "revoke", f"{lease:x}")
        load.wait()
        return json.loads(pathlib.Path(file.name).read_text())["latency"]["max_us"] / 1000


def measure_leases(binary, bench, leases, seconds):
    figures = {}
    with Server(binary, ["--log-level=error"]) as server:
        session = Session(server, bench)
        print(f"== {binary}: {leases} leases", flush=True)
        renewed = max(1000, leases // 10)
        session.run("lease-grant", "--first-id=5000000", f"--leases={renewed}", "--ttl=6000", f"--total={renewed}", "--clients=100", "--conns=10")
        renewals = session.run("lease-keepalive", "--first-id=5000000", f"--leases={renewed}", f"--total={int(1000 * seconds)}", "--clients=50",
                               "--conns=5", "--rate=1000")
        figures["renewals at 1,000/s, % of a core"] = renewals["server_cpu_us_per_request"] * 1000 / 1e6 * 100
        # Keys of eight bytes: none of the leases' keys, which have 32.
        alone = p999_ms(puts(session, 10_000, seconds, rate=1000, key_size=8))
        figures["puts at 1,000/s, p99.9 ms"] = alone
        # Granting and putting takes its time: all end at one moment well after it.
        lifetime = 15 + leases // 4000
        start = time.monotonic()
        session.run("lease-grant", f"--leases={leases}", f"--expire-after={lifetime}", f"--total={leases}", "--clients=200", "--conns=10")
        session.run("put", "--first-lease=1", "--sequential-keys", "--key-size=32", "--val-size=16", f"--key-space-size={leases}", f"--total={leases}",
                    "--clients=200", "--conns=10")
        left = lifetime - (time.monotonic() - start)
        if left < 2:
            raise ServerFailed(f"{binary} took {time.monotonic() - start:.0f} s to grant {leases} leases: more than they live")
        time.sleep(left - 1.5)
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            load = subprocess.Popen(session.command("put", ["--key-size=8", "--val-size=256", "--key-space-size=10000", f"--total={int(1000 * (seconds + 5))}",
                                                            "--clients=100", "--conns=10", "--rate=1000"], file.name), stdout=subprocess.DEVNULL)
            first = None
            prefix = "0" * 16
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                there = session.count(prefix)
                if first is None and there < leases:
                    first = time.monotonic()
                if there == 0:
                    break
                time.sleep(0.05)
            figures["leases gone within, s"] = time.monotonic() - (first or time.monotonic())
            load.wait()
            figures["puts beside the expiry, p99.9 ms"] = p999_ms(json.loads(pathlib.Path(file.name).read_text()))
        figures["longest put beside a wide revocation, ms"] = puts_beside_revocation(session, min(leases, WIDE_KEYS))
        server.stop()
    return figures


def median_of(rounds):
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


# figure, the bar in words, and whether ours (o), beside etcd's (e), meets it
BARS = [
    ("restart until it serves, s", "at most 1/10 of etcd's", lambda o, e: o["restart until it serves, s"] <= e["restart until it serves, s"] / 10),
    ("resident anonymous memory, MiB", "at most 1/3 of etcd's",
     lambda o, e: o["resident anonymous memory, MiB"] <= e["resident anonymous memory, MiB"] / 3),
    ("range, limit 500 and count, per second", "at least 20 x etcd's",
     lambda o, e: o["range, limit 500 and count, per second"] >= 20 * e["range, limit 500 and count, per second"]),
    ("puts at 3,000/s, p99.9 ms", "", None),
    ("puts beside 10,000-key ranges, p99.9 ms", "at most 2 x alone",
     lambda o, e: o["puts beside 10,000-key ranges, p99.9 ms"] <= 2 * o["puts at 3,000/s, p99.9 ms"]),
    ("puts beside a compaction, p99.9 ms", "at most 1.3 x alone",
     lambda o, e: o["puts beside a compaction, p99.9 ms"] <= 1.3 * o["puts at 3,000/s, p99.9 ms"]),
    ("compaction, s", "at most 1/8 of etcd's", lambda o, e: o["compaction, s"] <= e["compaction, s"] / 8),
    ("renewals at 1,000/s, % of a core", "under 2", lambda o, e: o["renewals at 1,000/s, % of a core"] < 2),
    ("leases gone within, s", "at most 3", lambda o, e: o["leases gone within, s"] <= 3),
    ("puts at 1,000/s, p99.9 ms", "", None),
    ("puts beside the expiry, p99.9 ms", "at most 2 x alone",
     lambda o, e: o["puts beside the expiry, p99.9 ms"] <= 2 * o["puts at 1,000/s, p99.9 ms"]),
    ("longest put beside a wide revocation, ms", "", None),
]


def table(etcd, socle):
    lines = [f"{'':44}{'etcd':>12}{'socle-kv':>12}{'ratio':>9}  bar"]
    for name, bar, is_met in BARS:
        if name not in socle:
            continue
        ratio = socle[name] / etcd[name] if etcd[name] else 0
        verdict = "" if is_met is None else (": met" if is_met(socle, etcd) else ": missed")
        lines.append(f"{name:44}{etcd[name]:>12,.2f}{socle[name]:>12,.2f}{ratio:>8.3f}x  {bar}{verdict}")
    return "\n".join(lines)


def run_ways(arguments):
    command = [arguments.bin / "ways_bench", f"--keys={min(max(arguments.keys, 10_000), 200_000)}", f"--seconds={arguments.seconds:g}",
               f"--rounds={arguments.rounds}"]
    if arguments.dir:
        command.append(f"--dir={arguments.dir}")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout, flush=True)
    return done.stdout.strip()


def run_index(arguments):
    """The index alone, at ten times the keys for the pause: what a key takes, what a search costs, how long a compaction holds up a writer."""
    def figures(keys, wanted):
        done = subprocess.run([arguments.bin / "index_bench", f"--benchmark_filter={wanted}", "--benchmark_format=json"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, env={**os.environ, "SOCLE_BENCH_KEYS": str(keys)}, text=True, check=True)
        return {one["name"].split("/iterations")[0]: one for one in json.loads(done.stdout)["benchmarks"]}

    keys, many = arguments.keys, 10 * arguments.keys
    small = figures(keys, "Find|LiveBelow|Supersede|Memory")
    large = figures(many, "CompactionPause")
    step, walk = large["BM_CompactionPause/walk:0"], large["BM_CompactionPause/walk:1"]
    memory = small["BM_Memory"]["bytes_per_key"]
    text = "\n".join([
        f"index of {keys:,} keys: a search {small['BM_Find']['cpu_time']:.0f} ns, a count below a key {small['BM_LiveBelow']['cpu_time']:.0f} ns, "
        f"a new revision {small['BM_Supersede']['cpu_time']:.0f} ns",
        f"bytes per key beyond its own 32: {memory:.0f}   at most 120: {'met' if memory <= 120 else 'missed'}",
        f"index of {many:,} keys, compaction of a revision of each: a writer waits {step['pause_p50_us']:.0f} us (p99.9 {step['pause_p99.9_us']:.0f}, longest "
        f"{step['pause_max_us']:.0f}); by the walk at once {walk['pause_max_us']:,.0f} us   p99.9 under 100: "
        f"{'met' if step['pause_p99.9_us'] < 100 else 'missed'}"])
    print(text + "\n", flush=True)
    return text


def run_both(arguments, measure, *sizes):
    rounds = {"etcd": [], "socle": []}
    for _ in range(arguments.rounds):
        rounds["etcd"].append(measure("etcd", arguments.bin / "socle-bench", *sizes))
        rounds["socle"].append(measure(arguments.bin / "socle-kv", arguments.bin / "socle-bench", *sizes))
    text = table(median_of(rounds["etcd"]), median_of(rounds["socle"]))
    print(text + "\n", flush=True)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-kv, socle-bench, ways_bench and index_bench")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--leases", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=["index", "ways", "servers", "leases"])
    parser.add_argument("--dir", help="folder on the disk that ways_bench measures")
    parser.add_argument("--record", action="store_true", help="append the tables to bench/RESULTS.md")
    arguments = parser.parse_args()
    texts = []
    try:
        if arguments.only in (None, "index"):
            texts.append(run_index(arguments))
        if arguments.only in (None, "ways"):
            texts.append(run_ways(arguments))
        if arguments.only in (None, "servers"):
            texts.append(run_both(arguments, measure_server, arguments.keys, arguments.seconds))
        if arguments.only in (None, "leases"):
            texts.append(run_both(arguments, measure_leases, arguments.leases, arguments.seconds))
    except ServerFailed as error:
        print(error)
        return 1
    if arguments.record:
        record("mvcc", f"./dev bench mvcc --keys={arguments.keys} --leases={arguments.leases} --seconds={arguments.seconds:g} --rounds={arguments.rounds}",
               ", shared by load and server), every write synced to disk.", ["\n\n".join(texts)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
