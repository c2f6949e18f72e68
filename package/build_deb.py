#!/usr/bin/env python3
"""The Debian packages, of what is built: socle (programs, service, manual) and libsocle-dev (the embedded store).

  build_deb.py --build build/release --out build/package [--fast]

Prints the paths of the packages. The version is that of CMakeLists.txt; before the commit that carries its tag (v1.2.3) it
is a pre-release, 1.2.3~git<date>.<commit>, so that every later build is an upgrade.
"""

import argparse
import email.utils
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def git(*arguments):
    """What git says; nothing outside a repository, or without git."""
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def version_of_tree():
    version = re.search(r"^project\(socle VERSION ([0-9.]+) ", (ROOT / "CMakeLists.txt").read_text(), re.M).group(1)
    is_release = f"v{version}" in git("tag", "--points-at", "HEAD").split()
    commit = git("log", "-1", "--format=%cd.%h", "--date=format-local:%Y%m%d%H%M%S")
    return version if is_release or not commit else f"{version}~git{commit}"


def write_debian(folder, version, seconds):
    """The folder debian/ and what it packs beside what was built, with a changelog for this one version; CHANGELOG.md is what people read."""
    shutil.copytree(ROOT / "package/debian", folder)
    (folder / "rules").chmod(0o755)
    maintainer = re.search(r"^Maintainer: (.+)$", (folder / "control").read_text(), re.M).group(1)
    date = email.utils.formatdate(seconds)
    (folder / "changelog").write_text(f"socle ({version}-1) bookworm; urgency=medium\n\n"
                                      "  * What is new is in /usr/share/doc/socle/changelog.gz.\n\n"
                                      f" -- {maintainer}  {date}\n")
    shutil.copy(ROOT / "CHANGELOG.md", folder.parent)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--fast", action="store_true", help="large packages, quickly: for tests")
    arguments = parser.parse_args()
    if shutil.which("dh") is None:
        sys.exit("build_deb.py: debhelper is not installed; ./dev setup package installs it")
    arguments.out.mkdir(parents=True, exist_ok=True)
    tree = arguments.out / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for old in arguments.out.glob("*.deb"):
        old.unlink()
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or 0)
    version = version_of_tree()
    write_debian(tree / "debian", version, seconds)
    environment = {**os.environ, "SOCLE_BUILD": str(arguments.build.resolve()), "SOURCE_DATE_EPOCH": str(seconds),
                   "SOCLE_DEB_OPTIONS": "-Zgzip -z1" if arguments.fast else "-Zxz"}
    with (arguments.out / "log").open("w") as log:
        done = subprocess.run(["debian/rules", "binary"], cwd=tree, env=environment, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit((arguments.out / "log").read_text() + f"build_deb.py: exit code {done.returncode}; the log is {arguments.out}/log")
    shutil.rmtree(tree)
    for package in sorted(arguments.out.glob("*.deb")):
        print(package)


if __name__ == "__main__":
    main()
