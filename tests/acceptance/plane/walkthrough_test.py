#!/usr/bin/env python3
"""Runs the walk-through of README.md word for word: every line of its console block that begins with `$ `.

What is printed under a command in the README is for people; a command must succeed, and a line `#=> text` under it must be part of
what it prints. The plane itself is started here as `./dev plane` does it; killing it starts it again.
"""

import argparse
import os
import re
import subprocess
import sys

from plane import PATH, ROOT, Plane

TIMEOUT_SECONDS = 240


def steps(text):
    """(command, [expected]) of the block after the heading."""
    section = text.split("## Try a rollout on 1,000 nodes", 1)[1].split("\n## ", 1)[0]
    found = []
    for block in re.findall(r"```console\n(.*?)```", section, re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.startswith("#=> "):
                found[-1][1].append(line[4:])
            elif line.strip() and found and found[-1][0].endswith("\\"):
                found[-1] = (found[-1][0][:-1] + line.strip(), [])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    arguments = parser.parse_args()
    plane = Plane(arguments.nodes)
    (plane.scratch / "controllers").symlink_to(ROOT / "controllers")
    (plane.scratch / "socle.plane").mkdir()
    plane.kubeconfig = plane.scratch / "socle.plane" / "kubeconfig"
    failed = 0
    with plane:
        environment = {**os.environ, "PATH": PATH, "HOME": str(plane.scratch)}
        for command, expected in steps((ROOT / "README.md").read_text(encoding="utf-8")):
            print(f"$ {command}", flush=True)
            if command.startswith("pkill -9"):
                plane.kill()
                plane.start()
                continue
            if command.startswith("export "):
                name, value = command[len("export "):].split("=", 1)
                environment[name] = value.replace("$PWD", str(plane.scratch))
                continue
            done = subprocess.run(["bash", "-c", f"set -o pipefail\n{command}"], cwd=plane.scratch, env=environment, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_SECONDS, check=False)
            print(done.stdout, flush=True)
            squeezed = re.sub(r"\s+", " ", done.stdout)
            missing = [text for text in expected if re.sub(r"\s+", " ", text.strip()) not in squeezed]
            # 141: `head` had seen enough.
            if done.returncode not in (0, 141) or missing:
                failed += 1
                print(f"FAILED: exit code {done.returncode}, missing {missing}", flush=True)
                break
        plane.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
