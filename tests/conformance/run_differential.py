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


PARTS = {"script": 1, "clients": 0.1, "admin": 0.3}  # its share of the operations


def run(part, arguments):
    subject = arguments.subject or arguments.bin / "socle-kv"
    flags = ["--log-level=error", "--bcrypt-cost=4"]
    with Server("etcd", flags) as left, Server(subject, flags) as right:
        command = [arguments.bin / "socle-differential", "--left", left.endpoint, "--right", right.endpoint, "--part", part,
                   "--seed", str(arguments.seed), "--operations", str(max(20, int(arguments.operations * PARTS[part]))),
                   "--left-db", left.data_dir / "member" / "snap" / "db"]
        code = subprocess.run(command + (["--plant"] if arguments.plant else []), check=False).returncode
        if code != 0 and not arguments.plant:
            print("left is etcd, right is", subject)
            print(f"end of etcd's log:\n{left.log_tail()}\nend of the other log:\n{right.log_tail()}")
    return code


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-differential and socle-kv")
    parser.add_argument("--subject", help="the server compared with etcd (socle-kv of --bin)")
    parser.add_argument("--part", choices=PARTS, help="one part only; each has servers of its own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=10000)
    parser.add_argument("--plant", action="store_true", help="plant a difference; each part must fail")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    for part in [arguments.part] if arguments.part else PARTS:
        code = run(part, arguments)
        if arguments.plant:
            print(f"{part}: the planted difference was " + ("found" if code == 1 else "NOT found"), flush=True)
            if code != 1:
                return 1
        elif code != 0:
            print(f"reproduce: tests/conformance/run_differential.py --bin {arguments.bin} --part {part} --seed {arguments.seed} "
                  f"--operations {arguments.operations}")
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
