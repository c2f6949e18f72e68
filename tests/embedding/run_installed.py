#!/usr/bin/env python3
"""The library as another project finds it: installed into a scratch prefix, found by find_package(socle), built, run.

  run_installed.py --build build/release --cmake cmake --compiler c++
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parent / "project"
WANTED = "session/kept began\nsession/left began\nsession/left ended\nsessions left: 1\n"


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=240)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--compiler", default="c++")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="socle-installed-") as scratch:
        prefix, build = pathlib.Path(scratch) / "prefix", pathlib.Path(scratch) / "build"
        run(arguments.cmake, "--install", arguments.build, "--prefix", prefix, "--component", "library")
        headers = sorted(path.relative_to(prefix / "include/socle").as_posix()
                         for path in (prefix / "include/socle").rglob("*.h"))
        for header in ("mvcc/store.h", "mvcc/watch.h", "lease/lease_store.h", "kv/base/bytes.h"):
            assert header in headers, f"{header} is not installed"
        inside = [header for header in headers if header.startswith(("kv/bolt/", "kv/wal/", "server/")) or "/testing/" in header]
        assert not inside, f"installed, and nobody's business: {inside}"
        run(arguments.cmake, "-S", PROJECT, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DCMAKE_CXX_COMPILER={arguments.compiler}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror -Wno-missing-field-initializers")
        run(arguments.cmake, "--build", build)
        elsewhere = (build / "build.ninja").read_text().replace(str(PROJECT), "")
        assert str(PROJECT.parents[2]) not in elsewhere, "the project was built from the tree, not from what is installed"
        printed = run(build / "sessions", pathlib.Path(scratch) / "store")
        assert printed == WANTED, f"printed:\n{printed}wanted:\n{WANTED}"
    print(f"{len(headers)} headers; the project was built and ran")


if __name__ == "__main__":
    main()
