#!/usr/bin/env python3
"""Our storage engine beside LMDB and RocksDB, by turns in one process.

  storage_run.py --bin build/release/bin [--record] [storage_bench flags]

--record appends the table to bench/RESULTS.md.
"""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from results import record  # noqa: E402

CIRCUMSTANCES = ("), Debian's LMDB and RocksDB (with XXH3 checksums) in the same process, every acknowledgement\n"
                 "synced to disk. A ratio is the median of the rounds' ratios.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of storage_bench")
    parser.add_argument("--record", action="store_true")
    arguments, flags = parser.parse_known_args()
    if not any(flag.startswith("--dir") for flag in flags):
        scratch = [f"--dir={arguments.bin.parent / 'storage_bench.scratch'}"]
    else:
        scratch = []
    done = subprocess.run([arguments.bin / "storage_bench", *scratch, *flags], stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    if arguments.record and done.returncode == 0:
        shown = [flag for flag in flags if not flag.startswith("--dir=")]
        record("storage", " ".join(["./dev bench storage", *shown]), CIRCUMSTANCES, [done.stdout])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
