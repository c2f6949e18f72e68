#!/usr/bin/env python3
"""Starts a socle-plane with hollow nodes on a fresh directory and puts `socle-bench plane` on it.

  plane_run.py --bin build/release/bin [--nodes 1000] [--record] [socle-bench plane flags]

--record appends the table to bench/RESULTS.md. Load and plane share the machine's cores.
"""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from results import record  # noqa: E402
from server import PlaneProcess  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-plane and socle-bench")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--record", action="store_true")
    arguments, flags = parser.parse_known_args()
    with PlaneProcess(arguments.bin / "socle-plane", arguments.nodes, ["--log-level=warn"]) as plane:
        done = subprocess.run([arguments.bin / "socle-bench", "plane", f"--server={plane.url()}", f"--server-pid={plane.process.pid}",
                               f"--nodes={arguments.nodes}", *flags], stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout, flush=True)
        plane.stop()
    if arguments.record and done.returncode == 0:
        record("plane", f"./dev bench plane --nodes={arguments.nodes} {' '.join(flags)}", ", shared by load and plane), every write synced to disk.", [done.stdout])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
