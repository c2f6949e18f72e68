// EventRecorder: Events about objects, for people: kubectl describe shows them.
//
// Laws     1. Recording never blocks and never fails its caller; what can't be kept up with is counted
//             and dropped (at most 4,096 wait).
//          2. The same event about the same object is one Event whose count and lastTimestamp grow.
//          3. One object gets at most 25 new Events in a row, then one more every five minutes.
// Threads  thread-safe.
// Source   spec controllers 1.10, 5.3; client-go's correlator for the limits.
#ifndef SOCLE_CONTROLLERS_RUNTIME_EVENT_RECORDER_H_
#define SOCLE_CONTROLLERS_RUNTIME_EVENT_RECORDER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "controllers/registry/registry.h"

namespace socle::runtime {

enum class EventType : uint8_t { kNormal, kWarning };

class EventRecorder {
 public:
  static std::unique_ptr<EventRecorder> Make(registry::Registry* registry);
  virtual ~EventRecorder() = default;

  // `source`: the component, as events name it: "inplaceset-controller".
  virtual void Record(std::string_view source, const registry::Object& about, EventType type,
                      std::string_view reason, std::string_view message) = 0;

  virtual uint64_t dropped() const = 0;
  virtual bool is_idle() const = 0;
};

}  // namespace socle::runtime

#endif  // SOCLE_CONTROLLERS_RUNTIME_EVENT_RECORDER_H_
