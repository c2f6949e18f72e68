// RecordedStore: a store under random operations, each of which is remembered, so that a model can be made of any moment.
//
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_BACKUP_TESTING_RECORDED_STORE_H_
#define SOCLE_SERVER_BACKUP_TESTING_RECORDED_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kv/base/check.h"
#include "lease/lessor.h"
#include "mvcc/prefix_quota.h"
#include "mvcc/schema.h"
#include "mvcc/store.h"
#include "mvcc/testing/model_store.h"
#include "mvcc/testing/random_operations.h"
#include "mvcc/testing/store_driver.h"

namespace socle::server {

class RecordedStore {
 public:
  RecordedStore(mvcc::StoreOptions options, uint64_t seed)
      : options_(std::move(options)), operations_(seed) {
    Open();
  }

  mvcc::Store* store() const { return store_.get(); }

  mvcc::RandomOperations* operations() { return &operations_; }

  // Does so many operations that are logged.
  void Work(uint64_t count) {
    while (count > 0) {
      mvcc::Operation operation = operations_.Next(store_->current_revision());
      if (mvcc::IsLogged(operation)) {
        sent_.push_back(mvcc::DecodeOperation(mvcc::EncodeOperation(operation)).value());
        mvcc::Run(store_.get(), std::move(operation));
        CHECK_EQ(store_->log_index(), sent_.size());
        --count;
      }
    }
  }

  void Restart() {
    store_.reset();
    Open();
  }

  // From the next start on.
  void set_quotas(std::vector<mvcc::PrefixQuota> quotas) {
    options_.prefix_quotas = std::move(quotas);
  }

  // After the first `count` operations.
  std::unique_ptr<mvcc::ModelStore> ModelAfter(uint64_t count) const {
    CHECK_LE(count, sent_.size());
    auto model = std::make_unique<mvcc::ModelStore>();
    for (uint64_t i = 0; i < count; ++i) {
      ApplyTo(model.get(), sent_[i]);
    }
    return model;
  }

  // As of the operation that made the revision; null when none did.
  std::unique_ptr<mvcc::ModelStore> ModelAt(int64_t revision) const {
    auto model = std::make_unique<mvcc::ModelStore>();
    for (const mvcc::Operation& operation : sent_) {
      if (model->revision() >= revision) {
        break;
      }
      ApplyTo(model.get(), operation);
    }
    return model->revision() == revision ? std::move(model) : nullptr;
  }

 private:
  void Open() {
    hook_ = std::make_unique<lease::Lessor>();
    options_.lease_hook = hook_.get();
    auto store = mvcc::Store::Open(options_);
    CHECK(store.ok());
    store_ = *std::move(store);
    if (store_->log_index() == sent_.size() + 1) {  // the quotas are other ones
      sent_.push_back(
          mvcc::SystemOp{.writes = {{.bucket = "meta",
                                     .key = std::string(mvcc::kPrefixQuotaKey),
                                     .value = mvcc::EncodeQuotas(*options_.prefix_quotas),
                                     .is_delete = options_.prefix_quotas->empty()}}});
    }
    CHECK_EQ(store_->log_index(), sent_.size());
  }

  static void ApplyTo(mvcc::ModelStore* model, const mvcc::Operation& operation) {
    const auto* const op = std::get_if<mvcc::SystemOp>(&operation);
    if (op != nullptr && op->writes.front().key == mvcc::kPrefixQuotaKey) {
      model->set_quotas(mvcc::DecodeQuotas(op->writes.front().value).value());
      return;
    }
    model->Apply(operation);
  }

  mvcc::StoreOptions options_;
  mvcc::RandomOperations operations_;
  std::vector<mvcc::Operation> sent_;
  std::unique_ptr<lease::Lessor> hook_;
  std::unique_ptr<mvcc::Store> store_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_TESTING_RECORDED_STORE_H_
