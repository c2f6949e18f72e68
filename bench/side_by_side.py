#!/usr/bin/env python3
"""The same load on Debian's etcd and on socle-kv, one after the other on this machine, and what one is to the other.

  side_by_side.py put --bin build/release/bin [--record] [socle-bench put flags]

Without flags: 1,000,000 random keys at 5,000 a second from 100 clients on 10 connections, 256-byte values. A flag of the command line
replaces the one here; --rate=0 is as fast as the answers come. --record appends both tables to bench/RESULTS.md. Both servers
run with default flags on fresh data directories. What socle-kv acknowledged is read back at the end.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server, ServerFailed  # noqa: E402

DEFAULTS = {"--clients": "100", "--conns": "10", "--total": "1000000", "--key-space-size": "1000000", "--val-size": "256", "--rate": "5000"}
LATENCIES = ["p50", "p90", "p99", "p99.9", "max"]


def merged_flags(given):
    """The defaults, with those of the command line in their place."""
    flags = dict(DEFAULTS)
    i = 0
    while i < len(given):
        name, equals, value = given[i].partition("=")
        if not equals and i + 1 < len(given) and not given[i + 1].startswith("--"):
            i += 1
            value = given[i]
        flags[name] = value
        i += 1
    return [name if value == "" else f"{name}={value}" for name, value in flags.items()]


def measure(server_binary, bench, flags, verify):
    with Server(server_binary, ["--log-level=error"]) as server:
        print(f"== {server_binary}: socle-bench put {' '.join(flags)}", flush=True)
        path = server.scratch / "run.json"
        done = subprocess.run([bench, "put", f"--endpoints={server.endpoint}", f"--server-pid={server.process.pid}", f"--json={path}", *flags],
                              stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout, flush=True)
        if done.returncode != 0:
            sys.exit(done.returncode)
        if verify:
            subprocess.run([bench, "check", f"--endpoints={server.endpoint}", f"--from={path}"], check=True)
        return done.stdout, json.loads(path.read_text())


def comparison(etcd, socle):
    """Lines: measure, etcd, socle-kv, ratio; above 1 means that socle-kv is better."""
    rows = [("requests/s", etcd["requests_per_second"], socle["requests_per_second"], True)]
    for name in LATENCIES:
        rows.append((f"{name} ms", etcd["latency"][f"{name}_us"] / 1000, socle["latency"][f"{name}_us"] / 1000, False))
    if "server_cpu_us_per_request" in etcd and "server_cpu_us_per_request" in socle:
        rows.append(("server CPU µs/request", etcd["server_cpu_us_per_request"], socle["server_cpu_us_per_request"], False))
    lines = [f"{'':24}{'etcd':>12}{'socle-kv':>12}{'better by':>12}"]
    for name, theirs, ours, more_is_better in rows:
        ratio = (ours / theirs if more_is_better else theirs / ours) if theirs and ours else 0
        lines.append(f"{name:24}{theirs:>12,.2f}{ours:>12,.2f}{ratio:>11.2f}x")
    return "\n".join(lines)


def record(flags, tables, summary):
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    etcd_version = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    text = f"""
## put, {datetime.date.today().isoformat()}, commit {commit}

    socle-bench put {' '.join(flags)}

{os.cpu_count()} cores ({platform.machine()}, shared by load and server), {etcd_version}, default flags, one after the other.

```
{summary}
```

etcd:

```
{tables[0].strip()}
```

socle-kv:

```
{tables[1].strip()}
```
"""
    path = ROOT / "bench" / "RESULTS.md"
    head = "" if path.exists() else "# Results\n\nRatios on one machine in one run; an absolute number says little elsewhere. `./dev bench put --record` adds to it.\n"
    with open(path, "a", encoding="utf-8") as file:
        file.write(head + text)
    print(f"recorded in {path.relative_to(ROOT)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("workload", choices=["put"])
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-kv and socle-bench")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--server", help="another server than the socle-kv of --bin")
    arguments, given = parser.parse_known_args()
    flags = merged_flags(given)
    bench = arguments.bin / "socle-bench"
    try:
        etcd_table, etcd = measure("etcd", bench, flags, verify=False)
        socle_table, socle = measure(arguments.server or arguments.bin / "socle-kv", bench, flags, verify=True)
    except ServerFailed as error:
        print(error)
        return 1
    summary = comparison(etcd, socle)
    print(summary)
    if arguments.record:
        record(flags, [etcd_table, socle_table], summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
