#include <string>
#include <string_view>

#include <fmt/format.h>

#include "bench/report/exports.h"
#include "bench/report/json.h"
#include "bench/report/machine.h"
#include "bench/report/table.h"

namespace socle::bench {
namespace {

constexpr std::string_view kHead = R"page(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>socle-bench</title>
<style>
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2126; --faint: #69727c; --rule: #d9dee3; --panel: #f6f8fa;
        --a: #0b6bcb; --b: #c2410c; --c: #15803d; --d: #7c3aed; --bad: #b91c1c; --mark: #a21caf; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171a; --ink: #e6e9ec; --faint: #98a2ad; --rule: #343b42; --panel: #1c2126;
          --a: #6cb6ff; --b: #ff9e64; --c: #7ee2a8; --d: #c4a7ff; --bad: #ff8a80; --mark: #f0abfc; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 70rem; background: var(--ground); color: var(--ink);
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
p { margin: .2rem 0; color: var(--faint); overflow-wrap: anywhere; }
.bad { color: var(--bad); font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.charts { margin-top: 1rem; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: 0; padding: .6rem; background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; }
figcaption { font-weight: 600; } figcaption span { font-weight: 400; margin-left: .8rem; white-space: nowrap; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--faint); font-size: 11px; } svg .grid { stroke: var(--rule); }
svg path { fill: none; stroke-width: 1.8; }
svg .mark { stroke: var(--mark); stroke-dasharray: 3 3; stroke-width: 1.5; } figcaption .mark { color: var(--mark); }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; padding: .6rem; white-space: pre-wrap;
      overflow-wrap: anywhere; }
</style>
<h1 id="title"></h1>
<p id="what"></p>
<div id="warnings"></div>
<h2>Summary</h2><div class="wide"><table id="summary"></table></div>
<h2>Latency</h2><div class="wide"><table id="latency"></table></div>
<div class="charts" id="charts"></div>
<h2>Machine</h2><div class="wide"><table id="machine"></table></div>
<h2>Command</h2><pre id="command"></pre>
<script type="application/json" id="run">)page";

constexpr std::string_view kScript = R"page(</script>
<script>
"use strict";
const read = id => JSON.parse(document.getElementById(id).textContent);
const run = read("run"), facts = read("facts");
const set = (id, text) => { document.getElementById(id).textContent = text; };
const row = (table, cells, tag = "td") => {
  const line = document.getElementById(table).insertRow();
  for (const cell of cells) {
    const box = document.createElement(tag);
    box.textContent = cell;
    line.append(box);
  }
};
const digits = x => x >= 99.5 ? x.toFixed(0) : x >= 9.95 ? x.toFixed(1) : x.toFixed(2);
const time = us => us >= 1e6 ? digits(us / 1e6) + " s" : us >= 1e3 ? digits(us / 1e3) + " ms" : digits(us) + " µs";
const bytes = n => n >= 1e9 ? digits(n / 1e9) + " GB" : digits(n / 1e6) + " MB";
const count = n => n >= 1e6 ? digits(n / 1e6) + " M" : n >= 1e3 ? digits(n / 1e3) + " k" : String(Math.round(n * 100) / 100);

set("title", "socle-bench " + run.command);
set("what", run.description + " · " + run.clients + " clients, " + run.conns + " connections to " + run.endpoints.join(", ") +
    (run.rate > 0 ? " · open loop at " + run.rate + "/s, latency from the intended send time" : " · closed loop"));
for (const text of [...run.warnings, ...(run.stopped_early ? ["stopped early: " + run.stopped_early] : [])]) {
  const line = document.createElement("p");
  line.className = "bad";
  line.textContent = text;
  document.getElementById("warnings").append(line);
}
row("summary", ["throughput", count(run.requests_per_second) + "/s"]);
row("summary", ["requests", run.succeeded + " in " + digits(run.elapsed_s) + " s" + (run.warmup_s ? " after " + run.warmup_s + " s of warm-up" : "")]);
row("summary", ["errors", Object.values(run.errors).reduce((a, b) => a + b, 0)]);
for (const [text, n] of Object.entries(run.errors)) row("summary", ["  " + text, n]);
for (const [text, n] of Object.entries(run.counters)) row("summary", [text, n]);
row("summary", ["generator", digits(run.client_cpu_us_per_request) + " µs per request, " + digits(run.client_cores) + " cores"]);
if ("server_cpu_us_per_request" in run) row("summary", ["server", digits(run.server_cpu_us_per_request) + " µs per request"]);
if (run.server_rss_bytes > 0) row("summary", ["server memory at the end", bytes(run.server_rss_bytes)]);
if (run.verified) row("summary", ["verified keys", `${run.verified.keys}: ${run.verified.right} right, ${run.verified.missing} missing, ${run.verified.wrong} wrong`]);
if (run.server_not_sampled) row("summary", ["server not sampled", run.server_not_sampled]);
const compacted = run.server.filter(s => s.has_compacted).map(s => s.at_s);
if (compacted.length) row("summary", ["compactions at", compacted.map(s => digits(s) + " s").join(", ")]);

const curves = [["latency", run.latency]];
if (run.rate > 0) curves.push(["once sent", run.service_time], ["sent late by", run.lateness]);
curves.push(...Object.entries(run.parts));
row("latency", ["", "average", "p50", "p90", "p99", "p99.9", "p99.99", "max"], "th");
for (const [name, h] of curves)
  row("latency", [name, ...["average_us", "p50_us", "p90_us", "p99_us", "p99.9_us", "p99.99_us", "max_us"].map(k => time(h[k]))]);

// lines: [{name, points: [[x, y], …]}]; axes: {log, format, ticks}; an axis of time has marks: when the server compacted
const colours = ["var(--a)", "var(--b)", "var(--c)", "var(--d)"];
const chart = (title, lines, x, y) => {
  lines = lines.filter(line => line.points.length > 1).slice(0, 4);
  if (lines.length === 0) return;
  const W = 560, H = 260, L = 62, R = 22, T = 8, B = 24;
  const all = lines.flatMap(line => line.points);
  const extent = (i, axis) => {
    const values = all.map(p => p[i]).filter(v => !axis.log || v > 0);
    let low = axis.log ? Math.min(...values) : axis.from ?? 0, high = Math.max(...values);
    if (axis.log) { low = 10 ** Math.floor(Math.log10(low)); high = 10 ** Math.ceil(Math.log10(high)); }
    else {  // up to a round number, in four round steps
      const unit = 10 ** Math.floor(Math.log10(high / 4 || 1)), step = [1, 2, 2.5, 5, 10].find(m => m * unit * 4 >= high * 0.9999) * unit;
      high = axis.tight ? high : step * 4;
      axis.step = step;
    }
    if (high <= low) high = low + 1;
    return [low, high];
  };
  const scale = (axis, [low, high], from, to) => v => axis.log
      ? from + (to - from) * (Math.log10(Math.max(v, low)) - Math.log10(low)) / (Math.log10(high) - Math.log10(low))
      : from + (to - from) * (v - low) / (high - low);
  const ex = x.extent ?? extent(0, x), ey = extent(1, y);
  const sx = scale(x, ex, L, W - R), sy = scale(y, ey, H - B, T);
  const ticks = (axis, [low, high]) => {
    if (axis.ticks) return axis.ticks.filter(([v]) => v >= low && v <= high);
    const out = [];
    if (axis.log) for (let v = low; v <= high * 1.001; v *= 10) out.push([v, axis.format(v)]);
    else for (let v = low; v <= high * 1.001; v += axis.step) out.push([v, axis.format(v)]);
    return out;
  };
  const NS = "http://www.w3.org/2000/svg";
  const add = (parent, tag, attributes, text) => {
    const node = document.createElementNS(NS, tag);
    for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
  };
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  caption.textContent = title;
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  for (const [v, text] of ticks(y, ey)) {
    add(svg, "line", {class: "grid", x1: L, x2: W - R, y1: sy(v), y2: sy(v)});
    add(svg, "text", {x: L - 6, y: sy(v) + 4, "text-anchor": "end"}, text);
  }
  for (const [v, text] of ticks(x, ex)) {
    add(svg, "line", {class: "grid", x1: sx(v), x2: sx(v), y1: T, y2: H - B});
    add(svg, "text", {x: sx(v), y: H - 8, "text-anchor": "middle"}, text);
  }
  for (const v of (x.marks ?? []).filter(v => v >= ex[0] && v <= ex[1])) {
    add(svg, "line", {class: "mark", x1: sx(v), x2: sx(v), y1: T, y2: H - B});
  }
  lines.forEach((line, i) => {
    const key = document.createElement("span");
    key.textContent = "— " + line.name;
    key.style.color = colours[i];
    caption.append(key);
    const points = line.points.filter(p => !y.log || p[1] > 0);
    add(svg, "path", {stroke: colours[i], d: points.map((p, j) => (j ? "L" : "M") + sx(p[0]).toFixed(1) + " " + sy(p[1]).toFixed(1)).join("")});
  });
  if ((x.marks ?? []).length) {
    const key = document.createElement("span");
    key.className = "mark";
    key.textContent = "┆ compaction";
    caption.append(key);
  }
  figure.append(caption, svg);
  document.getElementById("charts").append(figure);
};

const percentiles = h => {
  const total = h.buckets_up_to_ns.reduce((sum, b) => sum + b[1], 0), out = [];
  let seen = 0;
  for (const [ns, n] of h.buckets_up_to_ns) {
    out.push([1 / (1 - seen / total), ns / 1e3]);
    seen += n;
    if (seen < total) out.push([1 / (1 - seen / total), ns / 1e3]);
  }
  if (out.length) out.push([total, h.max_us]);
  return out;
};
const total = run.succeeded || 1;
chart("Latency by percentile", curves.map(([name, h]) => ({name, points: percentiles(h)})),
      {log: true, extent: [1, Math.max(10, total)], ticks: [[2, "50"], [10, "90"], [100, "99"], [1e3, "99.9"], [1e4, "99.99"], [1e5, "99.999"], [1e6, "99.9999"]]},
      {log: true, format: time});
const seconds = {tight: true, marks: compacted, format: v => Math.round(v * 1000) / 1000 + " s"};
// The last slot is what was left: its rate is over what it has, and a few milliseconds say nothing.
const slots = run.seconds.map((s, i) => ({...s, span: s.end_s - (i ? run.seconds[i - 1].end_s : 0)})).filter(s => s.span > 0.1);
const rates = slots.map(s => [s.end_s, s.succeeded / s.span]);
chart("Latency over time", [["p50", "p50_us"], ["p99", "p99_us"], ["max", "max_us"]].map(([name, key]) =>
      ({name, points: slots.filter(s => s.succeeded).map(s => [s.end_s, s[key]])})), seconds, {log: true, format: time});
chart("Throughput over time", [{name: "answers per second", points: rates},
      {name: "errors per second", points: slots.some(s => s.failed) ? slots.map(s => [s.end_s, s.failed / s.span]) : []}], seconds, {format: count});
const between = (key, factor) => run.server.slice(1).map((s, i) =>
    [s.at_s, (s[key] - run.server[i][key]) * factor / Math.max(s.at_s - run.server[i].at_s, 1e-3)]);
const known = key => run.server.every(s => s[key] >= 0);
chart("Server processor", [{name: "cores", points: known("cpu_s") ? between("cpu_s", 1) : []}], seconds, {format: digits});
chart("Server memory", [{name: "resident", points: run.server.filter(s => s.rss_bytes >= 0).map(s => [s.at_s, s.rss_bytes])}], seconds, {format: bytes});
chart("Server writes to disk", [{name: "per second", points: known("written_bytes") ? between("written_bytes", 1) : []}],
      seconds, {format: bytes});
const told = (key, of = s => s[key]) => run.server.filter(s => s[key] >= 0).map(s => [s.at_s, of(s)]);
chart("Server commits", [{name: "per second", points: run.server.slice(1).map((s, i) => ({...s, span: s.at_s - run.server[i].at_s}))
      .filter(s => s.commits >= 0 && s.span > 0.1).map(s => [s.at_s, s.commits / s.span])}], seconds, {format: count});
chart("Server commits and log writes, p99", [{name: "commit", points: told("commit_p99_us")}, {name: "fsync of the log", points: told("sync_p99_us")}],
      seconds, {log: true, format: time});
for (const [name, value] of Object.entries(facts)) row("machine", [name, value]);
set("command", run.command_line);
</script>
</html>
)page";

// Within a script element nothing may look like its end.
std::string ForScript(std::string_view json) {
  std::string out;
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

}  // namespace

std::string ToPage(const RunReport& report) {
  std::string facts;
  for (const auto& [name, value] : MachineFacts()) {
    facts += fmt::format("{}{}:{}", facts.empty() ? "" : ",", Quoted(name), Quoted(value));
  }
  return fmt::format("{}{}</script>\n<script type=\"application/json\" id=\"facts\">{}{}", kHead,
                     ForScript(ToJson(report)), ForScript("{" + facts + "}"), kScript);
}

}  // namespace socle::bench
