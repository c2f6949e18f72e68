// Interruption: an admission plugin that lets something happen between what a controller has read and what
// it writes.
//
//   interruption_.Arm("disruption-controller", [this] { ChangeBehind("pods", "a", …); });
//
// Threads  Arm: the test's, while the plane is at rest. What happens runs on the thread that writes. It may
//          wait for the store: the first try of a write is made where the controller calls. It may not wait
//          for the registry: changes of one object take turns.
#ifndef SOCLE_CONTROLLERS_TESTING_INTERRUPTION_H_
#define SOCLE_CONTROLLERS_TESTING_INTERRUPTION_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "controllers/registry/admission.h"
#include "kv/base/mutex.h"

namespace socle::plane_testing {

class Interruption {
 public:
  // Before the next write of this controller (a part of its user name); once.
  void Arm(std::string controller, std::function<void()> happen) {
    MutexLock lock(&mu_);
    controller_ = std::move(controller);
    happen_ = std::move(happen);
  }

  bool has_happened() const {
    MutexLock lock(&mu_);
    return happen_ == nullptr;
  }

  // Outlived by the Interruption.
  std::unique_ptr<registry::AdmissionPlugin> MakePlugin() { return std::make_unique<Plugin>(this); }

 private:
  class Plugin final : public registry::AdmissionPlugin {
   public:
    explicit Plugin(Interruption* interruption) : interruption_(interruption) {}

    std::string_view name() const override { return "interruption"; }

    absl::Status Check(const registry::AdmissionRequest& request, const api::Json&) override {
      if (const auto happen = interruption_->TakeFor(request.caller->user)) {
        happen();
      }
      return absl::OkStatus();
    }

   private:
    Interruption* const interruption_;
  };

  std::function<void()> TakeFor(std::string_view user) {
    MutexLock lock(&mu_);
    return user.find(controller_) == std::string_view::npos ? nullptr
                                                            : std::exchange(happen_, nullptr);
  }

  mutable Mutex mu_;
  std::string controller_ ABSL_GUARDED_BY(mu_);
  std::function<void()> happen_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::plane_testing

#endif  // SOCLE_CONTROLLERS_TESTING_INTERRUPTION_H_
