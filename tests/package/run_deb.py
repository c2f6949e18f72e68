#!/usr/bin/env python3
"""The Debian packages: built, looked into, unpacked into a scratch root and run from there, as the unit runs them.

  run_deb.py --build build/release

Exit code 77: debhelper is not installed. systemd-analyze and lintian judge where they are installed.
"""

import argparse
import gzip
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import free_port  # noqa: E402

PROGRAMS = ["socle-kv", "soclectl", "socle-bench", "socle-plane"]
WANTED = {
    "socle": ["./etc/socle/socle-kv.yaml", "./lib/systemd/system/socle-kv.service", "./usr/lib/sysusers.d/socle.conf",
              "./usr/share/doc/socle/changelog.gz", "./usr/share/doc/socle/copyright", "./usr/share/doc/socle/README.md",
              "./usr/share/doc/socle/server/MIGRATION.md", "./usr/share/doc/socle/server/backup/DESIGN.md",
              *(f"./usr/bin/{name}" for name in PROGRAMS), *(f"./usr/share/man/man1/{name}.1.gz" for name in PROGRAMS),
              *(f"./usr/share/bash-completion/completions/{name}" for name in PROGRAMS)],
    "libsocle-dev": ["./usr/include/socle/mvcc/store.h", "./usr/include/socle/lease/lease_store.h", "./usr/lib/libsocle_mvcc.a",
                     "./usr/lib/cmake/socle/socleConfig.cmake", "./usr/lib/cmake/socle/socleConfigVersion.cmake"],
}
READY_SECONDS = 30


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def check_contents(package, name):
    rows = [line.split() for line in run("dpkg-deb", "-c", package).splitlines()]
    paths = {row[5] for row in rows}
    missing = [path for path in WANTED[name] if path not in paths]
    assert not missing, f"{package.name} lacks {missing}"
    owners = {row[1] for row in rows}
    assert owners == {"root/root"}, f"{package.name}: files of {owners}"
    local = [path for path in paths if not path.startswith(("./etc", "./lib", "./usr")) and path != "./"]
    assert not local, f"{package.name} has {local}"


def check_control(package, scratch):
    control = run("dpkg-deb", "-f", package)
    version = re.search(r"^project\(socle VERSION ([0-9.]+) ", (ROOT / "CMakeLists.txt").read_text(), re.M).group(1)
    assert re.search(rf"^Version: {re.escape(version)}[~-]", control, re.M), control
    depends = re.search(r"^Depends: (.+)$", control, re.M).group(1)
    for library in ("libc6 ", "libgrpc++", "librocksdb", "libssl3 ", "systemd | systemd-standalone-sysusers"):
        assert library in depends, f"Depends has no {library}: {depends}"
    run("dpkg-deb", "-e", package, scratch / "control")
    scripts = {path.name: path.read_text() for path in (scratch / "control").iterdir()}
    assert scripts["conffiles"].split() == ["/etc/socle/socle-kv.yaml"], scripts["conffiles"]
    assert "systemd-sysusers" in scripts["postinst"], "nobody makes the user"
    assert "try-restart" in scripts["postinst"], "an upgrade does not restart the server that runs"
    assert "deb-systemd-invoke stop" in scripts["prerm"], "a removal does not stop the server"
    assert "deb-systemd-invoke start" not in scripts["postinst"], "the installation starts the server, on the port of etcd"


def check_unit(root, scratch):
    unit = (root / "lib/systemd/system/socle-kv.service").read_text()
    assert "ExecStart=/usr/bin/socle-kv --config-file=/etc/socle/socle-kv.yaml\n" in unit, unit
    if shutil.which("systemd-analyze") is None:
        print("systemd-analyze is not installed: the unit was not judged")
        return
    copy = scratch / "socle-kv.service"
    copy.write_text(unit.replace("/usr/bin/", f"{root}/usr/bin/"))
    complaints = run("systemd-analyze", "verify", "--man=no", copy)
    assert not complaints.strip(), complaints
    copy.write_text(copy.read_text().replace("Restart=on-failure", "Restart=on-tuesdays"))
    spoilt = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], stderr=subprocess.PIPE, text=True, check=False)
    assert "tuesdays" in spoilt.stderr, "systemd-analyze did not notice a bad value"


def check_service(root, scratch):
    """The server from the package, on the configuration from the package, in the hands of what systemd is to it."""
    port = free_port()
    text = (root / "etc/socle/socle-kv.yaml").read_text()
    settings = scratch / "socle-kv.yaml"
    settings.write_text(text.replace("127.0.0.1:2379", f"127.0.0.1:{port}").replace("/var/lib/socle", str(scratch / "data")))
    assert str(port) in settings.read_text() and "/var/lib" not in settings.read_text(), text
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(scratch / "notify"))
    told.settimeout(READY_SECONDS)
    environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(scratch / "notify")}
    with (scratch / "log").open("w") as log:
        server = subprocess.Popen([root / "usr/bin/socle-kv", f"--config-file={settings}"], env=environment, stderr=log, cwd=scratch)
    try:
        assert told.recv(100) == b"READY=1"
        health = urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10).read()  # at once: it said that it serves
        assert b'"health":"true"' in health, health
        server.send_signal(signal.SIGTERM)
        assert told.recv(100) == b"STOPPING=1"
        assert server.wait(30) == 0, f"exit code {server.returncode}"
    except (AssertionError, OSError) as error:
        raise AssertionError(f"{error!r}\n{(scratch / 'log').read_text()}") from error
    finally:
        server.kill()
        server.wait()
        told.close()
    checked = run(root / "usr/bin/soclectl", "db", "check", scratch / "data")
    assert "clean" in checked, checked


def check_installation(package, scratch):
    """The maintainer scripts, run by dpkg on a root of their own: the user is made, nothing is enabled, purge leaves no file."""
    if os.geteuid() != 0 or shutil.which("systemd-sysusers") is None:
        print("not root, or no systemd-sysusers: dpkg did not install into the scratch root")
        return
    root = scratch / "system"
    for folder in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"):
        (root / folder).mkdir(parents=True)
    for name in ("etc/passwd", "etc/group", "var/lib/dpkg/status", "var/lib/dpkg/available"):
        (root / name).touch()
    dpkg = ["dpkg", f"--root={root}", "--force-depends", "--force-script-chrootless", "--log=/dev/null"]
    run(*dpkg, "--install", package)
    assert re.search(r"^socle:x:\d+:\d+:[^:]*:/var/lib/socle:/usr/sbin/nologin$", (root / "etc/passwd").read_text(), re.M)
    assert not list(root.rglob("*.wants")), "the installation enabled the service"
    (root / "etc/socle/socle-kv.yaml").write_text("# mine\n")
    run(*dpkg, "--force-confold", "--install", package)
    assert (root / "etc/socle/socle-kv.yaml").read_text() == "# mine\n", "an upgrade overwrote the configuration"
    run(*dpkg, "--remove", "socle")
    assert (root / "etc/socle/socle-kv.yaml").exists() and not (root / "usr/bin/socle-kv").exists()
    run(*dpkg, "--purge", "socle")
    left = [path for path in root.rglob("*socle*") if path.is_file() and path.parent != root / "var/lib/dpkg/info"]
    assert not left, f"purged, and still there: {left}"


def check_commented_settings(root, scratch):
    """What the configuration shows behind # is taken when the # goes: the start fails at the certificate that is not there."""
    lines = []
    for line in (root / "etc/socle/socle-kv.yaml").read_text().splitlines():
        shown = re.sub(r"^#(?=\S|  )", "", line)
        key = shown.split(":")[0]
        if shown != line:
            lines = [other for other in lines if other.split(":")[0] != key]
        lines.append(shown)
    settings = scratch / "all.yaml"
    settings.write_text("\n".join(lines).replace("/var/lib/socle", str(scratch / "never")) + "\n")
    done = subprocess.run([str(root / "usr/bin/socle-kv"), f"--config-file={settings}"], stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False)
    assert done.returncode == 1 and "/etc/socle/server.crt" in done.stderr, f"exit code {done.returncode}: {done.stderr}"


def check_programs(root):
    for name in PROGRAMS:
        printed = run(root / "usr/bin" / name, "--version")
        assert re.match(rf"{name} \d+\.\d+\.\d+\n", printed), printed


def check_documents(root):
    """Every document that a manual page refers to, and so every help, is in the package under that name."""
    named = set()
    for page in (root / "usr/share/man/man1").glob("*.gz"):
        text = gzip.decompress(page.read_bytes()).decode().replace("\\", "")
        named.update(re.findall(r"[\w/-]+\.md\b", text))
    assert "server/MIGRATION.md" in named, named
    missing = [name for name in named if not (root / "usr/share/doc/socle" / name).is_file()]
    assert not missing, f"the manual refers to {missing}, which the package lacks"


def check_lintian(packages):
    if shutil.which("lintian") is None:
        print("lintian is not installed: it was not asked")
        return
    run("lintian", "--allow-root", "--fail-on", "error,warning", *packages)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    if shutil.which("dh") is None:
        print("debhelper is not installed: no package was built")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="socle-deb-") as folder:
        scratch = pathlib.Path(folder)
        run(sys.executable, ROOT / "package/build_deb.py", "--build", arguments.build, "--out", scratch / "out", "--fast")
        packages = {path.name.split("_")[0]: path for path in (scratch / "out").glob("*.deb")}
        assert sorted(packages) == sorted(WANTED), packages
        root = scratch / "root"
        for name, package in packages.items():
            check_contents(package, name)
            run("dpkg-deb", "-x", package, root)
        check_control(packages["socle"], scratch)
        check_unit(root, scratch)
        check_programs(root)
        check_documents(root)
        check_service(root, scratch)
        check_commented_settings(root, scratch)
        check_installation(packages["socle"], scratch)
        check_lintian(packages.values())
    print("the packages are whole; the server ran from them and told when it was ready")


if __name__ == "__main__":
    main()
