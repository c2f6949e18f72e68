#include "bench/report/json.h"

#include <memory>
#include <span>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "kv/env/env.h"

namespace socle::bench {
namespace {

namespace json = boost::json;

constexpr uint64_t kFileBytesMax = 64 << 20;

json::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

json::object LatencyObject(const Histogram& histogram) {
  json::object out;
  out["average_us"] = histogram.mean() / kNanosPerMicro;
  out["min_us"] = static_cast<double>(histogram.min()) / kNanosPerMicro;
  for (const double percent : {50.0, 90.0, 99.0, 99.9, 99.99}) {
    out[fmt::format("p{}_us", percent)] =
        static_cast<double>(histogram.Percentile(percent)) / kNanosPerMicro;
  }
  out["max_us"] = static_cast<double>(histogram.max()) / kNanosPerMicro;
  json::array buckets;
  for (const Histogram::Bucket& bucket : histogram.Buckets()) {
    buckets.push_back(json::array{bucket.high_nanos, bucket.count});
  }
  out["buckets_up_to_ns"] = std::move(buckets);
  return out;
}

json::object ShapeObject(const WriteShape& shape) {
  return {{"seed", shape.seed},
          {"total", shape.total},
          {"key_size", shape.key_size},
          {"val_size", shape.val_size},
          {"key_space_size", shape.key_space_size},
          {"sequential_keys", shape.sequential_keys}};
}

json::object CountsObject(const std::map<std::string, uint64_t>& counts) {
  json::object out;
  for (const auto& [name, count] : counts) {
    out[name] = count;
  }
  return out;
}

json::array SlotsArray(const std::vector<LoadSlot>& slots) {
  json::array out;
  for (const LoadSlot& slot : slots) {
    out.push_back({{"end_s", static_cast<double>(slot.end_nanos) / kNanosPerSecond},
                   {"succeeded", slot.succeeded},
                   {"failed", slot.failed},
                   {"p50_us", static_cast<double>(slot.p50_nanos) / kNanosPerMicro},
                   {"p99_us", static_cast<double>(slot.p99_nanos) / kNanosPerMicro},
                   {"p99.9_us", static_cast<double>(slot.p999_nanos) / kNanosPerMicro},
                   {"max_us", static_cast<double>(slot.max_nanos) / kNanosPerMicro}});
  }
  return out;
}

// -1: not known.
double MicrosOrNothing(int64_t nanos) {
  return nanos < 0 ? -1 : static_cast<double>(nanos) / kNanosPerMicro;
}

json::array UsageArray(const std::vector<ServerUsage>& usage) {
  json::array out;
  for (const ServerUsage& sample : usage) {
    out.push_back(
        {{"at_s", static_cast<double>(sample.at_nanos) / kNanosPerSecond},
         {"cpu_s",
          sample.cpu_nanos < 0 ? -1 : static_cast<double>(sample.cpu_nanos) / kNanosPerSecond},
         {"rss_bytes", sample.rss_bytes},
         {"written_bytes", sample.written_bytes},
         {"commits", sample.commits},
         {"commit_p99_us", MicrosOrNothing(sample.commit_p99_nanos)},
         {"sync_p99_us", MicrosOrNothing(sample.sync_p99_nanos)},
         {"has_compacted", sample.has_compacted}});
  }
  return out;
}

json::array CompanionsArray(const DriveResult& result) {
  json::array out;
  for (const CompanionReport& report : result.companions) {
    json::object object{{"name", report.name},
                        {"error", report.error},
                        {"counters", CountsObject(report.counters)}};
    if (!report.latency_of.empty()) {
      object[report.latency_of] = LatencyObject(report.latency);
    }
    out.push_back(std::move(object));
  }
  for (const auto& [name, load] : result.beside) {
    out.push_back({{"name", name},
                   {"succeeded", load.succeeded},
                   {"errors", CountsObject(load.errors)},
                   {"counters", CountsObject(load.counters)},
                   {"latency", LatencyObject(load.latency)}});
  }
  return out;
}

// Reads fields of an object, remembering the first thing that is not as it must be.
class FieldReader {
 public:
  FieldReader(const json::value* value, std::string path)
      : object_(value == nullptr ? nullptr : value->if_object()), path_(std::move(path)) {
    if (object_ == nullptr) {
      Fail("", "an object");
    }
  }

  const json::value* Find(std::string_view name) {
    const json::value* value = object_ == nullptr ? nullptr : object_->if_contains(View(name));
    if (value == nullptr) {
      Fail(name, "a value");
    }
    return value;
  }

  uint64_t Number(std::string_view name) {
    const json::value* value = Find(name);
    boost::system::error_code error;
    const auto number = value == nullptr ? 0 : value->to_number<uint64_t>(error);
    if (error) {
      Fail(name, "a non-negative whole number");
    }
    return number;
  }

  bool Bool(std::string_view name) {
    const json::value* value = Find(name);
    if (value == nullptr || !value->is_bool()) {
      Fail(name, "true or false");
      return false;
    }
    return value->get_bool();
  }

  const json::array& Array(std::string_view name) {
    static const json::array kEmpty;
    const json::value* value = Find(name);
    if (value == nullptr || !value->is_array()) {
      Fail(name, "an array");
      return kEmpty;
    }
    return value->get_array();
  }

  void Fail(std::string_view name, std::string_view expected) {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(
          fmt::format("not the file of a put run: {}{} is not {}", path_, name, expected));
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  const json::object* object_;
  const std::string path_;
  absl::Status status_;
};

}  // namespace

std::string ToJson(const RunReport& report) {
  const LoadResult& load = report.result.load;
  json::object out;
  out["command"] = report.command;
  out["description"] = report.description;
  out["command_line"] = report.command_line;
  out["endpoints"] = json::array(report.drive.endpoints.begin(), report.drive.endpoints.end());
  out["client"] = report.drive.engine == EngineKind::kGrpc ? "grpc" : "fast";
  out["clients"] = report.drive.clients;
  out["conns"] = report.drive.conns;
  out["total"] = report.drive.total;
  out["rate"] = report.drive.rate;
  out["latency_counts_from"] = report.drive.rate > 0 ? "intended send time" : "send time";
  if (report.shape) {
    out["shape"] = ShapeObject(*report.shape);
  }
  out["stopped_early"] = load.stop_reason;
  out["issued"] = load.issued;
  out["unsent"] = load.unsent;
  out["succeeded"] = load.succeeded;
  out["elapsed_s"] = static_cast<double>(load.elapsed_nanos) / kNanosPerSecond;
  out["requests_per_second"] = report.requests_per_second();
  out["response_bytes"] = load.response_bytes;
  out["errors"] = CountsObject(load.errors);
  out["counters"] = CountsObject(load.counters);
  out["warmup_s"] = static_cast<double>(load.warmup_nanos) / kNanosPerSecond;
  out["client_cores"] = report.result.client_cores();
  const std::vector<std::string> warnings = GeneratorWarnings(report.drive, report.result);
  out["warnings"] = json::array(warnings.begin(), warnings.end());
  const double requests = static_cast<double>(load.issued_measured == 0 ? 1 : load.issued_measured);
  out["client_cpu_us_per_request"] =
      static_cast<double>(report.result.client_cpu_nanos) / kNanosPerMicro / requests;
  if (report.result.server_cpu_nanos >= 0) {
    out["server_cpu_us_per_request"] =
        static_cast<double>(report.result.server_cpu_nanos) / kNanosPerMicro / requests;
  }
  if (!report.result.usage.empty()) {
    out["server_rss_bytes"] = report.result.usage.back().rss_bytes;
  }
  out["server_not_sampled"] = report.result.why_no_usage;
  out["server"] = UsageArray(report.result.usage);
  out["seconds"] = SlotsArray(load.slots);
  json::object parts;
  for (const LoadPart& part : load.parts) {
    if (part.latency.count() > 0) {
      parts[part.name] = LatencyObject(part.latency);
    }
  }
  out["parts"] = std::move(parts);
  out["beside"] = CompanionsArray(report.result);
  out["lateness"] = LatencyObject(load.lateness);
  out["latency"] = LatencyObject(load.latency);
  out["service_time"] = LatencyObject(load.service_time);
  if (report.verified) {
    out["verified"] = {{"revision", report.verified->revision},
                       {"keys", report.verified->keys},
                       {"right", report.verified->right},
                       {"missing", report.verified->missing},
                       {"wrong", report.verified->wrong},
                       {"uncertain", report.verified->uncertain},
                       {"examples", json::array(report.verified->examples.begin(),
                                                report.verified->examples.end())}};
  }
  out["failed_requests"] = json::array(load.failed.begin(), load.failed.end());
  out["failed_requests_complete"] = load.has_all_failed;
  return json::serialize(out) + "\n";
}

absl::StatusOr<CheckOptions> CheckOptionsFromJson(std::string_view text) {
  boost::system::error_code error;
  const json::value root = json::parse(View(text), error);
  if (error) {
    return absl::InvalidArgumentError("not the file of a put run: " + error.message());
  }
  FieldReader run(&root, "");
  CheckOptions options;
  options.issued = run.Number("issued");
  options.has_all_failed = run.Bool("failed_requests_complete");
  for (const json::value& item : run.Array("failed_requests")) {
    boost::system::error_code item_error;
    options.failed.push_back(item.to_number<uint64_t>(item_error));
    if (item_error) {
      run.Fail("failed_requests", "a list of request numbers");
    }
  }
  const json::array& endpoints = run.Array("endpoints");
  if (endpoints.empty() || !endpoints[0].is_string()) {
    run.Fail("endpoints", "a list of endpoints");
  } else {
    options.endpoint = std::string(endpoints[0].get_string().c_str());
  }
  FieldReader shape(run.Find("shape"), "shape.");
  options.shape.seed = shape.Number("seed");
  options.shape.total = shape.Number("total");
  options.shape.key_size = shape.Number("key_size");
  options.shape.val_size = shape.Number("val_size");
  options.shape.key_space_size = shape.Number("key_space_size");
  options.shape.sequential_keys = shape.Bool("sequential_keys");
  RETURN_IF_ERROR(run.status());
  RETURN_IF_ERROR(shape.status());
  if (options.issued > options.shape.total) {
    return absl::InvalidArgumentError("not the file of a put run: issued is out of bounds");
  }
  RETURN_IF_ERROR(options.shape.Validate());
  return options;
}

absl::Status WriteTextFile(const std::string& path, std::string_view text) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   Env::Posix()->Open(path, OpenMode::kReadWriteCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  return file->WriteAt(0, text);
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, Env::Posix()->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > kFileBytesMax) {
    return absl::InvalidArgumentError(fmt::format("{}: larger than {} bytes", path, kFileBytesMax));
  }
  std::string text(size, '\0');
  RETURN_IF_ERROR(file->ReadAt(0, std::span<char>(text)));
  return text;
}

}  // namespace socle::bench
