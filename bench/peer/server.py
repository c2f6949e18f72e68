"""Server: a socle-kv or an etcd on free ports of 127.0.0.1, started, awaited, stopped or killed by its pid."""

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
STOP_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServerFailed(Exception):
    """The server did not start or did not stop as it should; the text holds the end of its log."""


class Server:
    """One server with its own data directory. The directory outlives stop() and kill(), not close()."""

    def __init__(self, binary, flags=(), data_dir=None):
        self.binary = shutil.which(str(binary)) or str(binary)
        self.is_etcd = pathlib.Path(self.binary).name == "etcd"
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="socle-test-"))
        self.data_dir = pathlib.Path(data_dir) if data_dir else self.scratch / "data"
        self.log_path = self.scratch / "server.log"
        self.flags = list(flags)
        self.process = None
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
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if self.await_ready():
                return self
            code = self.process.poll()
            self.kill()
            if "address already in use" not in self.log_tail() or attempt == 2:
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

    def log_tail(self):
        return self.log_path.read_text(errors="replace")[-3000:] if self.log_path.exists() else ""

    def stop(self):
        """SIGTERM; the exit must be clean and in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"{self.binary} did not stop within {STOP_SECONDS} s of SIGTERM") from None
        # etcd hands the signal on to itself when it is done, so its clean stop reads as "ended by SIGTERM".
        if code not in ((0, -signal.SIGTERM) if self.is_etcd else (0,)):
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
