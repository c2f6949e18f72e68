#include "bench/peer/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "bench/report/json.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

constexpr size_t kOutputShown = 600;

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    if (end > 0) {
      words.emplace_back(line.substr(0, end));
    }
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

// Runs this program with the arguments; its output goes to the file.
absl::Status RunSelf(const std::vector<std::string>& arguments, const std::string& output_path) {
  std::vector<std::string> words = {"socle-bench"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output_path.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return absl::ResourceExhaustedError(fmt::format("no process for a run: error {}", error));
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  // 3: clean, and slower than asked for: that is a result to compare.
  if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3)) {
    return absl::OkStatus();
  }
  const absl::StatusOr<std::string> output = ReadTextFile(output_path);
  const std::string text = output.value_or("");
  return absl::UnavailableError(
      fmt::format("socle-bench {} {}: {}", fmt::join(arguments, " "),
                  WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                                    : fmt::format("ended by signal {}", WTERMSIG(status)),
                  text.substr(text.size() - std::min(text.size(), kOutputShown))));
}

absl::StatusOr<std::map<std::string, double>> RunOnce(const CompareOptions& options,
                                                      const Peer& peer) {
  const ScratchDir scratch(options.dir, fmt::format("socle-bench.run.{}", ::getpid()));
  ASSIGN_OR_RETURN(const std::unique_ptr<LocalServer> server,
                   LocalServer::Start(peer, options.dir));
  const std::string endpoints = "--endpoints=" + server->endpoint();
  const std::string output = scratch.path() + "/output";
  if (!options.before.empty()) {
    std::vector<std::string> before = Words(options.before);
    before.push_back(endpoints);
    RETURN_IF_ERROR(RunSelf(before, output));
  }
  if (options.restarts) {
    RETURN_IF_ERROR(server->Stop());
    RETURN_IF_ERROR(server->StartAgain());
  }
  const std::string json = scratch.path() + "/run.json";
  std::vector<std::string> workload = options.workload;
  workload.push_back(endpoints);
  workload.push_back(fmt::format("--server-pid={}", server->pid()));
  workload.push_back("--json=" + json);
  RETURN_IF_ERROR(RunSelf(workload, output));
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(json));
  return FiguresIn(text);
}

std::string Spread(const std::vector<double>& values, std::string_view unit) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return fmt::format("{:.2f}{} ({:.2f} to {:.2f})", MedianOf(values), unit, *least, *most);
}

std::vector<double> ValuesOf(const Figure& figure, const PeerRuns& runs) {
  std::vector<double> values;
  for (const auto& round : runs.rounds) {
    const auto found = round.find(std::string(figure.place));
    if (found != round.end()) {
      values.push_back(found->second);
    }
  }
  return values;
}

}  // namespace

const std::vector<Figure>& FiguresOfRuns() {
  static const std::vector<Figure> kFigures = {
      {"requests/s", "requests_per_second", true},
      {"deliveries/s", "deliveries_per_second", true},
      {"p50 µs", "latency/p50_us", false},
      {"p99 µs", "latency/p99_us", false},
      {"p99.9 µs", "latency/p99.9_us", false},
      {"max µs", "latency/max_us", false},
      {"server CPU µs/request", "server_cpu_us_per_request", false},
      {"server CPU µs/delivery", "server_cpu_us_per_delivery", false},
      {"server memory, bytes", "server_rss_bytes", false},
      {"seconds", "elapsed_s", false},
  };
  return kFigures;
}

absl::StatusOr<std::map<std::string, double>> FiguresIn(std::string_view text) {
  boost::system::error_code error;
  const boost::json::value root = boost::json::parse({text.data(), text.size()}, error);
  if (error) {
    return absl::InternalError("a run's JSON can't be read: " + error.message());
  }
  std::map<std::string, double> figures;
  for (const Figure& figure : FiguresOfRuns()) {
    const std::string place(figure.place);
    boost::system::error_code missing;
    const boost::json::value* const value = root.find_pointer("/" + place, missing);
    boost::system::error_code no_number;
    const double number = value == nullptr ? 0 : value->to_number<double>(no_number);
    if (value != nullptr && !no_number) {
      figures[place] = number;
    }
  }
  return figures;
}

double MedianOf(std::vector<double> values) {
  if (values.empty()) {
    return 0;
  }
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::vector<double> RatiosOf(const Figure& figure, const PeerRuns& base, const PeerRuns& runs) {
  std::vector<double> ratios;
  const std::string place(figure.place);
  for (size_t round = 0; round < std::min(base.rounds.size(), runs.rounds.size()); ++round) {
    const auto theirs = base.rounds[round].find(place);
    const auto ours = runs.rounds[round].find(place);
    if (theirs == base.rounds[round].end() || ours == runs.rounds[round].end() ||
        theirs->second <= 0 || ours->second <= 0) {
      return {};
    }
    ratios.push_back(figure.is_more_better ? ours->second / theirs->second
                                           : theirs->second / ours->second);
  }
  return ratios;
}

absl::StatusOr<CompareResult> RunCompare(const CompareOptions& options) {
  if (options.peers.empty() || options.rounds == 0 || options.workload.empty()) {
    return absl::InvalidArgumentError("compare needs a --peer, --rounds and a workload");
  }
  std::vector<Peer> peers;
  CompareResult result;
  for (const std::string& text : options.peers) {
    ASSIGN_OR_RETURN(peers.emplace_back(), ParsePeer(text));
    result.peers.push_back({peers.back().name, {}});
  }
  for (uint64_t round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < peers.size(); ++i) {
      if (options.progress) {
        options.progress(
            fmt::format("round {} of {}: {}\n", round + 1, options.rounds, peers[i].name));
      }
      absl::StatusOr<std::map<std::string, double>> figures = RunOnce(options, peers[i]);
      if (!figures.ok()) {
        result.failure =
            fmt::format("round {}, {}: {}", round + 1, peers[i].name, MessageOf(figures.status()));
        return result;
      }
      result.peers[i].rounds.push_back(*std::move(figures));
    }
  }
  return result;
}

std::string RenderCompare(const CompareOptions& options, const CompareResult& result) {
  std::string out = fmt::format("socle-bench {}\n  {} rounds, by turns, a fresh directory each\n",
                                fmt::join(options.workload, " "), options.rounds);
  if (!options.before.empty()) {
    out += fmt::format("  after {}{}\n", options.before,
                       options.restarts ? " and a restart of the server" : "");
  }
  for (const Figure& figure : FiguresOfRuns()) {
    std::string rows;
    for (const PeerRuns& runs : result.peers) {
      const std::vector<double> values = ValuesOf(figure, runs);
      if (values.empty()) {
        continue;
      }
      rows += fmt::format("    {:<16}{:>16.2f}", runs.name, MedianOf(values));
      const std::vector<double> ratios = RatiosOf(figure, result.peers.front(), runs);
      if (&runs != &result.peers.front() && !ratios.empty()) {
        rows +=
            fmt::format("   better than {} by {}", result.peers.front().name, Spread(ratios, "×"));
      }
      rows += "\n";
    }
    if (!rows.empty()) {
      out += fmt::format("\n  {}\n{}", figure.name, rows);
    }
  }
  return result.failure.empty() ? out : out + fmt::format("\n  FAILED  {}\n", result.failure);
}

std::string CompareJson(const CompareOptions& options, const CompareResult& result) {
  boost::json::object peers;
  for (const PeerRuns& runs : result.peers) {
    boost::json::array rounds;
    for (const auto& round : runs.rounds) {
      boost::json::object figures;
      for (const auto& [place, value] : round) {
        figures[place] = value;
      }
      rounds.push_back(std::move(figures));
    }
    peers[runs.name] = std::move(rounds);
  }
  const boost::json::object out{{"workload", fmt::format("{}", fmt::join(options.workload, " "))},
                                {"before", options.before},
                                {"failure", result.failure},
                                {"peers", std::move(peers)}};
  return boost::json::serialize(out) + "\n";
}

}  // namespace socle::bench
