#!/usr/bin/env python3
"""The same load on Debian's etcd and on socle-kv, one after the other on this machine, and what one is to the other.

  side_by_side.py put|watch --bin build/release/bin [--record] [socle-bench flags]

put without flags: 1,000,000 random keys at 5,000 a second from 100 clients on 10 connections, 256-byte values; --rate=0 is as fast as
the answers come; what socle-kv acknowledged is read back at the end. watch without flags: 200 puts to one key with 10,000 watchers.
A flag of the command line replaces the one here. --record appends both tables to bench/RESULTS.md. Both servers run with default
flags on fresh data directories.
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from results import etcd_version, record  # noqa: E402
from server import CLEAN_CODES, Server, ServerFailed  # noqa: E402

DEFAULTS = {
    "put": {"--clients": "100", "--conns": "10", "--total": "1000000", "--key-space-size": "1000000", "--val-size": "256", "--rate": "5000"},
    "watch": {"--watchers": "10000", "--streams": "100", "--conns": "10", "--total": "200", "--val-size": "256", "--rate": "0"},
}
LATENCIES = {"put": ["p50", "p90", "p99", "p99.9", "max"], "watch": ["p50", "p99", "p99.9", "max"]}
RATES = {"put": ("requests/s", "requests_per_second"), "watch": ("deliveries/s", "deliveries_per_second")}
CPU = {"put": ("server CPU µs/request", "server_cpu_us_per_request"), "watch": ("server CPU µs/delivery", "server_cpu_us_per_delivery")}


def merged_flags(workload, given):
    """The defaults, with those of the command line in their place."""
    flags = dict(DEFAULTS[workload])
    i = 0
    while i < len(given):
        name, equals, value = given[i].partition("=")
        if not equals and i + 1 < len(given) and not given[i + 1].startswith("--"):
            i += 1
            value = given[i]
        flags[name] = value
        i += 1
    return [name if value == "" else f"{name}={value}" for name, value in flags.items()]


def measure(workload, server_binary, bench, flags, verify):
    with Server(server_binary, ["--log-level=error"]) as server:
        print(f"== {server_binary}: socle-bench {workload} {' '.join(flags)}", flush=True)
        path = server.scratch / "run.json"
        done = subprocess.run([bench, workload, f"--endpoints={server.endpoint}", f"--server-pid={server.process.pid}", f"--json={path}", *flags],
                              stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout, flush=True)
        if done.returncode not in CLEAN_CODES:
            sys.exit(done.returncode)
        if verify:
            subprocess.run([bench, "check", f"--endpoints={server.endpoint}", f"--from={path}"], check=True)
        return done.stdout, json.loads(path.read_text())


def comparison(workload, etcd, socle):
    """Lines: measure, etcd, socle-kv, ratio; above 1 means that socle-kv is better."""
    name, field = RATES[workload]
    rows = [(name, etcd[field], socle[field], True)]
    for name in LATENCIES[workload]:
        rows.append((f"{name} ms", etcd["latency"][f"{name}_us"] / 1000, socle["latency"][f"{name}_us"] / 1000, False))
    name, field = CPU[workload]
    if field in etcd and field in socle:
        rows.append((name, etcd[field], socle[field], False))
    lines = [f"{'':24}{'etcd':>12}{'socle-kv':>12}{'better by':>12}"]
    for name, theirs, ours, more_is_better in rows:
        ratio = (ours / theirs if more_is_better else theirs / ours) if theirs and ours else 0
        lines.append(f"{name:24}{theirs:>12,.2f}{ours:>12,.2f}{ratio:>11.2f}x")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("workload", choices=sorted(DEFAULTS))
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-kv and socle-bench")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--server", help="another server than the socle-kv of --bin")
    arguments, given = parser.parse_known_args()
    workload = arguments.workload
    flags = merged_flags(workload, given)
    bench = arguments.bin / "socle-bench"
    try:
        etcd_table, etcd = measure(workload, "etcd", bench, flags, verify=False)
        socle_table, socle = measure(workload, arguments.server or arguments.bin / "socle-kv", bench, flags, verify=workload == "put")
    except ServerFailed as error:
        print(error)
        return 1
    summary = comparison(workload, etcd, socle)
    print(summary)
    if arguments.record:
        record(workload, f"socle-bench {workload} {' '.join(flags)}",
               f", shared by load and server), {etcd_version()}, default flags, one after the other.",
               [summary, ("etcd:", etcd_table), ("socle-kv:", socle_table)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
