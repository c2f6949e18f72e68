#!/usr/bin/env python3
"""The manual pages: groff and man render them without a warning, and they have every flag and command that --help has.

  run_manual.py --build build/release
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAMS = ["socle-kv", "soclectl", "socle-bench", "socle-plane"]
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def output(*command, env=None):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, env=env)
    return done.stdout, done.stderr, done.returncode


def warnings_of(page):
    found = []
    renderers = [["groff", "-ww", "-man", "-Tutf8", page], ["groff", "-ww", "-man", "-Tascii", page]]
    if shutil.which("man"):
        renderers.append(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", page])
    for command in renderers:
        _, complaints, code = output(*command, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
        if code != 0 or complaints:
            found.append(f"{' '.join(map(str, command))}: exit code {code}\n{complaints}")
    return found


def text_of(page):
    # In one long line a paragraph: no word is cut.
    text, _, _ = output("groff", "-man", "-Tascii", "-P-c", "-rLL=1000n", page)
    return re.sub(r".\x08", "", text)


def helps_of(binary, *path):
    """The help of the program and, where it has commands, of each of them."""
    text, _, code = output(binary, *path, "--help")
    assert code == 0, f"{binary} {' '.join(path)} --help: exit code {code}"
    yield path, text
    # Options need to be cut off: their descriptions are indented as commands are.
    commands = text.split("\nSubcommands:\n")[1].split("\n\n")[0] if "\nSubcommands:\n" in text else ""
    for name in re.findall(r"^  (\S+)", commands, re.M):
        yield from helps_of(binary, *path, name)


def lacking(program, page, helps):
    text = text_of(page)
    flags = set(FLAG.findall(text))
    flags.add("--flag")  # what stands for any of them in the help of socle-kv
    missing = []
    for path, words in helps:
        if path and f"{program} {' '.join(path)}" not in text:
            missing.append(f"the command {' '.join(path)}")
        missing += [f"{flag} of {' '.join(path)}" for flag in sorted(set(FLAG.findall(words)) - flags)]
    return missing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    build = parser.parse_args().build
    complaints = []
    for program in PROGRAMS:
        page = build / "share/man/man1" / f"{program}.1"
        helps = list(helps_of(build / "bin" / program))
        complaints += warnings_of(page)
        complaints += [f"{page.name} lacks {what}" for what in lacking(program, page, helps)]
        print(f"{program}: {len(helps)} commands, {sum(len(set(FLAG.findall(text))) for _, text in helps)} flags")
    # A test that cannot fail is a bug: a bad request is warned of, a flag that was left out is missed.
    with tempfile.TemporaryDirectory(prefix="socle-manual-") as scratch:
        spoilt = pathlib.Path(scratch) / "spoilt.1"
        text = (build / "share/man/man1/soclectl.1").read_text()
        spoilt.write_text(text + ".nonsense\n")
        if not warnings_of(spoilt):
            complaints.append("a bad request was not warned of")
        spoilt.write_text(text.replace("\\-\\-bump\\-revision", "\\-\\-bump"))
        if not lacking("soclectl", spoilt, helps_of(build / "bin/soclectl")):
            complaints.append("a missing flag was not noticed")
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
