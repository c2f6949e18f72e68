#!/usr/bin/env python3
"""What bash offers, asked as bash asks: the completion functions of all programs, with the words and the cursor set.

  run_completion.py --build build/release
"""

import argparse
import pathlib
import shlex
import subprocess
import sys
import tempfile

# A line with the cursor at its end; what must be offered, what must not be; with ONLY nothing else may be.
ONLY = object()
CASES = [
    ("soclectl ", ["db", "import", "snapshot"], ["--help", "check"]),
    ("soclectl --", ["--help", "--version"], ["--limit"]),
    ("soclectl d", ["db"], [ONLY]),
    ("soclectl db ", ["check", "dump", "convert"], ["db", "save"]),
    ("soclectl db check --", ["--limit", "--help"], ["--type", "--to"]),
    ("soclectl db check --limit ", [], [ONLY]),
    ("soclectl db check ", ["store.db", "folder"], ["--limit"]),
    ("soclectl db check st", ["store.db"], [ONLY]),
    ("soclectl db dump --bucket x --", ["--json", "--hex"], ["--limit"]),
    ("soclectl db convert folder --to ", ["bolt", "lmdb", "rocksdb"], [ONLY]),
    ("soclectl db convert folder --to=", ["bolt", "lmdb", "rocksdb"], [ONLY]),
    ("soclectl db convert folder --to=l", ["lmdb"], [ONLY]),
    ("soclectl db convert folder --to=lmdb --", ["--help"], []),
    ("soclectl snapshot status x -w ", ["simple", "table", "json", "fields"], [ONLY]),
    ("soclectl snapshot restore x --data-dir ", ["folder"], [ONLY]),
    ("soclectl import --data-dir folder --", ["--wal-dir"], []),
    ("soclectl nonsense --", ["--help", "--version"], []),
    ("socle-kv ", ["--data-dir"], []),
    ("socle-kv --", ["--listen-client-urls", "--backend", "--quota-recover"], ["--snapshot-count", "--debug"]),
    ("socle-kv --backend ", ["bolt", "lmdb", "rocksdb"], [ONLY]),
    ("socle-kv --backend=r", ["rocksdb"], [ONLY]),
    ("socle-kv --data-dir=", ["folder"], [ONLY]),
    ("socle-kv --config-file s", ["store.db", "settings of mine.yaml"], [ONLY]),
    ("socle-kv --config-file set", ["settings of mine.yaml"], [ONLY]),
    ("socle-kv --quota-backend-bytes ", [], [ONLY]),
    ("socle-kv --auto-tls ", ["--cert-file"], ["true"]),  # a switch never takes the next word
    ("socle-kv --auto-tls=", ["true", "false"], [ONLY]),
    ("socle-kv --version=", ["true", "false"], [ONLY]),
    ("socle-kv --nonsense=", [], [ONLY]),
    ("socle-bench w", ["watch", "watch-latency", "watch-get"], [ONLY]),
    ("socle-bench put --va", ["--val-size"], [ONLY]),
    ("socle-bench range --consistency ", ["l", "s"], [ONLY]),
    ("socle-bench put --json ", ["store.db"], []),
    ("socle-plane --log-l", ["--log-level"], [ONLY]),
    ("socle-plane --store=", ["embedded", "etcd"], [ONLY]),
]

# $1: the script, $2: the function; the others are the words.
ASK = r"""
set -u
source "$1"; function=$2; shift 2
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
"""


def words_of(line, breaks_at_equals):
    """As bash cuts a line; with the word of the cursor last, which may be empty."""
    words = line.split(" ")
    if breaks_at_equals:
        words = [part for word in words for part in (word.replace("=", "\0=\0").split("\0") if "=" in word else [word])]
        if len(words) > 1 and words[-1] == "" and words[-2] == "=":
            words.pop()  # right behind the sign, the sign is the word
    return words


def offered(folder, script, words):
    program = words[0]
    done = subprocess.run(["bash", "-c", ASK, "bash", str(script), "_" + program.replace("-", "_"), *words], cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr}")
    return done.stdout.splitlines()


def check(folder, scripts, line, wanted, unwanted):
    program = line.split(" ")[0]
    complaints = []
    for breaks in (True, False):
        words = words_of(line, breaks)
        got = offered(folder, scripts / program, words)
        glue = words[-1].split("=")[0] + "=" if not breaks and "=" in words[-1] else ""
        missing = [word for word in wanted if glue + word not in got]
        extra = sorted(set(got) - {glue + word for word in wanted}) if ONLY in unwanted else [w for w in unwanted if w in got]
        if missing or extra:
            complaints.append(f"{shlex.join(words)!r}: not offered: {missing}; wrongly: {extra}; all: {got}")
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    scripts = parser.parse_args().build.resolve() / "share/bash-completion/completions"
    complaints = []
    with tempfile.TemporaryDirectory(prefix="socle-completion-") as scratch:
        folder = pathlib.Path(scratch)
        (folder / "folder").mkdir()
        (folder / "store.db").touch()
        (folder / "settings of mine.yaml").touch()
        for line, wanted, unwanted in CASES:
            complaints += check(folder, scripts, line, wanted, unwanted)
        # A test that cannot fail is a bug: a table that lacks a word is noticed.
        (folder / "soclectl").write_text((scripts / "soclectl").read_text().replace("db import", "import"))
        if not check(folder, folder, *CASES[0]):
            complaints.append("a completion without `db` was not noticed")
    for complaint in complaints:
        print(complaint)
    print(f"{len(CASES)} lines, {len(complaints)} complaints")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
