#!/usr/bin/env python3
"""TLS, client certificates and Unix sockets as etcdctl and curl meet them; the matrix also holds for etcd itself.

  run_tls.py --server build/release/bin/socle-kv [--only NAME]
  run_tls.py --server etcd                       the part that etcd 3.4 knows, to see that etcd agrees
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from authority import Authority

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server, free_port  # noqa: E402

OK = "OK"
REFUSED = "refused"


class TlsServer(Server):
    """On one client URL of any scheme; ready when the plain metrics URL says so."""

    def __init__(self, binary, scheme, flags, data_dir=None):
        self.scheme = scheme
        super().__init__(binary, ["--log-level=warn", *map(str, flags)], data_dir)

    def choose_ports(self):
        super().choose_ports()
        self.metrics = f"http://127.0.0.1:{free_port()}"
        place = f"{self.scratch}/client.sock" if self.scheme.startswith("unix") else self.endpoint
        self.url = f"{self.scheme}://{place}"

    def command(self):
        urls = {"--listen-client-urls": self.url, "--advertise-client-urls": self.url, "--listen-metrics-urls": self.metrics}
        base = super().command()
        own = [part for part in base[:len(base) - len(self.flags)] if part.split("=")[0] not in urls]
        # What a case says comes last: the last spelling of a flag counts.
        return own + [f"{name}={url}" for name, url in urls.items()] + self.flags

    def await_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.metrics}/health", timeout=1) as answer:
                    if json.load(answer).get("health") == "true":
                        return True
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        return False


class Lab:
    """The certificates of all cases."""

    def __init__(self, binary):
        self.binary = binary
        self.is_etcd = pathlib.Path(binary).name == "etcd"
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-tls-"))
        self.ours = Authority(self.scratch / "ours")
        self.theirs = Authority(self.scratch / "theirs")
        self.server_pair = self.ours.issue("server", alternative_names="DNS:localhost,IP:127.0.0.1")
        self.people = {name: self.ours.issue(name) for name in ("root", "alice", "bob", "mallory")}
        self.people["host"] = self.ours.issue("host", alternative_names="DNS:host.example")
        self.people["stranger"] = self.theirs.issue("stranger", "alice")
        self.ours.revoke("mallory")
        self.list = self.ours.list_revoked(self.scratch / "revoked.pem")
        self.tls = [f"--cert-file={self.server_pair[0]}", f"--key-file={self.server_pair[1]}"]
        self.mutual = self.tls + ["--client-cert-auth", f"--trusted-ca-file={self.ours.certificate}"]

    def server(self, scheme, flags, data_dir=None):
        return TlsServer(self.binary, scheme, flags, data_dir)

    def as_(self, name):
        pair = self.people[name]
        return [f"--cacert={self.ours.certificate}", f"--cert={pair[0]}", f"--key={pair[1]}"]

    @property
    def as_nobody(self):
        return [f"--cacert={self.ours.certificate}"]


def etcdctl(server, *arguments, patience="5s"):
    """Standard output, or the last line of standard error."""
    line = ["etcdctl", f"--endpoints={server.url}", f"--command-timeout={patience}", *map(str, arguments)]
    done = subprocess.run(line, env=dict(os.environ, ETCDCTL_API="3"), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                          check=False)
    return done.stdout if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def answer(server, credentials, wanted=OK):
    """OK when a put and a get work, REFUSED when no connection comes about, else what etcdctl says."""
    # etcdctl does not tell that it was refused: it tries again until its time is over.
    text = etcdctl(server, *credentials, "put", "k", "v", patience="1s" if wanted == REFUSED else "5s")
    if text == "OK\n":
        return OK if etcdctl(server, *credentials, "get", "k") == "k\nv\n" else "the get failed"
    return REFUSED if "deadline exceeded" in text else text


def snapshot(lab, server, *arguments, **environment):
    """What soclectl prints: that the snapshot is there, or one line why not."""
    path = lab.scratch / "snapshot.db"
    path.unlink(missing_ok=True)
    line = [pathlib.Path(lab.binary).parent / "soclectl", "snapshot", "save", path, f"--endpoints={server.url}", *map(str, arguments)]
    done = subprocess.run(line, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode == 0:
        expect(path.exists(), True, "the snapshot's file")
        return OK
    expect(len(done.stderr.strip().splitlines()), 1, f"lines of an error ({done.stderr})")
    return done.stderr.strip()


def curl(url, *arguments):
    """Code and body."""
    done = subprocess.run(["curl", "-sS", "--max-time", "10", "-w", "\n%{http_code} %{http_version}", *map(str, arguments), url],
                          capture_output=True, text=True, timeout=30, check=False)
    return done.stdout if done.returncode == 0 else done.stderr


def expect(found, wanted, what):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} instead of {wanted!r}")


def await_true(condition, what):
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within 10 s")
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------- cases

def matrix(lab):
    """Server flags by client credentials."""
    trusting = ["--insecure-transport=false", "--insecure-skip-tls-verify"]
    plain = []
    other_root = [f"--cacert={lab.theirs.certificate}"]
    expected = {
        "https": (lab.tls, [(lab.as_nobody, OK), (lab.as_("alice"), OK), (other_root, REFUSED), (trusting, OK)]),
        "https mutual": (lab.mutual, [(lab.as_("alice"), OK), (lab.as_nobody, REFUSED), (lab.as_("stranger"), REFUSED), (lab.as_("mallory"), OK)]),
        "https authorities only": (lab.tls + [f"--trusted-ca-file={lab.ours.certificate}"], [(lab.as_("alice"), OK), (lab.as_nobody, REFUSED)]),
        "https revoked": (lab.mutual + [f"--client-crl-file={lab.list}"], [(lab.as_("alice"), OK), (lab.as_("mallory"), REFUSED)]),
        "https hosts": (lab.mutual + ["--client-cert-allowed-hostname=host.example"], [(lab.as_("host"), OK), (lab.as_("alice"), REFUSED)]),
        "https own": (["--auto-tls"], [(trusting, OK), (lab.as_nobody, REFUSED)]),
        "https suites": (lab.tls + ["--cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"], [(lab.as_nobody, OK)]),
        "http with files": (lab.mutual, [(plain, OK)]),
    }
    if not lab.is_etcd:  # 3.4 knows neither these versions nor Unix sockets with a path
        expected["unix"] = ([], [(plain, OK)])
        expected["unixs mutual"] = (lab.mutual, [(lab.as_("alice") + trusting, OK), (trusting, REFUSED)])
        expected["https 1.3"] = (lab.tls + ["--tls-min-version=TLS1.3"], [(lab.as_nobody, OK)])
        expected["https 1.2"] = (lab.tls + ["--tls-max-version=TLS1.2"], [(lab.as_nobody, OK)])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, (flags, rows) in expected.items():
            with lab.server(name.split()[0], flags) as server:
                found = list(pool.map(lambda row: answer(server, *row), rows))  # noqa: B023
                for (credentials, wanted), got in zip(rows, found):
                    expect(got, wanted, f"{name}, client with {' '.join(map(str, credentials))}")
                if REFUSED in found and not lab.is_etcd:
                    await_true(lambda: "rejected connection" in server.log_tail(), f"{name}: a rejected connection in the log")  # noqa: B023
                server.stop()


def gateway_refuses_names(lab, server):
    """A refusal that is there before the body: curl must see it every time."""
    certificate, key = lab.people["alice"]
    for _ in range(8):
        found = curl(f"{server.url}/v3/kv/range", "--http2", "--cacert", lab.ours.certificate, "--cert", certificate, "--key", key, "-d", "{}")
        expect(found.splitlines()[-1], "400 2", "the gateway, asked with a certificate that has a name")


def snapshots_need_root(lab, server):
    """soclectl snapshot save: by certificate, by token, by the variables of etcdctl; and what it says otherwise."""
    expect(snapshot(lab, server, *lab.as_("root")), OK, "snapshot by root's certificate")
    expect(snapshot(lab, server, *lab.as_("alice"), "--user=root:r"), OK, "snapshot by root's token")
    named = dict(zip(("ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY"), (flag.split("=")[1] for flag in lab.as_("root"))))
    expect(snapshot(lab, server, **named), OK, "snapshot by etcdctl's variables")
    for credentials, words in ((lab.as_("alice"), "permission denied"), (lab.as_nobody, "wants a certificate of its clients"),
                               ([*lab.as_("alice"), "--user=root:wrong"], "user root can't log in"),
                               ([f"--cacert={lab.theirs.certificate}"], "not among the authorities of --cacert"),
                               (lab.as_("stranger"), "refuses the client certificate")):
        text = snapshot(lab, server, *credentials)
        if words not in text:
            raise AssertionError(f"snapshot with {' '.join(map(str, credentials))}: {text}")


class HangsUp:
    """A server that asks for a certificate, shakes hands, and goes without a word: what a lost alert looks like."""

    def __init__(self, lab):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*lab.server_pair)
        self.context.load_verify_locations(lab.ours.certificate)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.context.set_alpn_protocols(["h2"])
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self.socket.accept()
                with contextlib.suppress(OSError):
                    self.context.wrap_socket(raw, server_side=True).close()


def a_lost_alert_is_guessed(lab):
    server = HangsUp(lab)
    for credentials, words in ((lab.as_nobody, "wants a certificate of its clients"), (lab.as_("alice"), "refuses the client certificate")):
        text = snapshot(lab, server, *credentials)
        if words not in text:
            raise AssertionError(f"hung up after the handshake: {text}")
    server.socket.close()


def certificate_is_the_user(lab):
    """--client-cert-auth with authentication on; the words are etcd's."""
    data_dir = lab.scratch / "users"
    with lab.server("https", lab.mutual, data_dir) as server:
        root, alice, bob = lab.as_("root"), lab.as_("alice"), lab.as_("bob")
        for line in ("user add root:r", "user grant-role root root", "user add alice --no-password", "role add some",
                     "role grant-permission some readwrite k", "user grant-role alice some", "auth enable"):
            text = etcdctl(server, *alice, *line.split())
            if "Error" in text:
                raise AssertionError(f"{line}: {text}")
        expect(etcdctl(server, *alice, "put", "k", "1"), "OK\n", "alice by certificate")
        expect(etcdctl(server, *alice, "put", "other", "1"), "Error: etcdserver: permission denied", "alice beyond her permissions")
        expect(etcdctl(server, *root, "put", "other", "1"), "OK\n", "root by certificate")
        expect(etcdctl(server, *alice, "--user=root:r", "put", "other", "2"), "OK\n", "alice's certificate with root's token")
        expect(etcdctl(server, *bob, "put", "k", "2"), "Error: etcdserver: permission denied", "a name that is no user")
        expect(etcdctl(server, *alice, "user", "list"), "Error: etcdserver: permission denied", "alice asks for the users")
        expect(etcdctl(server, *root, "user", "list"), "alice\nroot\n", "root asks for the users")
        if not lab.is_etcd:
            snapshots_need_root(lab, server)
            a_lost_alert_is_guessed(lab)
            gateway_refuses_names(lab, server)
        server.stop()
    # Asked for by the authorities alone, a certificate names nobody.
    with lab.server("https", lab.mutual[:2] + lab.mutual[3:], data_dir) as server:
        expect(etcdctl(server, *lab.as_("root"), "get", "k"), "Error: etcdserver: user name is empty", "no --client-cert-auth")
        server.stop()


def files_change_while_clients_are_connected(lab):
    files = lab.scratch / "live"
    files.mkdir()

    def install(pair):
        for source, name in ((pair[0], "server.pem"), (pair[1], "server.key")):
            shutil.copy(source, files / "aside")
            (files / "aside").rename(files / name)

    revoked = lab.ours.list_revoked(files / "revoked.pem")
    install(lab.server_pair)
    flags = [f"--cert-file={files}/server.pem", f"--key-file={files}/server.key", "--client-cert-auth",
             f"--trusted-ca-file={lab.ours.certificate}", f"--client-crl-file={revoked}"]
    carol = lab.ours.issue("carol")
    lab.people["carol"] = carol
    pair = lab.theirs.issue("server", alternative_names="IP:127.0.0.1")
    with lab.server("https", flags) as server:
        out = files / "watch.out"
        with open(out, "wb") as sink:
            watch = subprocess.Popen(["etcdctl", f"--endpoints={server.url}", *lab.as_("carol"), "watch", "live", "-w", "json"], stdin=subprocess.DEVNULL,
                                     env=dict(os.environ, ETCDCTL_API="3"), stdout=sink, stderr=subprocess.STDOUT)
        try:
            seen = 0

            def put(credentials):
                nonlocal seen
                expect(etcdctl(server, *credentials, "put", "live", "x"), "OK\n", "put")
                seen += 1
                await_true(lambda: out.read_text().count("\n") >= seen, f"event {seen} of the watch")

            # The watch may start after a put: put until the first one is seen.
            await_true(lambda: etcdctl(server, *lab.as_("alice"), "put", "live", "x") == "OK\n" and out.read_text() != "", "the watch")
            time.sleep(0.2)
            seen = out.read_text().count("\n")
            install(pair)
            renewed = [f"--cacert={lab.theirs.certificate}", *lab.as_("alice")[1:]]
            put(renewed)
            expect(answer(server, lab.as_("alice"), REFUSED), REFUSED, "who knows only the old authority")
            lab.ours.revoke("carol")
            lab.ours.list_revoked(revoked)
            expect(answer(server, [f"--cacert={lab.theirs.certificate}", *lab.as_("carol")[1:]], REFUSED), REFUSED, "a certificate revoked meanwhile")
            put(renewed)
            expect(watch.poll(), None, "the watch of who was in")
        finally:
            watch.kill()
            watch.wait()
        server.stop()


def http_on_every_url(lab):
    ca = ["--cacert", lab.ours.certificate]
    http_url = f"https://127.0.0.1:{free_port()}"
    with lab.server("https", lab.tls) as server:
        for version in ("--http1.1", "--http2"):
            body = curl(f"{server.url}/health", version, *ca)
            expect(body.splitlines()[0], '{"health":"true","reason":""}', f"/health with {version}")
            expect(body.splitlines()[1], {"--http1.1": "200 1.1", "--http2": "200 2"}[version], version)
        for limit in ("1.2", "1.3"):
            expect(curl(f"{server.url}/version", f"--tlsv{limit}", "--tls-max", limit, *ca).splitlines()[-1], "200 2", f"TLS {limit}")
        if "certificate" not in curl(f"{server.url}/health"):
            raise AssertionError("curl trusts a certificate of nobody it knows")
        if "200" in curl(server.url.replace("https", "http") + "/health"):
            raise AssertionError("plain HTTP is answered on a TLS port")
        await_true(lambda: "http request" in server.log_tail(), "a rejected connection in the log")
        server.stop()
    with lab.server("https", lab.tls + [f"--listen-client-http-urls={http_url}"]) as server:
        expect(answer(server, lab.as_nobody), OK, "gRPC on a URL of its own")
        expect(curl(f"{http_url}/health", *ca).splitlines()[-1], "200 2", "/health on the HTTP URL")
        expect(curl(f"{server.url}/health", *ca).splitlines(), ["only gRPC here: see --listen-client-http-urls", "", "421 2"], "/health on the gRPC URL")
        server.url = http_url
        if OK in etcdctl(server, *lab.as_nobody, "put", "k", "v"):
            raise AssertionError("the HTTP URL takes gRPC")
        server.stop()
    http_url = f"https://127.0.0.1:{free_port()}"
    with lab.server("http", lab.tls + [f"--listen-client-http-urls={http_url}", "--experimental-transport=grpc"]) as server:
        expect(answer(server, []), OK, "the stock gRPC server on a URL of its own")
        expect(curl(f"{http_url}/health", *ca).splitlines()[-1], "200 2", "/health on the HTTP URL")
        if "200" in curl(f"{server.url}/health"):
            raise AssertionError("the stock gRPC server's URL answers HTTP/1")
        server.stop()
    metrics = f"https://127.0.0.1:{free_port()}"
    with lab.server("http", lab.tls) as server:
        server.stop()
        server.flags.append(f"--listen-metrics-urls={server.metrics},{metrics}")
        server.start()
        if "etcd_server_has_leader 1" not in curl(f"{metrics}/metrics", *ca):
            raise AssertionError("no metrics over TLS")
        server.stop()


def unix_sockets(lab):
    with lab.server("unix", []) as server:
        expect(answer(server, []), OK, "etcdctl over a Unix socket")
        expect(snapshot(lab, server), OK, "soclectl over a Unix socket")
        path = server.url[len("unix://"):]
        expect(curl("http://any/health", "--unix-socket", path).splitlines()[-1], "200 1.1", "curl over a Unix socket")
        second = TlsServer(lab.binary, "unix", [])
        second.url = server.url
        done = subprocess.run(second.command(), capture_output=True, text=True, timeout=30, check=False)
        second.close()
        if done.returncode != 1 or "Address already in use" not in done.stderr:
            raise AssertionError(f"a second server on the same socket: {done.returncode}, {done.stderr}")
        expect(answer(server, []), OK, "after a second server was refused")
        server.kill()
        if not pathlib.Path(path).exists():
            raise AssertionError("kill -9 leaves no socket file behind: this test shows nothing")
        server.launch(server.command())
        if not server.await_ready():
            raise AssertionError(f"not started over the socket of a dead server:\n{server.log_tail()}")
        expect(answer(server, []), OK, "after a restart over a stale socket")
        server.stop()
        if pathlib.Path(path).exists():
            raise AssertionError("a stopped server leaves its socket behind")
    with lab.server("unix", ["--experimental-transport=grpc"]) as server:
        expect(answer(server, []), OK, "the stock gRPC server over a Unix socket")
        server.stop()


def auto_tls_keeps_its_certificate(lab):
    with lab.server("https", ["--auto-tls", "--self-signed-cert-validity=2"]) as server:
        own = server.data_dir / "fixtures" / "client" / "cert.pem"
        first = own.read_bytes()
        mode = (server.data_dir / "fixtures" / "client" / "key.pem").stat().st_mode & 0o777
        expect(mode, 0o600, "mode of the key")
        expect(curl(f"{server.url}/health", "--cacert", own).splitlines()[-1], "200 2", "who pinned the certificate")
        server.stop()
        server.start()
        expect(own.read_bytes(), first, "the certificate after a restart")
        server.stop()


def bad_files_are_refused(lab):
    """Exit code, one line that names the file, and no data directory."""
    expired = Authority(lab.scratch / "expired", expired=True).certificate
    text = lab.scratch / "text.pem"
    text.write_text("hello\n")
    none = lab.scratch / "none.pem"
    cert, key = lab.server_pair
    pair = [f"--cert-file={cert}", f"--key-file={key}"]
    cases = [
        ([f"--cert-file={none}", f"--key-file={key}"], 1, f"certificate {none}: No such file or directory"),
        ([f"--cert-file={cert}", f"--key-file={none}"], 1, f"private key {none}: No such file or directory"),
        ([f"--cert-file={cert}", f"--key-file={lab.people['bob'][1]}"], 1, "bob.key: it does not belong to the certificate"),
        ([f"--cert-file={cert}", f"--key-file={lab.scratch}"], 1, "Is a directory"),
        ([f"--cert-file={text}", f"--key-file={key}"], 1, f"{text}: there is no PEM certificate in it"),
        ([*pair, f"--trusted-ca-file={expired}"], 1, f"{expired}: every certificate in it has expired"),
        ([*pair, f"--trusted-ca-file={none}"], 1, str(none)),
        ([*pair, f"--trusted-ca-file={lab.ours.certificate}", f"--client-crl-file={text}"], 1, f"{text}: it is not a certificate revocation list"),
        ([*pair, "--cipher-suites=TLS_NO_SUCH"], 1, "cipher suite 'TLS_NO_SUCH'"),
        ([], 2, "needs --cert-file and --key-file, or --auto-tls"),
        ([f"--cert-file={cert}"], 2, "--key-file is missing"),
        (["--auto-tls", "--client-cert-auth"], 2, "--auto-tls can't ask clients"),
        ([*pair, "--experimental-transport=grpc"], 2, "serves no TLS"),
        ([*pair, "--tls-min-version=SSL3"], 2, "'SSL3' is not one of TLS1.2, TLS1.3"),
    ]
    for flags, code, mention in cases:
        url = f"https://127.0.0.1:{free_port()}"
        data_dir = lab.scratch / "untouched"
        line = [lab.binary, "--log-level=error", f"--data-dir={data_dir}", f"--listen-client-urls={url}", *flags]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != code or done.stderr.count("\n") != 1 or mention not in done.stderr:
            raise AssertionError(f"{' '.join(flags)}: exit code {done.returncode}, {done.stderr!r} instead of {code}, {mention!r}")
        if data_dir.exists():
            raise AssertionError(f"{' '.join(flags)}: refused, but {data_dir} was made")
        print(f"      {done.stderr.strip()}")


CASES = [matrix, certificate_is_the_user, files_change_while_clients_are_connected, http_on_every_url, unix_sockets,
         auto_tls_keeps_its_certificate, bad_files_are_refused]
OF_ETCD_TOO = [matrix, certificate_is_the_user]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--only", help="run the case of this name")
    arguments = parser.parse_args()
    lab = Lab(shutil.which(arguments.server) or str(pathlib.Path(arguments.server).resolve()))
    failed = 0
    try:
        for case in OF_ETCD_TOO if lab.is_etcd else CASES:
            if arguments.only and case.__name__ != arguments.only:
                continue
            began = time.monotonic()
            try:
                case(lab)
                print(f"ok     {case.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"FAILED {case.__name__}: {error}", flush=True)
                print(f"       reproduce: tests/acceptance/tls/run_tls.py --server {arguments.server} --only {case.__name__}")
    finally:
        shutil.rmtree(lab.scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
