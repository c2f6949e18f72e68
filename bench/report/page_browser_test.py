#!/usr/bin/env python3
"""Opens the page of a run in a browser: it draws every chart, wide, narrow and dark, and breaks nothing.

  page_browser_test.py --bin build/release/bin [--browser chromium] [--keep DIR]

The run is a small one against socle-kv. Exit code 77 where there is no browser. --keep leaves the page and the screenshots in DIR.
"""

import argparse
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import CLEAN_CODES, Server  # noqa: E402

SKIPPED = 77
CHARTS = ["Latency by percentile", "Latency over time", "Throughput over time", "Server processor", "Server memory", "Server writes to disk",
          "Server commits", "Server commits and log writes, p99"]
OVER_TIME = len(CHARTS) - 1  # charts with an axis of time, each of which marks the compaction
# What must not stay unnoticed: a piece of the page's script, and what is planted in its place.
PLANTED = {
    "a chart that is not drawn": ('chart("Server commits", ', 'void ("Server commits", '),
    "compactions that are not marked": ("marks: compacted", "marks: []"),
    "a figure that is not there": ('["p50", "p50_us"]', '["p50", "p50_ms"]'),
    "a script that ends early": ("const total = run.succeeded", "const total = run.not.there"),
}


def browse(browser, profile, *flags):
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
               "--virtual-time-budget=5000", f"--user-data-dir={profile}", *flags]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=90, check=True,
                          env={**os.environ, "HOME": str(profile)}).stdout


def pixels(path):
    """Width, and the set of colours of a PNG of 8-bit RGB or RGBA."""
    png = path.read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG"
    at, packed, width, channels = 8, b"", 0, 0
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        chunk = png[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack(">IIBB", chunk[:10])
            assert depth == 8 and colour in (2, 6), "a PNG of another kind"
            channels = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            packed += chunk
        at += 12 + size
    raw, stride = zlib.decompress(packed), width * channels
    above, colours = bytearray(stride), {}
    for start in range(0, len(raw), stride + 1):
        line = bytearray(raw[start + 1:start + 1 + stride])
        unfilter(raw[start], line, above, channels)
        for x in range(0, stride, channels * 7):  # every seventh pixel tells enough
            colour = bytes(line[x:x + 3])
            colours[colour] = colours.get(colour, 0) + 1
        above = line
    return width, colours


def unfilter(kind, line, above, channels):
    for i in range(len(line)):
        left = line[i - channels] if i >= channels else 0
        up = above[i]
        corner = above[i - channels] if i >= channels else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = up
        elif kind == 3:
            guess = (left + up) // 2
        elif kind == 4:
            estimate = left + up - corner
            guess = min((left, up, corner), key=lambda one: abs(estimate - one))
        else:
            return
        line[i] = (line[i] + guess) & 0xFF


def check_document(html):
    for title in CHARTS:
        assert f'aria-label="{title}"' in html, f"no chart {title}"
    assert html.count("<path ") >= len(CHARTS), "charts without lines"
    empty = [path for path in re.findall(r'<path [^>]*d="([^"]*)"', html) if "L" not in path]
    assert not empty, f"{len(empty)} lines of charts have no two points"
    assert "NaN" not in re.sub(r"<script.*?</script>", "", html, flags=re.S), "a coordinate or a figure is not a number"
    marks = html.count('<line class="mark"')
    assert marks >= OVER_TIME, f"{marks} marks of compactions in {OVER_TIME} charts over time"
    for text in ("throughput", "p99.9", "processor", "socle-bench put", "compactions at"):
        assert text in html, f"the page does not say {text}"


def check_planted_faults(browser, profile, page):
    """A test that can't fail says nothing: each fault must be found."""
    html = page.read_text()
    for what, (there, planted) in PLANTED.items():
        assert there in html, f"the page has no {there}, so nothing can be planted there"
        broken = page.with_name("broken.html")
        broken.write_text(html.replace(there, planted))
        try:
            check_document(browse(browser, profile, "--dump-dom", broken.resolve().as_uri()).decode())
        except AssertionError:
            continue
        raise AssertionError(f"{what} stayed unnoticed")


def check_picture(path, wanted_width, is_dark):
    width, colours = pixels(path)
    assert width == wanted_width, f"{path.name} is {width} wide"
    ground = max(colours, key=colours.get)
    assert (sum(ground) < 200) == is_dark, f"{path.name}: the ground is {ground.hex()}"
    assert len(colours) > 20, f"{path.name}: only {len(colours)} colours, so nothing was drawn"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of socle-kv and socle-bench")
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--keep", type=pathlib.Path)
    arguments = parser.parse_args()
    if shutil.which(arguments.browser) is None:
        print(f"no {arguments.browser} here: the page was not looked at")
        return SKIPPED
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or pathlib.Path(scratch)
        folder.mkdir(exist_ok=True)
        page = folder / "page.html"
        with Server(arguments.bin / "socle-kv", ["--log-level=error"]) as server:
            bench = arguments.bin / "socle-bench"
            load = subprocess.Popen([bench, "put", f"--endpoints={server.endpoint}", f"--server-pid={server.process.pid}", "--rate=1000", "--duration=4",
                                     "--clients=20", "--key-space-size=1000", "--no-progress", f"--report={page.resolve()}"], stdout=subprocess.DEVNULL)
            time.sleep(2)
            subprocess.run([bench, "compact", f"--endpoints={server.endpoint}", "--no-progress"], check=True, stdout=subprocess.DEVNULL)
            assert load.wait() in CLEAN_CODES, "the load failed"
        profile = pathlib.Path(scratch) / "profile"
        url = page.resolve().as_uri()
        check_document(browse(arguments.browser, profile, "--dump-dom", url).decode())
        check_planted_faults(arguments.browser, profile, page)
        for name, width, is_dark in (("wide", 1200, False), ("narrow", 500, False), ("dark", 1200, True)):
            picture = folder / f"{name}.png"
            dark = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if is_dark else ["--blink-settings=preferredColorScheme=1"]
            browse(arguments.browser, profile, f"--screenshot={picture.resolve()}", f"--window-size={width},2400", *dark, url)
            check_picture(picture, width, is_dark)
    print("the page stands in the browser: wide, narrow and dark")
    return 0


if __name__ == "__main__":
    sys.exit(main())
