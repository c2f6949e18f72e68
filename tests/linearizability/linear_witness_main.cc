// socle-linear-witness: clients that share all keys of a server that is going to be killed, and a
// judge of all that they were ever answered. Commands: tests/crash/witness_commands.h.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "kv/env/env.h"
#include "tests/crash/witness_commands.h"
#include "tests/linearizability/judge.h"
#include "tests/linearizability/random_client.h"
#include "tests/linearizability/wire_asker.h"

namespace socle::linearizability {
namespace {

constexpr int kClients = 5;
constexpr int kCallsPerRound = 400;  // of a client: keeps histories to what a person can read

class Witness {
 public:
  explicit Witness(uint64_t seed)
      : seed_(seed), random_(seed), reader_(0, random_.Next(), &clock_) {
    for (int client = 1; client <= kClients; ++client) {
      clients_.push_back(std::make_unique<RandomClient>(client, random_.Next(), &clock_,
                                                        /*grants_for_keys=*/false));
    }
  }

  ~Witness() { Settle(); }

  std::string Answer(std::string_view command, const std::string& argument) {
    if (command == "write") {
      Write(argument);
      return "ok";
    }
    if (command == "settle") {
      return fmt::format("ok {} acknowledged", Settle());
    }
    if (command == "plant") {
      is_planted_ = true;
      return "ok";
    }
    return command == "verify" ? Verify(argument) : "bad command";
  }

 private:
  void Write(const std::string& endpoint) {
    stop_.store(false, std::memory_order_relaxed);
    for (const auto& client : clients_) {
      threads_.emplace_back("client", [this, endpoint, client = client.get()] {
        const auto asker = WireAsker::Open(endpoint);
        if (asker.ok()) {
          AskUntilStopped(client, asker->get());
        }
      });
    }
  }

  void AskUntilStopped(RandomClient* client, WireAsker* asker) {
    for (int i = 0; i < kCallsPerRound && !stop_.load(std::memory_order_relaxed); ++i) {
      if (!client->AskSomething(asker)) {
        return;
      }
    }
  }

  size_t Settle() {
    stop_.store(true, std::memory_order_relaxed);
    threads_.clear();
    size_t answered = 0;
    for (const auto& client : clients_) {
      for (const Call& call : client->log()->calls()) {
        answered += call.is_answered ? 1 : 0;
      }
    }
    return answered;
  }

  // The server was killed and is up again: what had no answer has happened by now, or never will.
  std::string Verify(const std::string& endpoint) {
    const int64_t now = clock_.Tick();
    reader_.log()->Settle(now);
    for (const auto& client : clients_) {
      client->log()->Settle(now);
    }
    const auto asker = WireAsker::Open(endpoint);
    if (!asker.ok() || !reader_.AskAll(asker->get())) {
      return "bad the server does not answer";
    }
    const History history = Collected();
    const Judgement judgement = Judge(history);
    if (!judgement.is_good() || judgement.is_undecided) {
      return Report(history, judgement);
    }
    return fmt::format("ok {} calls are linearizable", history.calls.size());
  }

  History Collected() {
    History history;
    Collect(*reader_.log(), &history);
    for (const auto& client : clients_) {
      Collect(*client->log(), &history);
    }
    if (is_planted_) {
      ClientLog planted(kClients + 1, &clock_);
      const auto& request =
          planted.Begin(mvcc::Operation(mvcc::PutRequest{.key = "planted", .value = "never sent"}));
      planted.End(AnswerOf(std::get<mvcc::PutRequest>(std::get<mvcc::Operation>(request)),
                           absl::StatusOr<mvcc::PutResult>(mvcc::PutResult{.revision = 2})));
      Collect(planted, &history);
    }
    SortCalls(&history);
    return history;
  }

  std::string Report(const History& history, const Judgement& judgement) const {
    const std::string path = fmt::format("linearizability-kill-{}.txt", seed_);
    const std::string text =
        fmt::format("seed {}\n\n{}\n{}", seed_, judgement.report, DescribeHistory(history));
    const auto write = [&]() -> absl::Status {
      ASSIGN_OR_RETURN(const auto file, Env::Posix()->Open(path, OpenMode::kReadWriteCreate));
      RETURN_IF_ERROR(file->Truncate(0));
      return file->WriteAt(0, text);
    };
    const absl::Status written = is_planted_ ? absl::OkStatus() : write();
    std::string line =
        fmt::format("bad not linearizable, see {}{}: {}", path,
                    written.ok() ? "" : " (not written)", judgement.report.substr(0, 1'000));
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
  }

  const uint64_t seed_;
  Random random_;
  HistoryClock clock_;
  RandomClient reader_;
  std::vector<std::unique_ptr<RandomClient>> clients_;
  std::vector<Thread> threads_;
  std::atomic<bool> stop_{false};  // set by the command loop, read by every client; orders nothing
  bool is_planted_ = false;
};

}  // namespace
}  // namespace socle::linearizability

int main(int argc, char** argv) {
  socle::linearizability::Witness witness(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1);
  socle::crash::ServeWitnessCommands(
      [&witness](std::string_view command, const std::string& argument) {
        return witness.Answer(command, argument);
      });
  return 0;
}
