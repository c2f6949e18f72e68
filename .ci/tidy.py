#!/usr/bin/env python3
"""The house rules that a machine can check; each message names the cure.

  tidy.py           every rule over the whole tree
  tidy.py probes    the PROBEs of the sources that no test reached, by the file that SOCLE_PROBE_FILE names

A line may break a banned-call rule when it, or the line above it, says `tidy: allow <rule> because <reason>`.
"""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED_FOLDERS = {"build", ".git", "socle.data", "__pycache__"}
FLOOR_ZERO_TOPS = {"kv", "mvcc", "freelist", "lease", "server", "bench", "controllers", "package", "tests"}
LINES_WARN, LINES_FAIL = 500, 800
TEST_SUFFIXES = ("_test.cc", "_fuzz.cc", "_bench.cc")
FORBIDDEN_PARTS = {"util", "utils", "common", "helper", "helpers", "manager", "misc", "data", "info", "handle", "process"}

# rule, pattern on code without comments and strings, where it is allowed (path prefixes or suffixes), the cure
BANNED = [
    ("thread", r"\bstd::j?thread\b(?!::hardware_concurrency)", ["kv/base/thread."], "use socle::Thread (kv/base/thread.h): it is named and joined"),
    ("detach", r"(\.|->)detach\(\)", [], "keep the thread and join it"),
    ("mutex", r"\babsl::Mutex\b", [], "use socle::Mutex (kv/base/mutex.h): TSan sees it"),
    ("sleep", r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\(", ["kv/base/clock.cc"], "take a Clock, or wait on a CondVar"),
    ("clock", r"\bstd::chrono::\w+_clock\b|\b(clock_gettime|gettimeofday)\s*\(",
     # The meter reads the processor clock of another process; gRPC takes deadlines as its own time points.
     ["kv/base/clock.cc", "bench/load/cpu_meter.cc", "server/grpc/"], "take a Clock (kv/base/clock.h)"),
    ("chance", r"\b(srand|rand)\s*\(|\bstd::(random_device|mt19937\w*)\b", ["kv/base/random.cc"], "take a Random (kv/base/random.h)"),
    ("file", r"::(open|fsync|fdatasync|ftruncate|pwrite|pread)\s*\(|\bstd::[io]?fstream\b|\bfopen\s*\(|\bstd::filesystem::",
     ["kv/env/", "/testing/", "kv/base/probe.cc", "kv/base/log.cc", "tests/", "_test.cc", "_bench.cc"], "go through Env (kv/env/env.h), so that tests can make it fail"),
    ("regex", r"\bstd::regex\b", [], "parse by hand: std::regex recurses on its input"),
    ("print", r"(?<!\w)(printf|fprintf)\s*\(|\bstd::f?puts\b|\bstd::c(out|err)\b|\bfmt::print\b",
     ["/cmd/", "/testing/", "tests/", "kv/base/check.cc", "kv/base/log.cc", "_main.cc"], "return a Status, or log (kv/base/log.h); only mains print"),
    ("volatile", r"\bvolatile\b", [], "use std::atomic"),
    ("endl", r"\bstd::endl\b", [], r"write '\n'"),
    ("namespace", r"\busing\s+namespace\b", [], "name what you use"),
]


class Report:
    """Collects findings; errors decide the exit code."""

    def __init__(self):
        self.errors = 0

    def error(self, where, rule, text):
        self.errors += 1
        print(f"{where}: {rule}: {text}")

    @staticmethod
    def warn(where, rule, text):
        print(f"{where}: warning: {rule}: {text}")


def files_of_tree():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
        for name in names:
            yield (pathlib.Path(folder) / name).relative_to(ROOT).as_posix()


def code_only(text):
    """The text with comments and string contents blanked, line structure kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:[^"\\\n]|\\.)*"|(?<![0-9a-fA-F])\'(?:[^\'\\\n]|\\.)+\'', re.S)

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    return pattern.sub(blank, text)


# ------------------------------------------------------------------------------------------- floors

def read_floors():
    floors = {}
    for line in (ROOT / ".ci/layers.txt").read_text().splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            folder, _, allowed = line.partition(":")
            floors[folder.strip()] = set(allowed.split())
    return floors


def floor_of(path, floors):
    """The longest folder of the law that the path lies in; None when there is none."""
    best = None
    for floor in floors:
        if path.startswith(floor + "/") and (best is None or len(floor) > len(best)):
            best = floor
    return best


def is_test(path):
    return "/testing/" in path or path.endswith(("_test.cc", "_fuzz.cc", "_bench.cc"))


def check_floors(path, text, floors, report):
    own = floor_of(path, floors)
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        where = f"{path}:{number}"
        if target.endswith(".pb.h"):
            target = "server/wire/proto/" + target
        if target.split("/")[0] not in FLOOR_ZERO_TOPS:
            report.error(where, "include", f'"{target}" is not a path from the repository root; libraries take <>')
            continue
        if own is None:
            report.error(where, "floors", f"{path} lies in no folder of .ci/layers.txt; add a line for its folder")
            return
        theirs = floor_of(target, floors)
        if theirs is None or theirs == own or theirs in floors[own]:
            if "/testing/" in target and not is_test(path) and own != "tests":
                report.error(where, "floors", f'"{target}" is for tests; only tests and testing/ folders include it')
            continue
        if is_test(path) and "/testing/" in target and (theirs == "kv/testing" or target.split("/testing/")[0] == own):
            continue
        # The plane in a process is what controllers are tested on.
        if is_test(path) and theirs == "controllers/testing" and own.startswith("controllers/"):
            continue
        report.error(where, "floors", f'{own} may not include {theirs} ("{target}"); .ci/layers.txt allows: {" ".join(sorted(floors[own])) or "nothing"}. '
                     "Move the code to the floor that owns it, or turn the dependency round with an interface")


# ------------------------------------------------------------------------------------------- one file

def check_length(path, text, report):
    lines = text.count("\n")
    if lines <= LINES_WARN or re.search(r"tidy: long because \S+", text):
        return
    if lines > LINES_FAIL:
        report.error(path, "length", f"{lines} lines; split it by noun, or say `tidy: long because ...` if it is a table")
    else:
        report.warn(path, "length", f"{lines} lines; over {LINES_WARN} a file usually holds two ideas")


def check_names(path, code, report):
    stem = pathlib.PurePosixPath(path).name.split(".")[0]
    for part in stem.split("_"):
        if part in FORBIDDEN_PARTS:
            report.error(path, "name", f"'{part}' in a file name says nothing; name the thing it holds")
    for match in re.finditer(r"\b(?:class|struct|enum(?:\s+class)?)\s+(?:[A-Z_]+\([^)]*\)\s+)?([A-Z]\w*)\s*[:{;f]", code):
        for part in re.findall(r"[A-Z][a-z0-9]*", match.group(1)):
            if part.lower() in FORBIDDEN_PARTS:
                line = code.count("\n", 0, match.start()) + 1
                report.error(f"{path}:{line}", "name", f"'{part}' in type {match.group(1)} says nothing; say what it does")


def check_header(path, text, report):
    if not text.startswith("//"):
        report.error(path, "header", "the first line is a comment that says what this is (its contract)")
    guard = "SOCLE_" + re.sub(r"[^A-Z0-9]", "_", path.upper()) + "_"
    if f"#ifndef {guard}\n#define {guard}\n" not in text:
        report.error(path, "header", f"the include guard is {guard}")
    if not text.rstrip().endswith(f"#endif  // {guard}"):
        report.error(path, "header", f"the last line is `#endif  // {guard}`")


def is_allowed(path, places):
    return any(path.startswith(p) or path.endswith(p) or (p.startswith("/") and p in path) for p in places)


def check_banned(path, text, code, report):
    lines = text.splitlines()
    for rule, pattern, places, cure in BANNED:
        if is_allowed(path, places):
            continue
        for match in re.finditer(pattern, code):
            number = code.count("\n", 0, match.start()) + 1
            near = lines[max(0, number - 2):number]
            if not any(re.search(rf"tidy: allow {rule} because \S+", line) for line in near):
                report.error(f"{path}:{number}", rule, f"`{match.group(0).strip()}`: {cure}")


def check_todo(path, text, report):
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line) and "tidy.py" not in path:
            report.error(f"{path}:{number}", "todo", "a TODO carries an issue number, TODO(#12), or does not exist")


# ------------------------------------------------------------------------------------------- the tree

def check_registered(paths, report):
    cmake = {p: (ROOT / p).read_text() for p in paths if p.endswith("CMakeLists.txt")}
    for path in paths:
        if not path.endswith((".cc", ".proto")):
            continue
        for list_path, text in cmake.items():
            folder = list_path[: -len("CMakeLists.txt")]
            if path.startswith(folder) and re.search(rf"(?<![\w/]){re.escape(path[len(folder):])}(?!\w)", text):
                break
        else:
            kind = "test" if path.endswith(TEST_SUFFIXES) else "file"
            report.error(path, "dead", f"no CMakeLists.txt names this {kind}; register it, or delete it")


def check_readme(report):
    commands = set(re.findall(r"^cmd_(\w+)\(\)", (ROOT / "dev").read_text(), re.M)) | {"help"}
    for name in ("README.md", "CONTRIBUTING.md", "tests/README.md"):
        path = ROOT / name
        if not path.exists():
            report.error(name, "readme", "this file is part of the house; write it")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for command in re.findall(r"\./dev (\w+)", line):
                if command not in commands:
                    report.error(f"{name}:{number}", "readme", f"./dev has no command '{command}'")


# The program that README shows is one that is compiled and run.
def check_readme_program(report):
    shown = re.findall(r"```cpp\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    program = (ROOT / "tests/embedding/embedding_main.cc").read_text()
    for text in shown:
        if text not in program:
            report.error("README.md", "readme", "the program differs from tests/embedding/embedding_main.cc; copy it")


def check_machine_paths(path, text, report):
    pattern = r"(?<![\w.])/(?:work|root|home/\w+)/"
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(pattern, line) and path != ".ci/tidy.py":
            report.error(f"{path}:{number}", "path", "a path of somebody's machine; use a path relative to the repository")


def check_tree():
    report = Report()
    floors = read_floors()
    paths = sorted(files_of_tree())
    for path in paths:
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        except FileNotFoundError:
            continue
        check_machine_paths(path, text, report)
        if not path.endswith((".cc", ".h")):
            continue
        code = code_only(text)
        check_floors(path, text, floors, report)
        check_length(path, text, report)
        check_names(path, code, report)
        check_banned(path, text, code, report)
        check_todo(path, text, report)
        if path.endswith(".h"):
            check_header(path, text, report)
    check_registered(paths, report)
    check_readme(report)
    check_readme_program(report)
    if report.errors:
        print(f"tidy: {report.errors} findings; reproduce with ./dev tidy")
    return 1 if report.errors else 0


# ------------------------------------------------------------------------------------------- probes

def check_probes():
    hit_path = os.environ.get("SOCLE_PROBE_FILE")
    if not hit_path:
        print("probes: SOCLE_PROBE_FILE is not set, so nothing is known about this run")
        return 0
    hits = set()
    if os.path.exists(hit_path):
        hits = set(pathlib.Path(hit_path).read_text().splitlines())
    missed = []
    for path in sorted(files_of_tree()):
        if not path.endswith((".cc", ".h")) or is_test(path) or path == "kv/base/probe.h":
            continue
        text = (ROOT / path).read_text()
        for match in re.finditer(r'\bPROBE\(\s*"((?:[^"\\]|\\.)*)"\s*\)', text):
            if match.group(1) not in hits:
                missed.append(f"{path}:{text.count(chr(10), 0, match.start()) + 1}: no test reached PROBE(\"{match.group(1)}\")")
    for line in missed:
        print(line)
    print(f"probes: {len(missed)} missed, {len(hits)} reached; write the test that reaches them, or remove the branch")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(check_probes() if sys.argv[1:] == ["probes"] else check_tree())
