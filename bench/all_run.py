#!/usr/bin/env python3
"""Every table of the bench, one after the other: storage, mvcc, server, put, watch, plane.

  all_run.py --bin build/release/bin [--size smoke|some|full] [--only PART,...] [--record]

some (the default) takes about half an hour and keeps the ratios honest; full is what bench/RESULTS.md is made of and takes hours; smoke says
only that everything runs. A part that fails does not keep the others from running; the exit code says so at the end. --record is given on to
each part.
"""

import argparse
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]

# part: script, flags by size
PARTS = {
    "storage": ("storage_run.py", {"smoke": ["--scale=0.004", "--rounds=1"], "some": ["--scale=0.2", "--rounds=3"], "full": []}),
    "mvcc": ("mvcc_run.py", {"smoke": ["--keys=2000", "--leases=300", "--seconds=0.5"], "some": ["--keys=200000", "--leases=20000", "--seconds=5"],
                             "full": []}),
    "server": ("server_run.py", {"smoke": ["--keys=2000", "--seconds=0.25", "--watchers=500", "--rounds=1", "--settle=0"],
                                 "some": ["--keys=200000", "--seconds=4", "--watchers=20000", "--rounds=2"], "full": []}),
    "put": ("side_by_side.py put", {"smoke": ["--total=2000", "--key-space-size=2000"], "some": ["--total=150000", "--key-space-size=150000"], "full": []}),
    "watch": ("side_by_side.py watch", {"smoke": ["--watchers=100", "--streams=10", "--total=20"], "some": [], "full": []}),
    "plane": ("plane_run.py", {"smoke": ["--nodes=10", "--pods=100", "--bound-pods=20", "--gets=200", "--patches=50", "--renewals=50", "--lists=1",
                                         "--watches=5", "--watched-changes=20"],
                               "some": ["--pods=10000", "--bound-pods=3000", "--gets=30000", "--patches=5000", "--renewals=5000"], "full": []}),
}


def command_of(part, arguments):
    script, *words = PARTS[part][0].split()
    flags = [*words, f"--bin={arguments.bin}", *PARTS[part][1][arguments.size]]
    return [sys.executable, str(ROOT / "bench" / script), *flags, *(["--record"] if arguments.record else [])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of the programs")
    parser.add_argument("--size", choices=["smoke", "some", "full"], default="some")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, comma separated")
    parser.add_argument("--record", action="store_true", help="append every table to bench/RESULTS.md")
    arguments = parser.parse_args()
    parts = [part for part in arguments.only.split(",") if part]
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        parser.error(f"--only: '{','.join(unknown)}' is no part; there are: {', '.join(PARTS)}")
    outcome = {}
    began = time.monotonic()
    for number, part in enumerate(parts, 1):
        print(f"\n#### {number} of {len(parts)}: {part}, {time.monotonic() - began:.0f} s so far", flush=True)
        start = time.monotonic()
        code = subprocess.run(command_of(part, arguments), check=False).returncode
        outcome[part] = (code, time.monotonic() - start)
    print(f"\n#### done in {time.monotonic() - began:.0f} s")
    for part, (code, seconds) in outcome.items():
        print(f"{part:10}{seconds:>8.0f} s  {'ok' if code == 0 else f'FAILED, exit code {code}'}")
    return 1 if any(code != 0 for code, _ in outcome.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
