#!/usr/bin/env python3
"""The whole server beside Debian's etcd: puts, reads, transactions, watches, leases, memory, and the bars they are held to.

  server_run.py --bin build/release/bin [--keys N] [--seconds S] [--watchers N] [--rounds R] [--settle S] [--dir DIR] [--record]

Each round is etcd, then socle-kv, on fresh directories with default flags; a ratio is taken within a round, and the median of the rounds
counts. Each server is started again before it is read from: etcd 3.4 reads at half speed after a burst of writes. The load is one and the same
socle-bench, whose processor time is no part of the server's.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from results import etcd_version, record  # noqa: E402
from server import CLEAN_CODES, Server, ServerFailed  # noqa: E402

CLIENTS = (1, 10, 100, 1000)
LONG_RANGE = 10_000
PUTS = ("--val-size=256",)
HUNDRED = ("--clients=100", "--conns=10")
STOCK = "--client=grpc"
LOG_SYNC_BUCKET = 'etcd_disk_wal_fsync_duration_seconds_bucket{le="'
STEADY_TIMES = 4  # as long as the others: of 20 s at 5,000/s, a hundred requests lie beyond the 99.9th percentile


class Session:
    """One server and the loads on it."""

    def __init__(self, server, bench, arguments):
        self.server = server
        self.bench = bench
        self.space = (f"--key-space-size={arguments.keys}",)
        self.seconds = arguments.seconds

    def run(self, workload, *flags):
        """The JSON of one run of socle-bench."""
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [self.bench, workload, f"--endpoints={self.server.endpoint}", f"--server-pid={self.server.process.pid}", f"--json={file.name}", *flags]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode not in CLEAN_CODES:
                raise ServerFailed(f"socle-bench {workload} {' '.join(flags)}: exit code {done.returncode}\n{done.stdout}")
            result = json.loads(pathlib.Path(file.name).read_text())
        for warning in result.get("warnings", []):
            print(f"  {workload} {' '.join(flags)}: {warning}", flush=True)
        return result

    def measured(self, seconds=None):
        return (f"--duration={seconds or self.seconds:g}", f"--warmup={self.seconds / 5:g}")

    def load(self, workload, *flags, seconds=None):
        return self.run(workload, *self.measured(seconds), *self.space, "--no-progress", *flags)

    def log_syncs(self):
        """How many syncs of the log took no longer than each bound in seconds, until now."""
        counts = {}
        with urllib.request.urlopen(f"http://{self.server.endpoint}/metrics", timeout=10) as page:
            for line in page.read().decode().splitlines():
                if line.startswith(LOG_SYNC_BUCKET):
                    bound, count = line[len(LOG_SYNC_BUCKET):].split('"} ')
                    counts[float(bound)] = float(count)
        return counts

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0


def keep(figures, name, run):
    figures[f"{name}, per second"] = run["requests_per_second"]
    figures[f"{name}, p50 ms"] = run["latency"]["p50_us"] / 1000
    figures[f"{name}, p99 ms"] = run["latency"]["p99_us"] / 1000
    figures[f"{name}, p99.9 ms"] = run["latency"]["p99.9_us"] / 1000
    figures[f"{name}, server CPU us"] = run["server_cpu_us_per_request"]


def spread_over(clients):
    return (f"--clients={clients}", f"--conns={max(1, clients // 10)}")


def keep_stock(by_grpc, name, run):
    """A row of the table of the stock gRPC client, which takes most of the machine itself."""
    keep(by_grpc, name, run)
    by_grpc[f"{name}, client CPU us"] = run["client_cpu_us_per_request"]


def quantile_between(before, after, quantile):
    """The bound of the first bucket below which that part of the new ones lies."""
    new = sorted((bound, count - before.get(bound, 0)) for bound, count in after.items())
    return next((bound for bound, count in new if count >= quantile * new[-1][1]), math.nan)


def measure_one_put(session, figures, arguments):
    """Beside its floor, which drifts with the disk: measured before and after."""
    floors = [measure_limits(arguments)]
    keep(figures, "put, 1 clients", session.load("put", *PUTS, *spread_over(1)))
    floors.append(measure_limits(arguments))
    figures[FLOOR] = statistics.mean(limits["fdatasync_p50_us"] + limits["round_trip_p50_us"] for limits in floors) / 1000
    # Client and server then mostly share a core, where waking costs next to nothing: how good it could be.
    figures["both in one go, p50 ms"] = statistics.mean(limits["durable_trip_p50_us"] for limits in floors) / 1000


def measure_steady_puts(session, figures, arguments):
    # The unlimited puts have spent what a shared disk lends to bursts: a steady rate is measured once it has that back, of both.
    time.sleep(arguments.settle)
    before = session.log_syncs()
    keep(figures, "put at 5,000/s", session.load("put", *PUTS, *HUNDRED, "--rate=5000", seconds=STEADY_TIMES * arguments.seconds))
    limits = measure_limits(arguments, under_load=True)
    figures[APPENDS_ALONE] = limits["steady_append_p999_us"] / 1000
    figures[BARE_EXCHANGES] = limits["exchanges_per_second"]
    # A bucket's bound: what of the tail was the disk's.
    figures["put at 5,000/s, p99.9 of a log sync at most, ms"] = quantile_between(before, session.log_syncs(), 0.999) * 1000


def measure_writes(session, figures, by_grpc, arguments):
    measure_one_put(session, figures, arguments)
    for clients in CLIENTS[1:]:
        keep(figures, f"put, {clients} clients", session.load("put", *PUTS, *spread_over(clients)))
    measure_steady_puts(session, figures, arguments)
    keep(figures, "txn with one put", session.load("txn-put", *PUTS, *HUNDRED))
    keep_stock(by_grpc, "put, 100 clients", session.load("put", *PUTS, *HUNDRED, STOCK))
    keep_stock(by_grpc, "txn with one put, 100 clients", session.load("txn-put", *PUTS, *HUNDRED, STOCK))
    leases = max(100, arguments.keys // 100)
    session.run("lease-grant", f"--leases={leases}", f"--total={leases}", "--ttl=6000", *HUNDRED, "--no-progress")
    keep(figures, "lease keep-alive", session.run("lease-keepalive", f"--leases={leases}", *session.measured(), *HUNDRED, "--no-progress"))
    keep(figures, "mixed, 80 % reads", session.load("mixed", "--mix=put=20,range=80", *PUTS, *HUNDRED))
    watch = session.run("watch-latency", "--streams=10", "--watchers-per-stream=10", "--put-rate=1000", f"--put-total={max(100, int(1000 * arguments.seconds))}",
                        "--val-size=256")
    figures["watch latency, p99 ms"] = watch["latency"]["p99_us"] / 1000
    figures["watch latency, p99.9 ms"] = watch["latency"]["p99.9_us"] / 1000


def measure_reads(session, figures, by_grpc, arguments):
    for clients in CLIENTS:
        keep(figures, f"range, {clients} clients", session.load("range", *spread_over(clients)))
    keep_stock(by_grpc, "range, 100 clients", session.load("range", *HUNDRED, STOCK))
    before = session.resident_bytes()
    # Keys of the put runs are hexadecimal: all of them lie between "0" and "g".
    long_range = session.run("range", "0", "g", f"--limit={LONG_RANGE}", "--clients=4", "--conns=4", *session.measured(), "--no-progress")
    keep(figures, "10,000-key range", long_range)
    most = max(sample["rss_bytes"] for sample in long_range["server"])
    figures["10,000-key range, memory growth MiB"] = max(most - before, 0) / 2**20
    figures["resident memory, MiB"] = session.resident_bytes() / 2**20


def measure_idle_watches(session, figures, arguments):
    before = session.resident_bytes()
    run = session.run("put", "--total=10", f"--idle-watchers={arguments.watchers}", "--no-progress")
    figures["idle watch, bytes"] = max(run["server"][0]["rss_bytes"] - before, 0) / arguments.watchers
    run = session.load("put", *PUTS, "--clients=1000", "--conns=1000", f"--idle-watchers={arguments.watchers}")
    keep(figures, "put, 1,000 connections beside idle watches", run)


def measure(binary, arguments):
    """Figures by our own client, and by the stock gRPC client."""
    figures, by_grpc = {}, {}
    with Server(binary, ["--log-level=error"], data_dir=None) as server:
        print(f"== {binary}", flush=True)
        session = Session(server, arguments.bin / "socle-bench", arguments)
        session.run("put", *PUTS, "--sequential-keys", *session.space, f"--total={arguments.keys}", "--clients=200", "--conns=10", "--no-progress")
        measure_writes(session, figures, by_grpc, arguments)
        server.stop()
        server.start()
        measure_reads(session, figures, by_grpc, arguments)
        server.stop()
        server.start()
        measure_idle_watches(session, figures, arguments)
        server.stop()
    return figures, by_grpc


def measure_limits(arguments, under_load=False):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [arguments.bin / "socle-bench", "limits", f"--dir={arguments.dir}", f"--json={file.name}"]
        if under_load:
            command += ["--under-load", f"--seconds={arguments.seconds:g}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.loads(pathlib.Path(file.name).read_text())


# figure, what ours must be of etcd's: at least that many times (more is better), or at most that part (less is better)
BARS = [
    ("put, 100 clients, per second", "at least", 5),
    ("put, 100 clients, server CPU us", "at most", 1 / 6),
    ("put at 5,000/s, p99.9 ms", "at most", 1 / 10),
    ("range, 100 clients, per second", "at least", 8),
    ("range, 100 clients, server CPU us", "at most", 1 / 10),
    ("txn with one put, per second", "at least", 10),
    ("10,000-key range, per second", "at least", 8),
    ("10,000-key range, memory growth MiB", "at most", 1 / 10),
    ("put, 1,000 connections beside idle watches, per second", "at least", 5),
]
IDLE_WATCH_BYTES = 2048
FLOOR = "an fdatasync and an empty round trip, p50 ms"
ONE_PUT = 1.3  # times that
# What no server gets past here: a bar beyond it can't be met on this machine.
APPENDS_ALONE = "nothing but appends at 5,000/s, p99.9 ms"
BARE_EXCHANGES = "nothing but bytes over 1,000 connections, per second"
LIMIT_OF = {"put at 5,000/s, p99.9 ms": APPENDS_ALONE, "put, 1,000 connections beside idle watches, per second": BARE_EXCHANGES}


def median_of(rounds, name):
    return statistics.median(one[name] for one in rounds)


def ratios_of(etcd, socle, name):
    """Round by round; not a number where etcd's figure is nothing, as of memory that did not grow."""
    return [ours[name] / theirs[name] if theirs[name] else math.nan for theirs, ours in zip(etcd, socle)]


def table(etcd, socle):
    lines = [f"{'':56}{'etcd':>12}{'socle-kv':>12}{'ratio':>9}  in rounds"]
    for name in socle[0]:
        ratios = ratios_of(etcd, socle, name)
        lines.append(f"{name:56}{median_of(etcd, name):>12,.2f}{median_of(socle, name):>12,.2f}{statistics.median(ratios):>8.3f}x  "
                     f"{min(ratios):.3f} to {max(ratios):.3f}")
    return "\n".join(lines)


def verdicts(etcd, socle):
    lines = [f"{'bar':84}{'':>10}"]

    def say(text, value, is_met):
        lines.append(f"{text:84}{value:>10}  {'not judged' if is_met is None else 'met' if is_met else 'missed'}")

    for name, kind, bound in BARS:
        ratio = statistics.median(ratios_of(etcd, socle, name))
        words = f"{kind} {bound:g} x etcd's" if kind == "at least" else f"{kind} 1/{round(1 / bound)} of etcd's"
        is_met = None if math.isnan(ratio) else ratio >= bound if kind == "at least" else ratio <= bound
        say(f"{name}: {words}", f"{ratio:.3f}x", is_met)
        if name in LIMIT_OF:
            limit = LIMIT_OF[name]
            reachable = statistics.median(ours[limit] / theirs[name] for theirs, ours in zip(etcd, socle))
            lines.append(f"{f'  {limit}: the limit of this machine, of the same figure of etcd':84}{f'{reachable:.3f}x':>10}")
    one = statistics.median(figures["put, 1 clients, p50 ms"] / figures[FLOOR] for figures in socle)
    say(f"one client's put, p50: at most {ONE_PUT} x an fdatasync and an empty round trip", f"{one:.3f}x", one <= ONE_PUT)
    watch = median_of(socle, "idle watch, bytes")
    say(f"idle watch: at most {IDLE_WATCH_BYTES} bytes", f"{watch:,.0f}", watch <= IDLE_WATCH_BYTES)
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-kv and socle-bench")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--settle", type=float, default=60, help="seconds of rest for the disk before puts at a steady rate")
    parser.add_argument("--watchers", type=int, default=100_000, help="idle ones")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", default=tempfile.gettempdir(), help="folder on the disk to measure")
    parser.add_argument("--record", action="store_true", help="append the tables to bench/RESULTS.md")
    arguments = parser.parse_args()
    tempfile.tempdir = arguments.dir  # the servers are there too
    etcd, socle, etcd_stock, socle_stock = [], [], [], []
    try:
        for _ in range(arguments.rounds):
            for binary, figures, by_grpc in (("etcd", etcd, etcd_stock), (arguments.bin / "socle-kv", socle, socle_stock)):
                measured = measure(binary, arguments)
                figures.append(measured[0])
                by_grpc.append(measured[1])
    except (ServerFailed, subprocess.CalledProcessError) as error:
        print(error)
        if socle:
            print(f"what was measured before that, {len(socle)} whole rounds:\n\n{table(etcd[:len(socle)], socle)}")
        return 1
    text = (table(etcd, socle) + "\n\nby the stock gRPC C++ client (--client=grpc), which is the limit itself where the generator warns:\n\n" +
            table(etcd_stock, socle_stock) + "\n\n" + verdicts(etcd, socle))
    print(text)
    if arguments.record:
        record("server", f"./dev bench server --keys={arguments.keys} --seconds={arguments.seconds:g} --watchers={arguments.watchers} "
               f"--rounds={arguments.rounds} --settle={arguments.settle:g}",
               f", shared by load and server), {etcd_version()}, default flags, by turns; every write synced to disk.", [text])
    return 0


if __name__ == "__main__":
    sys.exit(main())
