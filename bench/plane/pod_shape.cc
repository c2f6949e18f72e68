#include "bench/plane/pod_shape.h"

#include <fmt/format.h>

namespace socle::bench {
namespace {

// What deployment tools put there; makes the pod as long as pods are.
constexpr std::string_view kAnnotation =
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 team=platform "
    "owner=load@example.org runbook=https://example.org/runbooks/bench ";

std::string Repeated(std::string_view text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    all += text;
  }
  return all;
}

}  // namespace

std::string PodDocument(std::string_view name, std::string_view scheduler) {
  const std::string scheduled_by =
      scheduler.empty() ? "" : fmt::format(R"("schedulerName":"{}",)", scheduler);
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{}","namespace":"{}",)"
      R"("labels":{{"app":"bench","tier":"load","pod":"{}"}},)"
      R"("annotations":{{"bench.example.org/about":"{}"}}}},)"
      R"("spec":{{{}"terminationGracePeriodSeconds":1,"containers":[{{"name":"app",)"
      R"("image":"registry.example.org/bench/app:v1","args":["--listen=:8080","--name={}"],)"
      R"("env":[{{"name":"POD","valueFrom":{{"fieldRef":{{"fieldPath":"metadata.name"}}}}}},)"
      R"({{"name":"MODE","value":"load"}}],"ports":[{{"containerPort":8080,"name":"http"}}],)"
      R"("resources":{{"requests":{{"cpu":"10m","memory":"16Mi"}},"limits":{{"memory":"64Mi"}}}},)"
      R"("readinessProbe":{{"httpGet":{{"path":"/ready","port":8080}}}}}}]}}}})",
      name, kLoadNamespace, name, Repeated(kAnnotation, 3), scheduled_by, name);
}

std::string BindingDocument(std::string_view pod, std::string_view node) {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"Binding","metadata":{{"name":"{}","namespace":"{}"}},)"
      R"("target":{{"apiVersion":"v1","kind":"Node","name":"{}"}}}})",
      pod, kLoadNamespace, node);
}

std::string StatusPatch(uint64_t sequence) {
  return fmt::format(R"({{"status":{{"message":"load {}"}}}})", sequence);
}

std::string MarkPatch(int64_t sent_nanos) {
  return fmt::format(R"({{"metadata":{{"annotations":{{"bench-sent":"{}"}}}}}})", sent_nanos);
}

std::string LeaseDocument(std::string_view name) {
  return fmt::format(
      R"({{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"name":"{}",)"
      R"("namespace":"{}"}},"spec":{{"holderIdentity":"{}","leaseDurationSeconds":40,)"
      R"("renewTime":"2026-01-01T00:00:00.000000Z"}}}})",
      name, kLoadNamespace, name);
}

std::string LeasePatch(uint64_t sequence) {
  return fmt::format(R"({{"spec":{{"renewTime":"2026-01-01T00:{:02}:{:02}.{:06}Z"}}}})",
                     sequence / 60 % 60, sequence % 60, sequence % 1'000'000);
}

std::string PodPath(std::string_view pod) {
  return fmt::format("/api/v1/namespaces/{}/pods/{}", kLoadNamespace, pod);
}

}  // namespace socle::bench
