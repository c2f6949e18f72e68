#include "bench/workload/check.h"

#include <algorithm>
#include <memory>
#include <span>

#include <etcd/rpc.pb.h>
#include <fmt/format.h>

#include "bench/workload/key_reader.h"
#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_client.h"

namespace socle::bench {
namespace {

constexpr size_t kExamplesMax = 10;
constexpr uint64_t kPageBytes = 4 << 20;
constexpr uint64_t kPageKeysMax = 10'000;
constexpr uint64_t kIssuedMax = 2'000'000'000;  // 32 GB of memory

struct Write {
  uint64_t key_index;
  uint64_t sequence;

  bool operator<(const Write& other) const {
    return key_index != other.key_index ? key_index < other.key_index : sequence < other.sequence;
  }
};

class Checker {
 public:
  explicit Checker(const CheckOptions& options) : options_(options) {}

  absl::StatusOr<CheckResult> Run(server::EtcdClient* client) {
    std::vector<Write> writes(options_.issued);
    for (uint64_t i = 0; i < options_.issued; ++i) {
      writes[i] = {options_.shape.KeyIndexOf(i), i};
    }
    std::sort(writes.begin(), writes.end());
    if (writes.empty()) {
      return result_;
    }
    std::string first;
    std::string last;
    options_.shape.AssignKey(writes.front().key_index, &first);
    options_.shape.AssignKey(writes.back().key_index, &last);
    const uint64_t pair_bytes = options_.shape.key_size + options_.shape.val_size + 32;
    KeyReader reader(
        client, first, last,
        static_cast<int64_t>(std::clamp<uint64_t>(kPageBytes / pair_bytes, 1, kPageKeysMax)));
    ASSIGN_OR_RETURN(const mvccpb::KeyValue* found, reader.Next());
    for (size_t begin = 0; begin < writes.size();) {
      size_t end = begin;
      while (end < writes.size() && writes[end].key_index == writes[begin].key_index) {
        ++end;
      }
      options_.shape.AssignKey(writes[begin].key_index, &key_);
      // Keys of others may lie in between.
      while (found != nullptr && found->key() < key_) {
        ASSIGN_OR_RETURN(found, reader.Next());
      }
      const bool is_there = found != nullptr && found->key() == key_;
      CheckKey({writes.data() + begin, end - begin}, is_there ? found : nullptr);
      begin = end;
    }
    result_.revision = reader.revision();
    return result_;
  }

 private:
  bool WasAcknowledged(uint64_t sequence) const {
    return !std::binary_search(options_.failed.begin(), options_.failed.end(), sequence);
  }

  void CheckKey(std::span<const Write> writes, const mvccpb::KeyValue* found) {
    const auto acknowledged =
        std::find_if(writes.rbegin(), writes.rend(),
                     [this](const Write& write) { return WasAcknowledged(write.sequence); });
    const bool is_expected = acknowledged != writes.rend();
    result_.keys_expected += is_expected ? 1 : 0;
    if (found == nullptr) {
      if (is_expected) {
        ++result_.keys_missing;
        AddExample(
            fmt::format("key {} is missing; request {} wrote it", key_, acknowledged->sequence));
      } else {
        ++result_.keys_unacknowledged;
      }
      return;
    }
    if (IsValueOfOne(writes, found->value())) {
      result_.keys_right += is_expected ? 1 : 0;
      return;
    }
    ++result_.keys_wrong;
    AddExample(DescribeWrong(*found, writes.back().sequence));
  }

  // The last writes are the likely ones.
  bool IsValueOfOne(std::span<const Write> writes, const std::string& value) {
    for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
      options_.shape.AssignValue(write->sequence, &value_);
      if (value_ == value) {
        return true;
      }
    }
    return false;
  }

  std::string DescribeWrong(const mvccpb::KeyValue& found, uint64_t last_sequence) {
    std::string what = fmt::format("key {} has a value of {} bytes that no request wrote to it",
                                   key_, found.value().size());
    if (found.value().size() == options_.shape.val_size && found.value().size() >= 16) {
      const uint64_t stamp = GetBigEndian64(found.value().data());
      options_.shape.AssignValue(stamp, &value_);
      what += value_ == found.value() ? fmt::format(": it is the one of request {}", stamp)
                                      : std::string(" (damaged, or of another run)");
    }
    return fmt::format("{}; the last one was request {} (mod_revision {})", what, last_sequence,
                       found.mod_revision());
  }

  void AddExample(std::string text) {
    if (result_.examples.size() < kExamplesMax) {
      result_.examples.push_back(std::move(text));
    }
  }

  const CheckOptions& options_;
  CheckResult result_;
  std::string key_;
  std::string value_;
};

}  // namespace

absl::StatusOr<CheckResult> CheckWrites(const CheckOptions& options) {
  RETURN_IF_ERROR(options.shape.Validate());
  if (options.issued > kIssuedMax) {
    return absl::InvalidArgumentError(
        fmt::format("a run of more than {} requests can't be checked", kIssuedMax));
  }
  server::EtcdClientOptions client_options;
  client_options.timeout_nanos = 60 * kNanosPerSecond;
  client_options.access = options.access;
  ASSIGN_OR_RETURN(const std::unique_ptr<server::EtcdClient> client,
                   server::EtcdClient::Open(options.endpoint, client_options));
  absl::StatusOr<CheckResult> result = Checker(options).Run(client.get());
  if (!result.ok()) {
    return Annotate(result.status(), client->authority());
  }
  return result;
}

std::string RenderCheck(const CheckOptions& options, const CheckResult& result) {
  std::string out = fmt::format(
      "socle-bench check: {} requests of seed {}, read back at revision {}\n\n"
      "  keys expected  {}\n"
      "  right          {}\n"
      "  missing        {}\n"
      "  wrong          {}\n",
      options.issued, options.shape.seed, result.revision, result.keys_expected, result.keys_right,
      result.keys_missing, result.keys_wrong);
  if (result.keys_unacknowledged > 0) {
    out += fmt::format("  absent, never acknowledged  {}\n", result.keys_unacknowledged);
  }
  if (!options.has_all_failed) {
    out +=
        "  the run had more failures than its file lists: some of the missing may be among them\n";
  }
  for (const std::string& example : result.examples) {
    out += fmt::format("  {}\n", example);
  }
  return out;
}

}  // namespace socle::bench
