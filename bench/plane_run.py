#!/usr/bin/env python3
"""Starts a socle-plane with hollow nodes on a fresh directory and puts `socle-bench plane` on it.

  plane_run.py --bin build/release/bin [--nodes 1000] [--record] [socle-bench plane flags]

--record appends the table to bench/RESULTS.md. Load and plane share the machine's cores.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
READY_SECONDS = 120


def start(binary, nodes, scratch):
    config = scratch / "kubeconfig"
    with open(scratch / "plane.log", "ab") as log:
        process = subprocess.Popen([binary, f"--data-dir={scratch / 'data'}", "--listen=127.0.0.1:0", f"--hollow-nodes={nodes}",
                                    f"--kubeconfig-out={config}", "--log-level=warn"], stdout=log, stderr=log)
    deadline = time.monotonic() + READY_SECONDS
    while not config.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"socle-plane is not ready; its log:\n{(scratch / 'plane.log').read_text()[-3000:]}")
        time.sleep(0.05)
    return process, json.loads(config.read_text())["clusters"][0]["cluster"]["server"]


def record(nodes, flags, table):
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    text = f"""
## plane, {datetime.date.today().isoformat()}, commit {commit}

    ./dev bench plane --nodes={nodes} {' '.join(flags)}

{os.cpu_count()} cores ({platform.machine()}, shared by load and plane), every write synced to disk.

```
{table.strip()}
```
"""
    with open(ROOT / "bench" / "RESULTS.md", "a", encoding="utf-8") as file:
        file.write(text)
    print("recorded in bench/RESULTS.md")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-plane and socle-bench")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--record", action="store_true")
    arguments, flags = parser.parse_known_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-bench-plane-"))
    process = None
    try:
        process, url = start(arguments.bin / "socle-plane", arguments.nodes, scratch)
        done = subprocess.run([arguments.bin / "socle-bench", "plane", f"--server={url}", f"--server-pid={process.pid}",
                               f"--nodes={arguments.nodes}", *flags], stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout, flush=True)
        if arguments.record and done.returncode == 0:
            record(arguments.nodes, flags, done.stdout)
        if process.poll() is not None:
            print(f"socle-plane ended with {process.returncode}; its log:\n{(scratch / 'plane.log').read_text()[-3000:]}")
            return 1
        return done.returncode
    finally:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
