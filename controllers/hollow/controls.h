// Controls: how hollow nodes and their containers behave, from defaults and from annotations of nodes and
// pods (hollow.socle.dev/pull-delay: "2s").
//
// Laws     1. An annotation of the pod counts before one of its node, and that before the default; one for
//             a container (pull-delay.main) before one for all.
//          2. What does not parse is as if it weren't there.
//          3. Defaults are jittered, by a hash of seed, pod, container and attempt; annotations are exact.
// Threads  pure functions.
// Source   spec controllers 8.8; DESIGN.md of this folder has the table.
#ifndef SOCLE_CONTROLLERS_HOLLOW_CONTROLS_H_
#define SOCLE_CONTROLLERS_HOLLOW_CONTROLS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/api/json.h"

namespace socle::hollow {

inline constexpr std::string_view kControlPrefix = "hollow.socle.dev/";

// A run that does not end by itself.
inline constexpr int64_t kForeverMillis = -1;

struct Behaviour {
  int64_t pull_millis = 300;
  int64_t start_millis = 100;
  int64_t ready_millis = 200;
  int64_t init_millis = 100;  // how long an init container runs
  int64_t termination_millis = 100;
  // How long containers run in pods that are not restarted always; of pods of a Job or BroadcastJob
  // the second. kForeverMillis: until they are deleted.
  int64_t run_millis = kForeverMillis;
  int64_t job_run_millis = kForeverMillis;
  // A container that ended is started again after the first, doubled each time, up to the second; at its
  // first end at once.
  int64_t backoff_millis = 10'000;
  int64_t backoff_max_millis = 300'000;
  int64_t pull_error_millis = 1'000;  // from ErrImagePull to ImagePullBackOff
  double jitter = 0.2;                // of delays: 0.2 is up to a fifth more or less
};

// The annotations of one object that are controls, without their prefix.
using ControlTexts = std::vector<std::pair<std::string, std::string>>;

ControlTexts ReadControls(const api::Json& object);

// 2s, 300ms, 1m30s, 0; nullopt for anything else, and for what is negative or beyond a century.
std::optional<int64_t> ParseMillis(std::string_view text);

// The texts of one pod and its node, by law 1.
class Controls {
 public:
  Controls(const ControlTexts* pod, const ControlTexts* node) : pod_(pod), node_(node) {}

  // Empty when nobody says so. `container` may be empty.
  std::string_view Text(std::string_view name, std::string_view container = {}) const;
  bool Has(std::string_view name) const;
  bool IsTrue(std::string_view name, std::string_view container = {}) const;
  std::optional<int64_t> Millis(std::string_view name, std::string_view container = {}) const;
  std::optional<int64_t> Integer(std::string_view name, std::string_view container = {}) const;
  // Between 0 and 1.
  std::optional<double> Share(std::string_view name, std::string_view container = {}) const;

 private:
  const ControlTexts* const pod_;
  const ControlTexts* const node_;
};

// Whether `text` matches a pattern of literals and `*`; of several patterns, separated by commas, any.
bool MatchesPattern(std::string_view patterns, std::string_view text);

// A number that looks like chance and is the same whenever it is asked for.
uint64_t Draw(uint64_t seed, uint64_t what, uint64_t which);
// `millis`, more or less by up to `jitter` of it.
int64_t Jittered(int64_t millis, double jitter, uint64_t draw);

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_CONTROLS_H_
