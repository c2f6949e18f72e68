// The answer of a range, from what the store shows to the bytes of the wire: straight, and as it was before, by protobuf
// objects that are filled and then serialised.
//
//   BM_EncodeRange/keys/value bytes        BM_EncodeRangeByMessage/keys/value bytes
#include <string>
#include <vector>

#include "etcd/rpc.pb.h"
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "mvcc/record.h"
#include "server/service/range_encoder.h"

namespace socle::server {
namespace {

// Keys as Kubernetes has them; one in ten with a lease.
class Answer {
 public:
  explicit Answer(const benchmark::State& state)
      : value_(static_cast<size_t>(state.range(1)), 'v') {
    header_.set_cluster_id(0x1234567890abcdef);
    header_.set_member_id(0x0fedcba987654321);
    header_.set_revision(1'000'000);
    header_.set_raft_term(2);
    for (int64_t i = 0; i < state.range(0); ++i) {
      keys_.push_back(fmt::format("/registry/pods/ns-{:06}/pod-{:010}", i / 100, i));
    }
    for (int64_t i = 0; i < state.range(0); ++i) {
      kvs_.push_back({.key = keys_[static_cast<size_t>(i)],
                      .create_revision = 1'000 + i,
                      .mod_revision = 500'000 + i,
                      .version = 3,
                      .value = value_,
                      .lease = mvcc::LeaseId{i % 10 == 0 ? 77 : 0}});
    }
  }

  RangeParts parts() const {
    return {.header = &header_,
            .kvs = kvs_,
            .more = true,
            .count = static_cast<int64_t>(kvs_.size()) * 2};
  }

  std::string ByMessage() const {
    etcdserverpb::RangeResponse response;
    *response.mutable_header() = header_;
    for (const mvcc::KeyValueView& kv : kvs_) {
      mvccpb::KeyValue* const out = response.add_kvs();
      out->set_key(kv.key.data(), kv.key.size());
      out->set_create_revision(kv.create_revision);
      out->set_mod_revision(kv.mod_revision);
      out->set_version(kv.version);
      out->set_value(kv.value.data(), kv.value.size());
      out->set_lease(mvcc::Raw(kv.lease));
    }
    response.set_more(true);
    response.set_count(parts().count);
    return response.SerializeAsString();
  }

 private:
  const std::string value_;
  std::vector<std::string> keys_;
  std::vector<mvcc::KeyValueView> kvs_;
  etcdserverpb::ResponseHeader header_;
};

void Report(const Answer& answer, benchmark::State* state) {
  state->SetBytesProcessed(state->iterations() *
                           static_cast<int64_t>(RangeResponseBytes(answer.parts())));
  state->SetItemsProcessed(state->iterations() * state->range(0));
}

void BM_EncodeRange(benchmark::State& state) {
  const Answer answer(state);
  std::string out;
  AppendRangeResponse(answer.parts(), &out);
  CHECK(out == answer.ByMessage());
  for (auto _ : state) {
    std::string fresh;
    fresh.reserve(RangeResponseBytes(answer.parts()));
    AppendRangeResponse(answer.parts(), &fresh);
    benchmark::DoNotOptimize(fresh.data());
  }
  Report(answer, &state);
}

void BM_EncodeRangeByMessage(benchmark::State& state) {
  const Answer answer(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(answer.ByMessage());
  }
  Report(answer, &state);
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"keys", "value"})
      ->Args({1, 256})
      ->Args({500, 256})
      ->Args({500, 2'048})
      ->Args({10'000, 256});
}

BENCHMARK(BM_EncodeRange)->Apply(Sizes)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_EncodeRangeByMessage)->Apply(Sizes)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace socle::server
