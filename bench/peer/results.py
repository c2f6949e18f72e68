"""record: what was measured, appended to bench/RESULTS.md with date, commit and machine."""

import datetime
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = "# Results\n\nRatios on one machine in one run; an absolute number says little elsewhere. `./dev bench ... --record` adds to it.\n"


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def commit():
    return output_of("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD") or "unknown"


def etcd_version():
    return output_of("etcd", "--version").split("\n", maxsplit=1)[0] or "no etcd"


def entry(title, command, circumstances, tables):
    """`tables`: texts, or pairs of a line above and a text."""
    blocks = []
    for table in tables:
        above, text = table if isinstance(table, tuple) else ("", table)
        rows = text.strip("\n")
        blocks.append((f"{above}\n\n" if above else "") + f"```\n{rows}\n```\n")
    return (f"\n## {title}, {datetime.date.today().isoformat()}, commit {commit()}\n\n    {command}\n\n"
            f"{os.cpu_count()} cores ({platform.machine()}{circumstances}\n\n" + "\n".join(blocks))


def record(title, command, circumstances, tables, path=ROOT / "bench" / "RESULTS.md"):
    """`circumstances` goes on behind "2 cores (x86_64"."""
    is_new = not path.exists()
    with open(path, "a", encoding="utf-8") as file:
        file.write((HEAD if is_new else "") + entry(title, command, circumstances, tables))
    print(f"recorded in {path}")
