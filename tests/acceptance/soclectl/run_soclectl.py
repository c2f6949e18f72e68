#!/usr/bin/env python3
"""Runs transcripts of soclectl over copies of the files of tests/golden and compares what it prints, word for word.

  run_soclectl.py --soclectl build/release/bin/soclectl tests/acceptance/soclectl/check.script
  run_soclectl.py --soclectl build/release/bin/soclectl --rewrite      all transcripts, expected output taken from it

The form of a transcript is that of ../run_transcripts.py. Commands:

  soclectl ARGS           runs it; standard error follows as `stderr: ...`, an exit code other than 0 as `exit: N`
  sh LINE                 the same for a shell line, in which soclectl is on the path
  copy FROM TO            copies a file
  poke FILE OFFSET HEX    writes bytes into a file; OFFSET may be PAGE*SIZE+N

After each `soclectl` but `db convert` the files must be as they were.
"""

import argparse
import difflib
import hashlib
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "acceptance"))
from run_transcripts import Transcript  # noqa: E402

COMMAND_SECONDS = 30


class Runner:
    """Executes the commands of one transcript in a folder of its own."""

    def __init__(self, soclectl, folder):
        self.folder = folder
        for file in sorted((ROOT / "tests" / "golden").glob("*.db")):
            shutil.copy(file, folder / file.name)
            os.chmod(folder / file.name, 0o444)
        self.environment = dict(os.environ, PATH=f"{pathlib.Path(soclectl).resolve().parent}:{os.environ['PATH']}")

    def state(self):
        return {str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in self.folder.rglob("*") if path.is_file()}

    def run(self, command):
        verb, _, rest = command.partition(" ")
        if verb == "copy":
            source, target = rest.split()
            shutil.copyfile(self.folder / source, self.folder / target)
            return ""
        if verb == "poke":
            name, offset, data = rest.split()
            with open(self.folder / name, "r+b") as file:
                file.seek(sum(int(term.split("*")[0]) * int((term.split("*") + ["1"])[1]) for term in offset.split("+")))
                file.write(bytes.fromhex(data))
            return ""
        if verb not in ("soclectl", "sh"):
            raise ValueError(f"unknown command '{verb}'")
        before = self.state()
        text = self.execute(["sh", "-c", rest] if verb == "sh" else ["soclectl"] + shlex.split(rest))
        if verb == "soclectl" and not rest.startswith("db convert") and self.state() != before:
            text += "a file was changed\n"
        return text

    def execute(self, words):
        done = subprocess.run(words, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=COMMAND_SECONDS, check=False)
        text = done.stdout.decode(errors="backslashreplace")
        for line in done.stderr.decode(errors="backslashreplace").splitlines():
            text += f"stderr: {line}\n"
        return text + (f"exit: {done.returncode}\n" if done.returncode != 0 else "")


def run_transcript(path, arguments):
    """True when every block printed what the transcript says."""
    transcript = Transcript(path)
    good = True
    with tempfile.TemporaryDirectory(prefix="socle-soclectl-") as folder:
        runner = Runner(arguments.soclectl, pathlib.Path(folder))
        for block in transcript.blocks:
            _, command, expected, line = block
            actual = runner.run(command[0]).rstrip("\n").split("\n")
            actual = [] if actual == [""] else [text.rstrip() for text in actual]
            if actual == expected:
                continue
            if arguments.rewrite:
                block[2] = actual
                continue
            good = False
            print(f"{path}:{line}: {command[0]}")
            print("\n".join(list(difflib.unified_diff(expected, actual, "expected", "actual", lineterm=""))[2:]))
    if arguments.rewrite:
        transcript.write()
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soclectl", required=True, help="the binary")
    parser.add_argument("--rewrite", action="store_true", help="replace the expected outputs")
    parser.add_argument("scripts", nargs="*", type=lambda text: pathlib.Path(text).resolve())
    arguments = parser.parse_args()
    failed = 0
    for script in arguments.scripts or sorted(pathlib.Path(__file__).parent.glob("*.script")):
        good = run_transcript(script, arguments)
        print(f"{'ok    ' if good else 'FAILED'} {script.name}", flush=True)
        failed += not good
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
