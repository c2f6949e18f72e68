"""Server, PlaneProcess: a socle-kv, an etcd or a socle-plane on free ports of 127.0.0.1, started, awaited, stopped or killed by its pid."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

READY_SECONDS = 60
# Of a socle-bench run: clean; clean, but slower than the rate it was given.
CLEAN_CODES = (0, 3)
STOP_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServerFailed(Exception):
    """The server did not start or did not stop as it should; the text holds the end of its log."""


class LocalProcess:
    """A program with a scratch folder and a log in it, stopped or killed by its pid. The folder goes with close()."""

    CLEAN_CODES = (0,)

    def __init__(self, binary, prefix):
        self.binary = shutil.which(str(binary)) or str(binary)
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
        self.log_path = self.scratch / "server.log"
        self.process = None

    def launch(self, command):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log_tail(self):
        return self.log_path.read_text(errors="replace")[-4000:] if self.log_path.exists() else ""

    def stop(self):
        """SIGTERM; the exit must be clean and in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"{self.binary} did not stop within {STOP_SECONDS} s of SIGTERM:\n{self.log_tail()}") from None
        if code not in self.CLEAN_CODES:
            raise ServerFailed(f"{self.binary} stopped with code {code}; its log ends with:\n{self.log_tail()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def cpu_seconds(self):
        """User and system time the running process has used."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.close()


class PlaneProcess(LocalProcess):
    """A socle-plane on a free port of 127.0.0.1, which it keeps when it is started again. Ready when its kubeconfig is there."""

    def __init__(self, binary, nodes, flags=()):
        super().__init__(binary, "socle-plane-")
        self.data_dir = self.scratch / "data"
        self.kubeconfig = self.scratch / "kubeconfig"
        self.nodes = nodes
        self.flags = list(flags)
        self.port = 0

    def start(self):
        self.kubeconfig.unlink(missing_ok=True)
        self.launch([self.binary, f"--data-dir={self.data_dir}", f"--listen=127.0.0.1:{self.port}", f"--hollow-nodes={self.nodes}",
                     f"--kubeconfig-out={self.kubeconfig}", *self.flags])
        deadline = time.monotonic() + READY_SECONDS
        while not self.kubeconfig.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(f"{self.binary} not ready, exit code {self.process.poll()}; its log ends with:\n{self.log_tail()}")
            time.sleep(0.02)
        self.port = int(self.url().rsplit(":", 1)[1])
        return self

    def url(self):
        return json.loads(self.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]


class Server(LocalProcess):
    """One server with its own data directory. The directory outlives stop() and kill(), not close()."""

    def __init__(self, binary, flags=(), data_dir=None):
        super().__init__(binary, "socle-test-")
        self.is_etcd = pathlib.Path(self.binary).name == "etcd"
        if self.is_etcd:
            # etcd hands the signal on to itself when it is done, so its clean stop reads as "ended by SIGTERM".
            self.CLEAN_CODES = (0, -signal.SIGTERM)
        self.data_dir = pathlib.Path(data_dir) if data_dir else self.scratch / "data"
        self.flags = list(flags)
        self.choose_ports()

    def choose_ports(self):
        self.endpoint = f"127.0.0.1:{free_port()}"
        self.peer_url = f"http://127.0.0.1:{free_port()}" if self.is_etcd else "http://localhost:2380"

    def command(self):
        url = f"http://{self.endpoint}"
        line = [self.binary, f"--data-dir={self.data_dir}", f"--listen-client-urls={url}", f"--advertise-client-urls={url}"]
        if self.is_etcd:
            line += [f"--listen-peer-urls={self.peer_url}", f"--initial-advertise-peer-urls={self.peer_url}",
                     f"--initial-cluster=default={self.peer_url}"]
        return line + self.flags

    def start(self):
        """Starts and waits until /health says true. Another process may win the race for a port, so it tries thrice."""
        for attempt in range(3):
            self.launch(self.command())
            if self.await_ready():
                return self
            code = self.process.poll()
            self.kill()
            if "address already in use" not in self.log_tail().lower() or attempt == 2:
                raise ServerFailed(f"{self.binary} not ready (exit code {code}); its log ends with:\n{self.log_tail()}")
            self.choose_ports()
        return self

    def await_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{self.endpoint}/health", timeout=1) as answer:
                    if json.load(answer).get("health") == "true":
                        return True
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        return False
