#!/usr/bin/env python3
"""Runs server/MIGRATION.md: its commands, block by block, as they stand there, only with free ports.

Between the steps of one way HashKV must stay the same: etcd -> socle-kv -> socle-kv -> etcd -> three members of etcd. What is
put on the way is put by the guide's own commands.

  run_guide.py --bin build/release/bin
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import free_port  # noqa: E402

GUIDE = ROOT / "server" / "MIGRATION.md"
HASH = re.compile(r"^[\d.:]+, (\d+)$", re.M)
BLOCKS = 6

# Servers are awaited before the first command that asks them; a reader waits by himself.
PRELUDE = r"""
set -euo pipefail
export ETCDCTL_API=3
await_server() {
  local port tries
  for port in "$@"; do
    for tries in $(seq 200); do
      if etcdctl --endpoints 127.0.0.1:$port --command-timeout=1s get none >/dev/null 2>&1; then break; fi
      sleep 0.05
    done
  done
}
wait() { builtin wait "$@" || true; }
"""


def with_free_ports(text):
    ports = {port: free_port() for port in set(re.findall(r"127\.0\.0\.1:(\d+)", text))}
    return re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:{ports[found.group(1)]}", text)


def script_of(guide):
    blocks = re.findall(r"^```sh\n(.*?)^```$", guide, re.S | re.M)
    if len(blocks) != BLOCKS:
        sys.exit(f"FAILED {GUIDE.name} has {len(blocks)} blocks of commands, {BLOCKS} are expected")
    text = with_free_ports("\n".join(f"echo '--- block {i}'\n{block}" for i, block in enumerate(blocks)))
    lines, started = [], []
    for line in text.replace("\\\n", " ").splitlines():
        if line.endswith("&"):
            started += re.findall(r"--listen-client-urls http://127\.0\.0\.1:(\d+)", line)
        elif started and line.startswith("etcdctl --endpoints"):
            lines.append("await_server " + " ".join(started))
            started = []
        lines.append(line)
    return PRELUDE + "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="the folder with socle-kv and soclectl")
    binaries = pathlib.Path(parser.parse_args().bin).resolve()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-guide-"))
    environment = dict(os.environ, PATH=f"{binaries}:{os.environ['PATH']}")
    with open(scratch / "output", "w+", encoding="utf-8") as output:
        process = subprocess.Popen(["bash", "-c", script_of(GUIDE.read_text())], cwd=scratch, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(150)
        except subprocess.TimeoutExpired:
            code = "none: it hangs"
        finally:
            # The servers of the last block are still there, in the session of the script.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        output.seek(0)
        text = output.read()
    logs = "".join(f"\n--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in scratch.glob("*.log"))
    shutil.rmtree(scratch, ignore_errors=True)
    if code != 0:
        sys.exit(f"FAILED the guide's commands ended with code {code}:\n{text}{logs}")
    parts = [HASH.findall(part) for part in text.split("--- block ")[1:]]
    before, imported, restored, bumped, back, members = parts
    told = re.search(r"hashkv\): (\d+),", text)
    wanted = {"import": before + [told.group(1)] == imported * 2, "restore": restored == imported, "bump": not bumped,
              "back to etcd": len(back) == 2 and back[0] == back[1] and back[0] != restored[0], "three members": members == [back[1]] * 3}
    for what, is_good in wanted.items():
        print(f"{'ok    ' if is_good else 'FAILED'} {what}")
    if not all(wanted.values()):
        sys.exit(f"hashes by block: {parts}\n{text}")
    need = ["Snapshot saved at moved.db", "| TOTAL KEYS |", "again", "socle-kv\n", "m3, http://127.0.0.1:"]
    missing = [line for line in need if line not in text]
    if missing:
        sys.exit(f"FAILED the output lacks {missing}:\n{text}")
    print(f"HashKV: {before[0]} from etcd to socle-kv, {back[0]} from there to one and to three members of etcd")


if __name__ == "__main__":
    main()
