#!/usr/bin/env python3
"""Runs transcripts of etcdctl against a server and compares what it prints.

  run_transcripts.py --server build/release/bin/socle-kv tests/acceptance/etcdctl/put.script
  run_transcripts.py --server etcd --rewrite           all transcripts, expected output taken from etcd

A transcript is a list of blocks: a command, its input if it reads any, dashes, the expected output, a blank line. Output
that holds blank lines stands between double dashes. Lines that start with # are comments. Commands:

  etcdctl ARGS              runs it; standard error follows as `stderr: ...`, a failure as `exit: N`
  start NAME etcdctl ARGS   the same in the background
  await NAME N              waits until NAME has printed N more lines, prints them
  stop NAME                 ends NAME, prints what it printed since
  capture NAME REGEX        $NAME in later commands is group 1 of REGEX in the last output; in outputs it reads <NAME>
  curl PATH                 GET from the client port: status and body
  restart / kill            stops the server with SIGTERM / SIGKILL and starts it again on the same data
"""

import argparse
import difflib
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server, ServerFailed  # noqa: E402

COMMAND_SECONDS = 30

# What differs between two runs, or between two servers, without being a difference: ids, sizes, times, versions.
NORMAL = [
    (r'"(cluster_id|member_id|leader|raft_term|raftTerm|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|ID)":\d+', r'"\1":<\1>'),
    (r'"version":"3[.\d]+"', '"version":"<version>"'),
    (r'"(ClusterID|MemberID|RaftTerm|Leader|RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse)" : \d+', r'"\1" : <\1>'),
    (r'"Version" : "3[.\d]+"', '"Version" : "<version>"'),
    (r'"(Hash|Keys|Size)" : \d+', r'"\1" : <\1>'),
    (r'(?m)^[0-9a-f]+, (\d+), \d+, (?=\d)', r'<hash>, \1, <keys>, '),
    (r'lease [0-9a-f]{16} granted', 'lease <id> granted'),
    (r'("ID" : )\d+', r'\1<ID>'),
    (r'"(?:storageVersion|dbSizeQuota)":"?[\w.]+"?,?', ''),
    (r'"ts":("[^"]*"|[\d.]+)', '"ts":"<ts>"'),
    (r'"took":("[^"]*"|[\d.e-]+)', '"took":"<time>"'),
    (r'"cluster-id":"[0-9a-f]+"', '"cluster-id":"<id>"'),
    (r'endpoint://client-[0-9a-f-]+/', 'endpoint://client/'),
    (r'took = [\d.]+[µnm]?s', 'took = <time>'),
    (r'remaining\(\d+s\)', 'remaining(<seconds>)'),
    (r'("(?:ttl|TTL)":)\d+(,"granted)', r'\1<ttl>\2'),
    (r',"reason":""', ''),
    (r'\b\d+(?:\.\d+)? [kMG]?B\b', '<size>'),
]


class Transcript:
    """The blocks of one file, and their rewriting."""

    def __init__(self, path):
        self.path = path
        self.blocks = []  # [leading comments, command lines, output lines, line number]
        lines = path.read_text().split("\n")
        i, lead = 0, []
        while i < len(lines):
            if not lines[i].strip() or lines[i].startswith("#"):
                lead.append(lines[i])
                i += 1
                continue
            start, command = i, []
            while i < len(lines) and lines[i] != "----":
                command.append(lines[i])
                i += 1
            if i == len(lines):
                raise ValueError(f"{path}:{start + 1}: no dashes after this command")
            i += 1
            output = []
            if i < len(lines) and lines[i] == "----":
                i += 1
                while lines[i:i + 2] != ["----", "----"]:
                    output.append(lines[i])
                    i += 1
                i += 2
            else:
                while i < len(lines) and lines[i] != "":
                    output.append(lines[i])
                    i += 1
            self.blocks.append([lead, command, output, start + 1])
            lead = []
        self.tail = lead

    def write(self):
        out = []
        for lead, command, output, _ in self.blocks:
            out += lead + command + ["----"]
            out += ["----"] + output + ["----", "----"] if "" in output else output
        out += self.tail
        self.path.write_text("\n".join(out).rstrip("\n") + "\n")


class Background:
    """A command that keeps running; its output goes to a file so that nobody has to read along."""

    def __init__(self, arguments, environment, path):
        self.path = path
        with open(path, "wb") as out:
            self.process = subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        self.lines_seen = 0

    def await_lines(self, count):
        deadline = time.monotonic() + COMMAND_SECONDS
        count += self.lines_seen
        while len(self.path.read_text().splitlines()) < count and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.02)
        return self.take()

    def stop(self):
        # A line that comes too late or too much would come now.
        time.sleep(0.2)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(COMMAND_SECONDS)
        return self.take()

    def take(self):
        lines = self.path.read_text().splitlines()[self.lines_seen:]
        self.lines_seen += len(lines)
        return "\n".join(lines)


class Runner:
    """Executes the commands of one transcript against one server."""

    def __init__(self, server):
        self.server = server
        self.names = {}
        self.backgrounds = {}
        self.last = ""
        self.folder = server.scratch / "cwd"
        self.folder.mkdir()
        self.environment = dict(os.environ, ETCDCTL_API="3")

    def close(self):
        for background in self.backgrounds.values():
            if background.process.poll() is None:
                background.process.kill()
                background.process.wait()

    def run(self, command, stdin):
        for name, value in self.names.items():
            command = command.replace(f"${name}", value)
        verb, _, rest = command.partition(" ")
        action = getattr(self, f"do_{verb}", None)
        if action is None:
            raise ValueError(f"unknown command '{verb}'")
        self.environment["ETCDCTL_ENDPOINTS"] = self.server.endpoint
        return self.normal(action(rest, stdin))

    def do_etcdctl(self, rest, stdin):
        done = subprocess.run(["etcdctl"] + shlex.split(rest), input=stdin.encode(), env=self.environment, cwd=self.folder,
                              capture_output=True, timeout=COMMAND_SECONDS, check=False)
        self.last = done.stdout.decode(errors="backslashreplace")
        text = self.last
        for line in done.stderr.decode(errors="backslashreplace").splitlines():
            text += ("" if text.endswith("\n") or not text else "\n") + f"stderr: {line}\n"
        if done.returncode != 0:
            text += f"exit: {done.returncode}\n"
        return text

    def do_start(self, rest, _):
        name, _, line = rest.partition(" ")
        words = shlex.split(line)
        self.backgrounds[name] = Background(words, self.environment, self.server.scratch / f"background-{name}")
        return ""

    def do_await(self, rest, _):
        name, count = rest.split()
        self.last = self.backgrounds[name].await_lines(int(count))
        return self.last

    def do_stop(self, rest, _):
        self.last = self.backgrounds[rest.strip()].stop()
        return self.last

    def do_capture(self, rest, _):
        name, _, pattern = rest.partition(" ")
        match = re.search(pattern, self.last)
        if not match:
            return f"capture: nothing matches {pattern}"
        self.names[name] = match.group(1)
        return ""

    def do_curl(self, rest, _):
        try:
            with urllib.request.urlopen(f"http://{self.server.endpoint}{rest}", timeout=5) as answer:
                return f"{answer.status} {answer.read().decode()}"
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode()}"
        except OSError as error:
            return f"no answer: {error}"

    def do_restart(self, _, __):
        self.server.stop()
        self.server.start()
        return ""

    def do_kill(self, _, __):
        self.server.kill()
        self.server.start()
        return ""

    def normal(self, text):
        text = text.replace(self.server.endpoint, "<endpoint>").replace(self.server.peer_url, "<peer>").replace("http://localhost:2380", "<peer>")
        for name, value in self.names.items():
            text = text.replace(value, f"<{name}>")
            # A lease id that was captured in hexadecimal appears in JSON as a decimal number.
            if re.fullmatch(r"[0-9a-f]{8,16}", value):
                text = text.replace(str(int(value, 16)), f"<{name}>")
        for pattern, replacement in NORMAL:
            text = re.sub(pattern, replacement, text)
        # etcd lists the keys of a lease in no order.
        text = re.sub(r"attached keys\(\[(.*?)\]\)", lambda keys: f"attached keys([{' '.join(sorted(keys[1].split()))}])", text)
        return text.rstrip("\n")


def run_transcript(path, arguments):
    """True when every block printed what the transcript says."""
    transcript = Transcript(path)
    with Server(arguments.server, SERVER_FLAGS.get(path.stem, [])) as server:
        runner = Runner(server)
        failures = 0
        try:
            for block in transcript.blocks:
                _, command, expected, line = block
                actual = runner.run(command[0], "\n".join(command[1:] + [""]) if len(command) > 1 else "").split("\n")
                actual = [] if actual == [""] else [text.rstrip() for text in actual]
                if actual == [text.rstrip() for text in expected]:
                    continue
                if arguments.rewrite:
                    block[2] = actual
                    continue
                failures += 1
                print(f"{path}:{line}: {command[0]}")
                print("\n".join(list(difflib.unified_diff(expected, actual, "expected", "actual", lineterm=""))[2:]))
        finally:
            runner.close()
        if not server.is_etcd and not arguments.rewrite:
            server.stop()
    if arguments.rewrite:
        transcript.write()
    return failures == 0


# Transcripts that need a server with other than default flags; both servers know these.
SERVER_FLAGS = {
    "limits": ["--max-txn-ops=3", "--max-request-bytes=65536"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="path or name of a socle-kv or etcd binary")
    parser.add_argument("--rewrite", action="store_true", help="replace the expected outputs")
    parser.add_argument("scripts", nargs="*", type=lambda text: pathlib.Path(text).resolve())
    arguments = parser.parse_args()
    scripts = arguments.scripts or sorted((ROOT / "tests/acceptance/etcdctl").glob("*.script"))
    failed = []
    for script in scripts:
        try:
            good = run_transcript(script, arguments)
        except (ServerFailed, subprocess.TimeoutExpired, ValueError) as error:
            print(f"{script}: {error}")
            good = False
        print(f"{'ok    ' if good else 'FAILED'} {script.name}", flush=True)
        if not good:
            failed.append(script)
    for script in failed:
        print(f"reproduce: tests/acceptance/run_transcripts.py --server {arguments.server} {os.path.relpath(script)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
