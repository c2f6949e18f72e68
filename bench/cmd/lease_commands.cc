#include "bench/cmd/lease_commands.h"

#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "bench/workload/kube.h"
#include "bench/workload/lease.h"
#include "bench/workload/lease_expire.h"
#include "bench/workload/watch_crowd.h"
#include "kv/base/status_macros.h"

namespace socle::bench {
namespace {

struct LeaseFlags {
  RunFlags run;
  LeaseShape shape;
  bool renews_once = false;
};

using Flags = std::shared_ptr<LeaseFlags>;

Flags Begin(CLI::App* command) {
  auto flags = std::make_shared<LeaseFlags>();
  AddRunFlags(command, &flags->run);
  command->add_option("--first-id", flags->shape.first_id, "id of the first lease")
      ->capture_default_str();
  return flags;
}

void AddLeasesFlag(CLI::App* command, LeaseFlags* flags) {
  command->add_option("--leases", flags->shape.leases, "how many leases; then from the first on")
      ->capture_default_str();
}

std::string Describe(const LeaseShape& shape) {
  return fmt::format("{} leases from id {} on", shape.leases, shape.first_id);
}

int RunGrants(const LeaseFlags& flags) {
  const absl::Status valid = flags.shape.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  LeaseGrantSource source(flags.shape);
  return RunLoad("lease-grant", Describe(flags.shape), std::nullopt, flags.run, &source);
}

int RunRenewals(const LeaseFlags& flags) {
  const absl::Status valid = flags.shape.Validate();
  if (!valid.ok()) {
    return Complain(valid);
  }
  LeaseKeepAliveSource source(flags.shape, flags.renews_once);
  return RunLoad("lease-keepalive", Describe(flags.shape), std::nullopt, flags.run, &source);
}

// The keys that went with their leases, and how late.
class ExpiryWatch final : public Companion {
 public:
  ExpiryWatch(LeaseExpireSource* source, int64_t patience_nanos)
      : source_(source), crowd_(CrowdOptions(source, patience_nanos)) {}

  absl::Status Start(server::ClientLoop* loop, const std::vector<Caller*>& callers) override {
    return crowd_.Start(loop, callers);
  }

  void Stop() override { crowd_.Stop(); }

  CompanionReport report() const override {
    CompanionReport report = crowd_.report();
    report.latency_of = "expired late by";
    report.latency = source_->lateness();
    return report;
  }

 private:
  static WatchCrowdOptions CrowdOptions(LeaseExpireSource* source, int64_t patience_nanos) {
    WatchCrowdOptions options;
    options.name = "expiry";
    options.create.set_key(std::string(kExpireKeys));
    options.create.set_range_end(PrefixEnd(kExpireKeys));
    // Each key is written once and goes once.
    options.expected_events = [source] { return 2 * source->attached(); };
    options.patience_nanos = patience_nanos;
    options.on_event = [source](const mvccpb::Event& event) { source->OnEvent(event); };
    return options;
  }

  LeaseExpireSource* const source_;
  WatchCrowd crowd_;
};

int RunExpiry(LeaseFlags& flags) {
  LeaseShape& shape = flags.shape;
  shape.leases = flags.run.drive.total;
  absl::Status valid = shape.Validate();
  if (flags.run.drive.duration_seconds > 0) {
    valid.Update(absl::InvalidArgumentError("lease-expire takes --total, not --duration"));
  }
  if (shape.expire_after_seconds <= 0 || shape.leases > 100'000'000) {
    valid.Update(absl::InvalidArgumentError(
        "--expire-after must be positive, and --total at most 100000000"));
  }
  if (!valid.ok()) {
    return Complain(valid);
  }
  LeaseExpireSource source(shape);
  ExpiryWatch watch(&source, (shape.expire_after_seconds + 60) * kNanosPerSecond);
  RunFlags run = flags.run;
  run.drive.companions.push_back(&watch);
  return RunLoad("lease-expire",
                 fmt::format("{} leases with a key each, all of which end {} s after the first",
                             shape.leases, shape.expire_after_seconds),
                 std::nullopt, run, &source);
}

}  // namespace

void AddLeaseCommands(CLI::App* app, Commands* commands) {
  CLI::App* const grant = app->add_subcommand("lease-grant", "grant leases with ids in a row");
  const Flags grants = Begin(grant);
  AddLeasesFlag(grant, grants.get());
  grant->add_option("--ttl", grants->shape.ttl_seconds, "seconds that a lease lives")
      ->capture_default_str();
  grant->add_option("--expire-after", grants->shape.expire_after_seconds,
                    "all leases end this many seconds after the first request");
  commands->push_back({grant, [grants] { return RunGrants(*grants); }});

  CLI::App* const renew =
      app->add_subcommand("lease-keepalive", "renew leases that lease-grant made");
  const Flags renewals = Begin(renew);
  AddLeasesFlag(renew, renewals.get());
  renew->add_flag("--once", renewals->renews_once,
                  "a stream for each renewal instead of one for each client");
  commands->push_back({renew, [renewals] { return RunRenewals(*renewals); }});

  CLI::App* const expire = app->add_subcommand(
      "lease-expire", "a storm: leases that end together, and how late their keys go");
  const Flags expiry = Begin(expire);
  expiry->shape.expire_after_seconds = 10;
  expire
      ->add_option("--expire-after", expiry->shape.expire_after_seconds,
                   "seconds after the first request")
      ->capture_default_str();
  commands->push_back({expire, [expiry] { return RunExpiry(*expiry); }});
}

}  // namespace socle::bench
