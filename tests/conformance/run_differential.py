#!/usr/bin/env python3
"""Starts Debian's etcd and a socle-kv and sends both the same script of operations.

  run_differential.py --bin build/release/bin --seed 7 --operations 10000
  run_differential.py --bin build/release/bin --subject etcd      etcd against etcd: the test of the test
"""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-differential and socle-kv")
    parser.add_argument("--subject", help="the server compared with etcd (socle-kv of --bin)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=10000)
    parser.add_argument("--plant", action="store_true", help="plant a difference; the run must fail")
    arguments = parser.parse_args()
    subject = arguments.subject or arguments.bin / "socle-kv"
    with Server("etcd", ["--log-level=error"]) as left, Server(subject, ["--log-level=error"]) as right:
        command = [arguments.bin / "socle-differential", "--left", left.endpoint, "--right", right.endpoint,
                   "--seed", str(arguments.seed), "--operations", str(arguments.operations),
                   "--left-db", left.data_dir / "member" / "snap" / "db"]
        code = subprocess.run(command + (["--plant"] if arguments.plant else []), check=False).returncode
        if code != 0:
            print("left is etcd, right is", subject)
            print(f"end of etcd's log:\n{left.log_tail()}\nend of the other log:\n{right.log_tail()}")
    if arguments.plant:
        print("the planted difference was " + ("found" if code == 1 else "NOT found"))
        return 0 if code == 1 else 1
    if code != 0:
        print(f"reproduce: tests/conformance/run_differential.py --bin {arguments.bin} --seed {arguments.seed} "
              f"--operations {arguments.operations}")
    return code


if __name__ == "__main__":
    sys.exit(main())
