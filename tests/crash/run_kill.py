#!/usr/bin/env python3
"""kill -9 at random moments: nothing acknowledged is lost, nothing unsent appears, revisions never go back.

  run_kill.py --bin build/release/bin --rounds 50 --seed 7
  run_kill.py --bin build/release/bin --rounds 3 --server etcd      the test of the test, on Debian's etcd
  run_kill.py --bin build/release/bin --witness socle-linear-witness --write-seconds 0.2

The truth lives in a witness, a process that is never killed: socle-crash-witness, whose clients own their keys and which knows
what every key must hold, or socle-linear-witness, whose clients share all keys and whose judge is tests/linearizability. A round:
start (sometimes killed while starting), compare the whole store with the truth, write from several connections, kill.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server, ServerFailed  # noqa: E402

# Batches small enough that kills fall between and inside commits; the default; and commits all the time.
BATCHES = [[], ["--backend-batch-interval=10ms"], ["--backend-batch-limit=20"]]


class Found(Exception):
    """The store broke its promise."""


class Witness:
    def __init__(self, binary, seed):
        self.process = subprocess.Popen([binary, str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer.startswith("ok"):
            raise Found(f"{command.split()[0]}: {answer or 'the witness died'}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def start_and_kill_while_starting(server, chance):
    process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(0.0, 0.15))
    process.kill()
    process.wait()


def run(arguments, server, witness, chance):
    started = last_report = time.monotonic()
    for number in range(arguments.rounds):
        server.flags = ["--log-level=error"] + chance.choice(BATCHES)
        if chance.random() < 0.2:
            start_and_kill_while_starting(server, chance)
        server.start()
        witness.ask(f"verify http://{server.endpoint}")
        witness.ask(f"write http://{server.endpoint}")
        time.sleep(chance.uniform(0.02, arguments.write_seconds))
        server.kill()
        settled = witness.ask("settle")
        if time.monotonic() - last_report > 10:
            last_report = time.monotonic()
            print(f"round {number + 1} of {arguments.rounds}: {settled[3:]}", flush=True)
    if arguments.plant:
        witness.ask("plant")
    server.flags = ["--log-level=error"]
    server.start()
    last = witness.ask(f"verify http://{server.endpoint}")
    server.stop()
    database = server.data_dir / "member" / "snap" / "db"
    witness.ask(f"check {database}")
    status = subprocess.run(["etcdctl", "snapshot", "status", str(database)], env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"},
                            capture_output=True, text=True, check=False)
    if status.returncode != 0:
        raise Found(f"etcdctl snapshot status: {status.stderr}")
    print(f"{arguments.rounds} kills, {settled[3:]}, {last[3:]}, file passes both checks ({status.stdout.strip()}), "
          f"{time.monotonic() - started:.0f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-crash-witness and socle-kv")
    parser.add_argument("--server", help="another server than the socle-kv of --bin")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--witness", default="socle-crash-witness", help="the program of --bin that writes and judges")
    parser.add_argument("--write-seconds", type=float, default=1.0, help="a kill comes at most this long after writing began")
    parser.add_argument("--plant", action="store_true", help="claim a write that never was; the run must fail")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    server = Server(arguments.server or arguments.bin / "socle-kv")
    witness = Witness(arguments.bin / arguments.witness, arguments.seed)
    found = None
    try:
        run(arguments, server, witness, chance)
    except (Found, ServerFailed) as error:
        found = error
        if server.process and server.process.poll() is None:
            server.kill()
    finally:
        witness.close()
    if arguments.plant:
        good = isinstance(found, Found) and "planted" in str(found)
        print(f"the planted loss was {'found' if good else 'NOT found'}: {found}")
        server.close()
        return 0 if good else 1
    if found:
        print(f"{found}\nseed {arguments.seed}; data left in {server.data_dir}; server log: {server.log_path}")
        print(f"reproduce: tests/crash/run_kill.py --bin {arguments.bin} --rounds {arguments.rounds} --seed {arguments.seed} "
              f"--witness {arguments.witness} --write-seconds {arguments.write_seconds}")
        return 1
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
