#!/usr/bin/env python3
"""Clients that other people wrote, used as their documentation shows, against a server over plain TCP and mutual TLS.

  run_clients.py --client python --server build/release/bin/socle-kv
  run_clients.py --client node   --server etcd        the same tour of the peer: what it asserts is etcd's behaviour
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
sys.path.insert(0, str(HERE.parent / "tls"))
from authority import Authority  # noqa: E402
from run_tls import TlsServer  # noqa: E402

SKIPPED = 77  # CTest: SKIP_RETURN_CODE
TOUR_SECONDS = 120


def python_tour(_):
    return ["/usr/bin/python3", str(HERE / "python_etcd3_tour.py")]


def node_tour(modules):
    """npm fetches what the lock file pins, once, into the build folder."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("skipped: node and npm are not here; ./dev setup test installs them")
        sys.exit(SKIPPED)
    lock = (HERE / "package-lock.json").read_bytes()
    stamp = modules / "installed.lock"
    if not stamp.exists() or stamp.read_bytes() != lock:
        shutil.rmtree(modules, ignore_errors=True)
        modules.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, modules)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=modules, capture_output=True, text=True,
                              timeout=300, check=False)
        if done.returncode != 0:
            sys.exit(f"npm could not install what {HERE / 'package-lock.json'} pins:\n{done.stderr[-3000:]}")
        stamp.write_bytes(lock)
    return ["node", str(HERE / "node_etcd3_tour.js")]


def run(tour, server, environment, credentials=()):
    """One tour; the server's log is shown when it fails."""
    done = subprocess.run([*tour, "--endpoint", server.endpoint, *map(str, credentials)], stdin=subprocess.DEVNULL, timeout=TOUR_SECONDS,
                          env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"the tour ended with {done.returncode}; the server's log ends with:\n{server.log_tail()[-1500:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", required=True, choices=("python", "node"))
    parser.add_argument("--server", required=True)
    parser.add_argument("--modules", type=pathlib.Path, default=ROOT / "build" / "clients", help="where npm's packages go (build/clients)")
    arguments = parser.parse_args()
    tour = python_tour(None) if arguments.client == "python" else node_tour(arguments.modules)
    environment = dict(os.environ, NODE_PATH=str(arguments.modules / "node_modules"))
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-clients-"))
    try:
        ours = Authority(scratch / "ours")
        pair = ours.issue("server", alternative_names="DNS:localhost,IP:127.0.0.1")
        user = ours.issue("someone")
        tls = [f"--cert-file={pair[0]}", f"--key-file={pair[1]}"]
        mutual = tls + ["--client-cert-auth", f"--trusted-ca-file={ours.certificate}"]
        trusting = ["--ca", ours.certificate]
        rows = (("plain", "http", [], []),
                ("mutual TLS", "https", mutual, trusting + ["--cert", user[0], "--key", user[1]]))
        for name, scheme, flags, credentials in rows:
            print(f"{arguments.client} to {arguments.server}: {name}", flush=True)
            with TlsServer(arguments.server, scheme, flags) as server:
                run(tour, server, environment, credentials)
                server.stop()
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
