#include "bench/cmd/kv_commands.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/workload/delete.h"
#include "bench/workload/mixed.h"
#include "bench/workload/put.h"
#include "bench/workload/range.h"
#include "bench/workload/stm.h"
#include "bench/workload/txn.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

struct KvFlags {
  RunFlags run;
  WriteShape shape;

  int64_t first_lease = 0;
  int64_t lease = 0;

  RangeOptions range;
  std::string consistency = "l";

  uint64_t span = 1;
  uint64_t txn_ops = 1;
  TxnMixedOptions txn_mixed;

  MixedOptions mixed;
  std::vector<std::string> mix = {"put=20", "range=80"};
  std::string key_distribution = "uniform";
  std::string size_distribution = "fixed";

  StmOptions stm;
  std::string isolation = "r";
};

using Flags = std::shared_ptr<KvFlags>;

Flags Begin(CLI::App* command) {
  auto flags = std::make_shared<KvFlags>();
  AddRunFlags(command, &flags->run);
  return flags;
}

void AddConsistencyFlag(CLI::App* app, KvFlags* flags) {
  app->add_option("--consistency", flags->consistency, "l: linearizable, s: serializable")
      ->check(CLI::IsMember({"l", "s"}))
      ->capture_default_str();
}

std::string WithValues(const WriteShape& shape) {
  return fmt::format("{}, {}-byte values", DescribeKeys(shape), shape.val_size);
}

int RunPut(KvFlags& flags) {
  flags.shape.total = flags.run.drive.duration_seconds > 0 ? kTotalMax : flags.run.drive.total;
  const absl::Status valid = flags.shape.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  const PutLeases leases =
      flags.lease != 0 ? PutLeases{flags.lease, 0} : PutLeases{flags.first_lease, 1};
  PutSource source(flags.shape, leases);
  return RunLoad("put", WithValues(flags.shape), flags.shape, flags.run, &source);
}

void AddPut(CLI::App* app, Commands* commands) {
  CLI::App* const put = app->add_subcommand("put", "write keys");
  const Flags flags = Begin(put);
  AddShapeFlags(put, &flags->shape);
  AddValSizeFlag(put, &flags->shape);
  CLI::Option* const first =
      put->add_option("--first-lease", flags->first_lease,
                      "attach the key of the n-th request to the lease of this id plus n")
          ->check(CLI::NonNegativeNumber);
  put->add_option("--lease", flags->lease, "attach every key to the lease of this id")
      ->check(CLI::NonNegativeNumber)
      ->excludes(first);
  commands->push_back({put, [flags] { return RunPut(*flags); }});
}

int RunRange(KvFlags& flags) {
  const absl::Status valid = flags.shape.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  RangeOptions& range = flags.range;
  range.keys = flags.shape;
  range.is_serializable = flags.consistency == "s";
  std::string what = range.key.empty() ? DescribeKeys(flags.shape)
                     : range.range_end.empty()
                         ? fmt::format("key \"{}\"", range.key)
                         : fmt::format("[\"{}\", \"{}\")", range.key, range.range_end);
  what += range.is_serializable ? ", serializable" : ", linearizable";
  if (range.limit > 0) {
    what += fmt::format(", limit {}", range.limit);
  }
  RangeSource source(range);
  return RunLoad("range", what, std::nullopt, flags.run, &source);
}

void AddRange(CLI::App* app, Commands* commands) {
  CLI::App* const range = app->add_subcommand(
      "range", "read KEY, or [KEY, END); without KEY the random keys of `put` with the same flags");
  const Flags flags = Begin(range);
  range->add_option("KEY", flags->range.key, "first key");
  range->add_option("END", flags->range.range_end, "end of the interval, exclusive");
  AddShapeFlags(range, &flags->shape);
  AddConsistencyFlag(range, flags.get());
  range->add_option("--limit", flags->range.limit, "most keys per answer, 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  range->add_flag("--keys-only", flags->range.keys_only, "without values");
  range->add_flag("--count-only", flags->range.count_only, "only how many keys there are");
  commands->push_back({range, [flags] { return RunRange(*flags); }});
}

int RunDelete(KvFlags& flags) {
  const absl::Status valid = flags.shape.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  DeleteSource source(flags.shape, flags.span);
  return RunLoad("delete", fmt::format("{}, {} per request", DescribeKeys(flags.shape), flags.span),
                 std::nullopt, flags.run, &source);
}

void AddDelete(CLI::App* app, Commands* commands) {
  CLI::App* const command =
      app->add_subcommand("delete", "delete the keys of `put` with the same flags");
  const Flags flags = Begin(command);
  AddShapeFlags(command, &flags->shape);
  command->add_option("--span", flags->span, "keys in a row that a request deletes")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  commands->push_back({command, [flags] { return RunDelete(*flags); }});
}

int RunTxnPut(KvFlags& flags) {
  absl::Status valid = flags.shape.Validate();
  valid.Update(TxnPutSource::CheckOps(flags.shape, flags.txn_ops));
  if (!valid.ok()) {
    return Complain(valid);
  }
  TxnPutSource source(flags.shape, flags.txn_ops);
  return RunLoad("txn-put", fmt::format("{} puts of {}", flags.txn_ops, WithValues(flags.shape)),
                 std::nullopt, flags.run, &source);
}

void AddTxnPut(CLI::App* app, Commands* commands) {
  CLI::App* const command = app->add_subcommand("txn-put", "transactions of puts");
  const Flags flags = Begin(command);
  AddShapeFlags(command, &flags->shape);
  AddValSizeFlag(command, &flags->shape);
  command->add_option("--txn-ops", flags->txn_ops, "puts of a transaction")->capture_default_str();
  commands->push_back({command, [flags] { return RunTxnPut(*flags); }});
}

int RunTxnMixed(KvFlags& flags) {
  TxnMixedOptions& options = flags.txn_mixed;
  options.shape = flags.shape;
  options.is_serializable = flags.consistency == "s";
  const absl::Status valid = options.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  TxnMixedSource source(options);
  return RunLoad(
      "txn-mixed",
      fmt::format("{} reads for each write, {}", options.rw_ratio, WithValues(flags.shape)),
      std::nullopt, flags.run, &source);
}

void AddTxnMixed(CLI::App* app, Commands* commands) {
  CLI::App* const command =
      app->add_subcommand("txn-mixed", "transactions that read and transactions that write");
  const Flags flags = Begin(command);
  AddShapeFlags(command, &flags->shape);
  AddValSizeFlag(command, &flags->shape);
  AddConsistencyFlag(command, flags.get());
  command->add_option("--rw-ratio", flags->txn_mixed.rw_ratio, "reads for each write")
      ->capture_default_str();
  command->add_option("--limit", flags->txn_mixed.limit, "keys that a read may return, 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  commands->push_back({command, [flags] { return RunTxnMixed(*flags); }});
}

absl::Status CompleteMixed(KvFlags* flags) {
  MixedOptions& options = flags->mixed;
  options.shape = flags->shape;
  options.is_serializable = flags->consistency == "s";
  ASSIGN_OR_RETURN(options.shares, ParseShares(flags->mix));
  ASSIGN_OR_RETURN(options.keys, ParseKeySpread(flags->key_distribution));
  ASSIGN_OR_RETURN(options.sizes, ParseSizeSpread(flags->size_distribution));
  return options.Validate();
}

int RunMixed(KvFlags& flags) {
  const absl::Status valid = CompleteMixed(&flags);
  if (!valid.ok()) {
    return Complain(valid);
  }
  MixedSource source(flags.mixed);
  const std::string sizes =
      flags.mixed.sizes == SizeSpread::kFixed
          ? fmt::format("{}", flags.shape.val_size)
          : fmt::format("{} to {} ({})", flags.shape.val_size,
                        std::max(flags.shape.val_size, flags.mixed.val_size_max),
                        flags.size_distribution);
  return RunLoad("mixed",
                 fmt::format("{} over {} {}-byte keys ({}), values of {} bytes, seed {}",
                             fmt::join(flags.mix, " "), flags.shape.key_space_size,
                             flags.shape.key_size, flags.key_distribution, sizes, flags.shape.seed),
                 std::nullopt, flags.run, &source);
}

void AddMixed(CLI::App* app, Commands* commands) {
  CLI::App* const command =
      app->add_subcommand("mixed", "puts, reads, deletes, lists and transactions in given shares");
  const Flags flags = Begin(command);
  AddShapeFlags(command, &flags->shape);
  AddValSizeFlag(command, &flags->shape);
  AddConsistencyFlag(command, flags.get());
  command
      ->add_option("--mix", flags->mix,
                   "shares, comma separated: put=20,range=80; also delete, list, txn")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--key-distribution", flags->key_distribution, "uniform, zipfian or latest")
      ->capture_default_str();
  command
      ->add_option("--val-size-distribution", flags->size_distribution,
                   "fixed, or uniform or zipfian between --val-size and --val-size-max")
      ->capture_default_str();
  command->add_option("--val-size-max", flags->mixed.val_size_max, "bytes of the largest value");
  command->add_option("--limit", flags->mixed.limit, "keys of a list")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  commands->push_back({command, [flags] { return RunMixed(*flags); }});
}

int RunStm(KvFlags& flags) {
  StmOptions& options = flags.stm;
  options.shape = flags.shape;
  options.compares = flags.isolation != "c";
  const absl::Status valid = options.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  StmSource source(options);
  return RunLoad("stm",
                 fmt::format("{} of {} keys each, {} % written with {}-byte values, isolation {}",
                             options.keys_per_txn, options.shape.key_space_size,
                             options.write_percent, options.shape.val_size, flags.isolation),
                 std::nullopt, flags.run, &source);
}

void AddStm(CLI::App* app, Commands* commands) {
  CLI::App* const command = app->add_subcommand(
      "stm", "optimistic transactions: read, commit with compares, again after a conflict");
  const Flags flags = Begin(command);
  AddValSizeFlag(command, &flags->shape);
  command->add_option("--seed", flags->shape.seed, "keys and values follow from it")
      ->capture_default_str();
  command->add_option("--keys", flags->shape.key_space_size, "keys that all transactions share")
      ->capture_default_str();
  command->add_option("--keys-per-txn", flags->stm.keys_per_txn, "keys of a transaction")
      ->capture_default_str();
  command->add_option("--txn-wr-percent", flags->stm.write_percent, "of its keys it writes")
      ->capture_default_str();
  command
      ->add_option(
          "--isolation", flags->isolation,
          "c: read committed; r, s, ss: repeatable reads, serializable, snapshot (the same "
          "here, since the keys are read together)")
      ->check(CLI::IsMember({"c", "r", "s", "ss"}))
      ->capture_default_str();
  commands->push_back({command, [flags] { return RunStm(*flags); }});
}

}  // namespace

void AddKvCommands(CLI::App* app, Commands* commands) {
  AddPut(app, commands);
  AddRange(app, commands);
  AddDelete(app, commands);
  AddTxnPut(app, commands);
  AddTxnMixed(app, commands);
  AddMixed(app, commands);
  AddStm(app, commands);
}

}  // namespace socle::bench
