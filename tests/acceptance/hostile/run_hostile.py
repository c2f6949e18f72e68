#!/usr/bin/python3
"""Clients that break the rules or wear a server out. Each is answered as the standards say, others are served meanwhile, and afterwards the server's
memory and descriptors are what they were.

  run_hostile.py --server build/release/bin/socle-kv [--only PART] [--verbose]

Debian's own interpreter runs it: that is where python3-hpack is.
"""

import argparse
import http.client
import os
import pathlib
import random
import re
import resource
import socket
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import Server  # noqa: E402

from frames import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, Talk, block, call,  # noqa: E402
                    frame, grpc_fields, message, settings)
from h2_cases import CASES, GREETINGS  # noqa: E402
from other_cases import GRPC, HTTP1, JSON, PUT, sent, varint  # noqa: E402

MIB = 1 << 20
# What a server may keep of an attack that is over: what malloc does not give back.
KEPT_BYTES = 24 * MIB
# What one client may make a server take while it goes on.
TAKEN_BYTES = 64 * MIB
SETTLE_SECONDS = 20
SLOWEST_SECONDS = 5
HEAD_SECONDS = 10  # limits.h: head_timeout
IDLE_CONNECTIONS = 10_000
RESERVED_DESCRIPTORS = 150  # descriptor_limit.h
UNFINISHED_BYTES = 256 * MIB  # services.h: kKeptBytesMax
LOG_PIECE_BYTES = 64_000_000  # wal.h
UNKNOWN = "/etcdserverpb.KV/Steal"
RANGE = "/etcdserverpb.KV/Range"


class Victim(Server):
    def anonymous_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Bystander(threading.Thread):
    """Somebody who just wants to be served: puts, reads, and HTTP/1, one after the other."""

    def __init__(self, endpoint):
        super().__init__(daemon=True)
        self.talk, self.endpoint = Talk(endpoint), endpoint
        self.web = http.client.HTTPConnection(endpoint, timeout=30)
        self.web.connect()
        self.served, self.slowest, self.failure, self.is_over = 0, 0.0, None, threading.Event()

    def run(self):
        stream = 1
        while not self.is_over.wait(0.01):
            start = time.monotonic()
            key = b"\x0a\x04good"
            for path, body in ((PUT, key + b"\x12\x01v"), (RANGE, key)):
                self.talk.send(call(stream, path, body))
                answer = self.talk.answer(stream)
                if answer != (0, ""):
                    self.failure = f"{path} was answered {answer}, goaway {self.talk.goaway} {self.talk.goaway_text}"
                    return
                stream += 2
            self.web.request("GET", "/health")
            if b'"health":"true"' not in self.web.getresponse().read():
                self.failure = "/health"
                return
            self.slowest = max(self.slowest, time.monotonic() - start)
            self.served += 1
        self.talk.close()
        self.web.close()


class Lab:
    def __init__(self, victim, seed, verbose):
        self.victim, self.endpoint, self.verbose = victim, victim.endpoint, verbose
        self.random = random.Random(seed)
        self.failures = []

    def check(self, condition, text):
        if not condition:
            self.failures.append(text)
            print(f"    FAILED {text}", flush=True)
        elif self.verbose:
            print(f"    {text}", flush=True)

    def survive(self, name, attack):
        """Runs an attack beside a bystander and looks at what it leaves."""
        start = time.monotonic()
        memory, descriptors = self.victim.anonymous_bytes(), self.victim.descriptors()
        bystander = Bystander(self.endpoint)
        bystander.start()
        said = attack(self) or ""
        while bystander.served == 0 and bystander.is_alive() and time.monotonic() - start < 30:
            time.sleep(0.01)
        bystander.is_over.set()
        bystander.join(40)
        self.check(bystander.failure is None and bystander.served > 0, f"{name}: others were served ({bystander.served} times; {bystander.failure})")
        self.check(bystander.slowest < SLOWEST_SECONDS, f"{name}: others did not wait longer than {bystander.slowest:.2f} s")
        self.check(self.victim.process.poll() is None, f"{name}: the server lives")
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and (self.victim.descriptors() > descriptors or self.victim.anonymous_bytes() > memory + KEPT_BYTES):
            time.sleep(0.05)
        left = self.victim.descriptors()
        kept = self.victim.anonymous_bytes() - memory
        self.check(left <= descriptors, f"{name}: {descriptors} descriptors before, {left} after")
        self.check(kept <= KEPT_BYTES, f"{name}: {kept >> 10} KiB of memory more than before")
        print(f"  {name}: {time.monotonic() - start:.1f} s, others served {bystander.served} times, slowest {bystander.slowest * 1000:.0f} ms, "
              f"{kept >> 10} KiB kept; {said}", flush=True)

    def peak_during(self, work):
        """The most memory beyond the beginning while the work went on."""
        before, peak, is_over = self.victim.anonymous_bytes(), [0], threading.Event()

        def look():
            while not is_over.wait(0.01):
                peak[0] = max(peak[0], self.victim.anonymous_bytes() - before)

        looker = threading.Thread(target=look)
        looker.start()
        try:
            work()
        finally:
            is_over.set()
            looker.join()
        return peak[0]


# ------------------------------------------------------------------------------------------- tables

def outcome_of(talk, probe):
    """What became of the connection when a call after the case was answered, or was not."""
    served = talk.is_served(probe)
    if talk.goaway not in (None, "NO_ERROR"):
        talk.run_to_end(5)
        return "goaway", talk.goaway, talk.is_over
    if not served:
        return ("end" if talk.is_over else "stuck"), "", talk.is_over
    if 1 in talk.resets and ":status" not in talk.fields.get(1, {}):
        return "reset", talk.resets[1], True
    if ":status" in talk.fields.get(1, {}):
        return "answered", int(talk.fields[1][":status"]), True
    return "nothing", "", True


def speak_wrongly(lab):
    for name, section, data, wanted in CASES:
        talk = Talk(lab.endpoint)
        talk.send(data)
        kind, value, is_right = outcome_of(talk, 101)
        talk.close()
        fits = kind in re.findall(r"\w+", wanted.kind) and (not wanted.values or kind in ("nothing", "end") or value in wanted.values)
        lab.check(fits and is_right, f"{name} (RFC 9113 {section}): {kind} {value}, wanted {wanted}")
    for name, data, wanted in GREETINGS:
        talk = Talk(lab.endpoint, greets=False)
        talk.send(data)
        talk.sock.settimeout(5)
        heard = b""
        try:
            while more := talk.sock.recv(65536):
                heard += more
            is_over = True
        except ConnectionError:
            is_over = True
        except socket.timeout:
            is_over = False
        talk.close()
        lab.check(is_over and heard.startswith(wanted), f"{name}: {heard[:60]!r}, over: {is_over}")
    return f"{len(CASES) + len(GREETINGS)} cases"


def malform_messages(lab):
    talk, stream = Talk(lab.endpoint), 1
    for name, data, wanted in GRPC:
        # The frames say stream 1; each case gets the next.
        talk.close()
        talk = Talk(lab.endpoint)
        talk.send_within_window(data, stream)
        answer = talk.answer(stream)
        lab.check(isinstance(answer, tuple) and answer[0] in wanted, f"{name}: {answer}, wanted {wanted}")
        lab.check(talk.is_served(3), f"{name}: the connection goes on")
    talk.close()
    return f"{len(GRPC)} cases"


def malform_json(lab):
    for name, path, body, wanted in JSON:
        web = http.client.HTTPConnection(lab.endpoint, timeout=30)
        try:
            web.request("POST", path, body)
            answer = web.getresponse()
            status, text = answer.status, answer.read()
        except ConnectionError as error:
            status, text = repr(error), b""
        web.close()
        lab.check(status in wanted, f"JSON {name} to {path}: {status} {text[:100]!r}, wanted {wanted}")
    for name, data, wanted in HTTP1:
        with socket.create_connection(lab.endpoint.split(":"), 30) as sock:
            heard, is_over = b"", False
            try:
                sock.sendall(data)
                sock.settimeout(5)
                while more := sock.recv(65536):
                    heard += more
                is_over = True
            except ConnectionError:
                is_over = True
            except socket.timeout:
                pass
        lab.check(is_over and any(heard.startswith(each) for each in wanted), f"HTTP/1 {name}: {heard[:60]!r}, over: {is_over}")
    return f"{len(JSON) + len(HTTP1)} cases"


# ------------------------------------------------------------------------------------------- floods

def reset_rapidly(lab):
    """CVE-2023-44487: streams are opened and reset at once, so that the limit of streams says nothing."""
    talk, asked = Talk(lab.endpoint), 0
    for stream in range(1, 400_000, 200):
        more = b"".join(call(i, RANGE, b"\x0a\x01k") + frame(RST_STREAM, 0, i, b"\0\0\0\x08") for i in range(stream, stream + 200, 2))
        if not talk.send(more):
            break
        asked += 100
    talk.run_to_end(10)
    talk.close()
    lab.check(talk.goaway == "ENHANCE_YOUR_CALM", f"rapid reset: {talk.goaway} {talk.goaway_text}")
    return f"{asked} streams sent before it was over"


def make_resets(lab):
    """CVE-2025-8671: the client makes the server reset streams whose calls go on."""
    talk, asked = Talk(lab.endpoint), 0
    for stream in range(1, 40_000, 200):
        more = b"".join(call(i, RANGE, b"\x0a\x01k") + frame(WINDOW_UPDATE, 0, i, b"\0\0\0\0") for i in range(stream, stream + 200, 2))
        if not talk.send(more):
            break
        asked += 100
    talk.run_until(lambda: talk.is_over or len(talk.ended) == asked, 10)
    lab.check(talk.goaway == "ENHANCE_YOUR_CALM", f"made resets: {asked} asked, {len(talk.ended)} ended, goaway {talk.goaway}")
    talk.close()
    return f"{asked} streams, goaway {talk.goaway}"


def unread(lab, name, first, more, seconds=3):
    """A client that asks and asks and never reads."""
    talk = Talk(lab.endpoint, receive_buffer=4096)
    talk.send(first)
    sent_bytes = [0]

    def pour():
        deadline = time.monotonic() + seconds
        for piece in more:
            talk.sock.settimeout(max(0.05, deadline - time.monotonic()))
            try:
                talk.sock.sendall(piece)
            except OSError:
                break
            sent_bytes[0] += len(piece)
            if time.monotonic() > deadline:
                break

    peak = lab.peak_during(pour)
    talk.close()
    lab.check(peak <= TAKEN_BYTES, f"{name}: {peak >> 20} MiB at most, of {sent_bytes[0] >> 20} MiB sent")
    return f"{sent_bytes[0] >> 20} MiB sent, {peak >> 20} MiB at most"


def small(stream):
    """A call that is refused, in few bytes: the fields are in the table since the first."""
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, INDEXED)


INDEXED = bytes(0x80 | (67 - i) for i in range(6))  # the last field put into the table is 62
FIRST = frame(HEADERS, END_HEADERS | END_STREAM, 1, block(grpc_fields(UNKNOWN), 0x40))


def leave_refusals_unread(lab):
    return unread(lab, "refusals unread", FIRST, (b"".join(small(i) for i in range(at, at + 4000, 2)) for at in range(3, 1 << 30, 4000)))


def leave_resets_unread(lab):
    """Each head has a field that HTTP/2 forbids."""
    bad = block([*grpc_fields(UNKNOWN), ("connection", "x")], 0x40)
    head = bytes(0x80 | (68 - i) for i in range(7))
    return unread(lab, "resets unread", frame(HEADERS, END_HEADERS | END_STREAM, 1, bad),
                  (b"".join(frame(HEADERS, END_HEADERS | END_STREAM, i, head) for i in range(at, at + 4000, 2)) for at in range(3, 1 << 30, 4000)))


def leave_settings_unread(lab):
    return unread(lab, "settings unread", b"", (settings(initial_window_size=65_535) * 1000 for _ in range(100_000)))


def leave_answers_unread(lab):
    """Health checks: a head, a message and trailers each."""
    body = frame(DATA, END_STREAM, 0, message())
    first = frame(HEADERS, END_HEADERS, 1, block(grpc_fields(), 0x40)) + body[:5] + (1).to_bytes(4, "big") + body[9:]
    return unread(lab, "answers unread", first,
                  (b"".join(frame(HEADERS, END_HEADERS, i, INDEXED) + body[:5] + i.to_bytes(4, "big") + body[9:] for i in range(at, at + 4000, 2))
                   for at in range(3, 1 << 30, 4000)))


def flood_settings(lab):
    talk = Talk(lab.endpoint)
    for _ in range(100):
        talk.send(settings(initial_window_size=65_535) * 100)
        talk.run_until(lambda: talk.acks >= 100, 5)
        talk.acks = 0
    lab.check(talk.is_served(1) or talk.goaway == "ENHANCE_YOUR_CALM", f"settings flood: goaway {talk.goaway}")
    talk.close()
    # Each change is work for every open stream.
    changing = Talk(lab.endpoint)
    changing.send((settings(initial_window_size=65_534) + settings(initial_window_size=65_535)) * 2_000)
    changing.run_until(lambda: changing.is_over, 10)
    lab.check(changing.goaway == "ENHANCE_YOUR_CALM", f"changing windows: goaway {changing.goaway}")
    changing.close()
    return f"goaway {talk.goaway}, of changes {changing.goaway}"


def flood_pings(lab):
    talk = Talk(lab.endpoint)
    for _ in range(100):
        talk.send(frame(PING, 0, 0, b"8 bytes.") * 100)
    talk.run_to_end(10)
    lab.check((talk.goaway, talk.goaway_text) == ("ENHANCE_YOUR_CALM", b"too_many_pings"), f"ping flood: {talk.goaway} {talk.goaway_text}")
    talk.close()


def flood_continuations(lab):
    for piece in (b"", b"\x00\x01a\x01b"):
        talk, sent_frames = Talk(lab.endpoint), 0
        talk.send(frame(HEADERS, END_STREAM, 1, block(grpc_fields())))
        for _ in range(2_000):
            if not talk.send(frame(CONTINUATION, 0, 1, piece) * 100):
                break
            sent_frames += 100
        talk.run_to_end(10)
        lab.check(talk.is_over, f"continuations of {len(piece)} bytes: the end after {sent_frames}")
        lab.check(talk.goaway in ("ENHANCE_YOUR_CALM", "PROTOCOL_ERROR", "INTERNAL_ERROR", None), f"continuations: goaway {talk.goaway}")
        talk.close()
    return f"the last: goaway {talk.goaway}"


def flood_empty_data(lab):
    """DATA of nothing, 100,000 times, in a stream that takes requests."""
    talk = Talk(lab.endpoint)
    talk.send(frame(HEADERS, END_HEADERS, 1, block(grpc_fields("/etcdserverpb.Watch/Watch"))))
    for _ in range(100):
        talk.send(frame(DATA, 0, 1, b"") * 1000)
    lab.check(talk.is_served(3), "empty data: the connection goes on")
    talk.close()


def exhaust_windows(lab):
    """100 answers of 1 MB for a client whose windows are closed; then they are opened, and reset."""
    web = Talk(lab.endpoint)
    web.send_within_window(sent(PUT, message(b"\x0a\x05large\x12" + varint(1_000_000) + b"v" * 1_000_000)), 1)
    lab.check(web.answer(1) == (0, ""), "a value of 1 MB")
    web.close()
    talk = Talk(lab.endpoint, first_settings=settings(initial_window_size=0), grants=False)
    talk.send(b"".join(call(i, RANGE, b"\x0a\x05large") for i in range(1, 201, 2)))
    talk.run_until(lambda: len(talk.fields) == 100, 20)
    lab.check(len(talk.fields) == 100 and not talk.bodies, f"closed windows: {len(talk.fields)} heads, {len(talk.bodies)} bodies")
    talk.send(frame(WINDOW_UPDATE, 0, 1, (1 << 24).to_bytes(4, "big")) + frame(WINDOW_UPDATE, 0, 0, (1 << 24).to_bytes(4, "big")))
    lab.check(talk.answer(1) == (0, "") and len(talk.bodies[1]) > 1_000_000, "one window opened: its answer comes whole")
    for i in range(3, 201, 2):
        talk.send(frame(RST_STREAM, 0, i, b"\0\0\0\x08"))
    talk.send(call(1001) + frame(WINDOW_UPDATE, 0, 1001, (1 << 20).to_bytes(4, "big")))
    lab.check(talk.answer(1001) == (0, ""), "the others reset: another is served")
    talk.close()


# ------------------------------------------------------------------------------------------- many and slow

def storm_of_resets(lab):
    """TCP resets at every stage of a call."""
    whole = PREFACE + settings() + call(1, RANGE, b"\x0a\x01k") + call(3, "/etcdserverpb.Watch/Watch", b"\x0a\x03\x0a\x01k")
    for _ in range(3_000):
        talk = Talk(lab.endpoint, greets=False)
        talk.send(whole[:lab.random.randrange(len(whole) + 1)])
        talk.abort()
    return "3,000 connections"


def say_half(lab):
    """Conversations that stop within a frame, and stay."""
    whole = PREFACE + settings() + call(1, RANGE, b"\x0a\x01k") + frame(PING, ACK, 0, b"8 bytes.") + call(3, RANGE, b"\x0a\x01k")
    talks = []
    for size in range(len(whole)):
        talks.append(Talk(lab.endpoint, greets=False))
        talks[-1].send(whole[:size])
    last = Talk(lab.endpoint)
    lab.check(last.is_served(1), "half frames: another is served")
    for talk in [*talks, last]:
        talk.close()
    return f"{len(talks)} connections"


def keep_large_messages_unfinished(lab):
    """The most of a message on each of many streams, again and again; what that takes is bounded for all clients together."""
    talks, refused = [], 0
    most = message(b"\x0a\x01k" + b"\x12" + varint(1_300_000) + b"v" * 1_300_000)[:1_250_000]

    def pour():
        nonlocal refused
        for _ in range(3):
            talks.append(Talk(lab.endpoint))
            for stream in range(1, 200, 2):
                talks[-1].send(frame(HEADERS, END_HEADERS, stream, block(grpc_fields(PUT))))
                talks[-1].send_within_window(b"".join(frame(DATA, 0, stream, most[at:at + 16_000]) for at in range(0, len(most), 16_000)), stream)
            refused += len(talks[-1].ended)

    peak = lab.peak_during(pour)
    lab.check(refused > 0, f"{refused} large puts were refused while others had all the room")
    lab.check(peak < 1.5 * UNFINISHED_BYTES, f"unfinished messages took {peak >> 20} MiB")
    late = Talk(lab.endpoint)
    lab.check(late.is_served(1), "a small one is served")
    for talk in [*talks, late]:
        talk.close()
    return f"{refused} refused, {peak >> 20} MiB at most"


def stay_idle(lab):
    """Half of them over HTTP/2, half over HTTP/1 after an answer; all held at once."""
    before, talks = lab.victim.anonymous_bytes(), []
    for i in range(IDLE_CONNECTIONS):
        talk = Talk(lab.endpoint, greets=i % 2 == 0)
        if i % 2 != 0:
            talk.send(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        talks.append(talk)
    answered = sum(talk.sock.recv(4096) != b"" for talk in talks)
    lab.check(answered == IDLE_CONNECTIONS, f"{answered} of {IDLE_CONNECTIONS} idle connections were answered")
    each = (lab.victim.anonymous_bytes() - before) // IDLE_CONNECTIONS
    late = Talk(lab.endpoint)
    lab.check(late.is_served(1), "one more is served")
    lab.check(each <= 16 << 10, f"{each} bytes of memory for each idle connection")
    for talk in [*talks, late]:
        talk.close()
    return f"{len(talks)} connections, {each} bytes each"


def take_all_descriptors(lab):
    """More connections than the server may have descriptors, while puts need the next files of their log."""
    pid, writer, talks, text = lab.victim.process.pid, Talk(lab.endpoint), [], b"v" * 16_000
    before, puts = resource.prlimit(pid, resource.RLIMIT_NOFILE), 2 * LOG_PIECE_BYTES // len(text)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lab.victim.descriptors() + RESERVED_DESCRIPTORS + 20, before[1]))
    try:
        talks = [Talk(lab.endpoint, greets=False) for _ in range(RESERVED_DESCRIPTORS + 100)]  # the last ones are in the backlog
        body = b"\x0a\x01d\x12" + varint(len(text)) + text
        served = 0
        for stream in range(1, 2 * puts, 2):
            writer.send(call(stream, PUT, body))
            served += writer.answer(stream) == (0, "")
        lab.check(served == puts, f"{served} of {puts} puts while all descriptors were taken")
        for talk in talks:
            talk.close()
        late = Talk(lab.endpoint)
        lab.check(late.is_served(1), "a connection is served when others have left")
        late.close()
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    writer.close()
    return f"{len(talks)} connections, {puts} puts"


class Slowloris:
    """Heads that come a byte at a time, over both protocols. They are cut off while other things go on."""

    PIECES = {"HTTP/1 head": b"GET /version HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 500, "HTTP/2 preface": PREFACE,
              "HTTP/2 head": PREFACE + settings() + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"", length=4_000) + b"\x00\x05x-slo" * 10,
              "nothing at all": b""}
    AT_ONCE = {"HTTP/2 head": len(PREFACE) + 9 + 9 + 1}

    def __init__(self, lab):
        self.lab, self.left, self.died = lab, {}, {}
        self.start_time = time.monotonic()
        for name, data in self.PIECES.items():
            for i in range(20):
                talk = Talk(lab.endpoint, greets=False)
                at = self.AT_ONCE.get(name, 0)
                talk.send(data[:at])
                self.left[(name, i)] = [talk, data, at]

    def run(self):
        while self.left and time.monotonic() - self.start_time < HEAD_SECONDS + 8:
            time.sleep(0.25)
            for who, state in list(self.left.items()):
                talk, data, at = state
                is_taken = at >= len(data) or talk.send(data[at:at + 1])
                state[2] = at + 1
                talk.sock.setblocking(False)
                try:
                    while more := talk.sock.recv(4096):
                        talk.bytes += more
                    is_over = True
                except BlockingIOError:
                    is_over = False
                except ConnectionError:
                    is_over = True
                talk.sock.settimeout(5)
                if is_over or not is_taken:
                    self.died[who] = (time.monotonic() - self.start_time, talk.bytes)
                    talk.close()
                    del self.left[who]

    def report(self):
        self.run()
        for name in self.PIECES:
            ends = [when for (kind, _), (when, _) in self.died.items() if kind == name]
            self.lab.check(len(ends) == 20 and min(ends) > HEAD_SECONDS - 3, f"slow {name}: {len(ends)} of 20 cut off after {sorted(ends)[:1]} s")
        heads = [heard for (kind, _), (_, heard) in self.died.items() if kind == "HTTP/1 head"]
        self.lab.check(all(heard.startswith(b"HTTP/1.1 408") for heard in heads), f"a slow HTTP/1 head is told 408: {heads[:1]}")
        for state in self.left.values():
            state[0].close()
        return f"{len(self.died)} of {20 * len(self.PIECES)} cut off"


ATTACKS = {
    "frames": speak_wrongly, "messages": malform_messages, "json": malform_json, "rapid_reset": reset_rapidly, "made_resets": make_resets,
    "unread_refusals": leave_refusals_unread, "unread_resets": leave_resets_unread, "unread_settings": leave_settings_unread,
    "unread_answers": leave_answers_unread, "settings": flood_settings, "pings": flood_pings, "continuations": flood_continuations,
    "empty_data": flood_empty_data, "windows": exhaust_windows, "storm": storm_of_resets, "half": say_half, "unfinished": keep_large_messages_unfinished, "idle": stay_idle,
    "descriptors": take_all_descriptors,
    "slow": lambda lab: Slowloris(lab).report(),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--only", choices=ATTACKS, action="append")
    parser.add_argument("--leave-out", choices=ATTACKS, action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"seed {arguments.seed}")
    with Victim(arguments.server, ["--log-level=error"]) as victim:
        lab = Lab(victim, arguments.seed, arguments.verbose)
        lab.survive("warm up", lambda _: None)
        for name, attack in ATTACKS.items():
            if name in (arguments.only or ATTACKS) and name not in arguments.leave_out:
                lab.survive(name, attack)
        victim.stop()
        log = victim.log_tail()
    if lab.failures:
        print(f"{len(lab.failures)} failures; the server's log ends with:\n{log}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
