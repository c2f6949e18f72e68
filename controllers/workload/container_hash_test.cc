#include "controllers/workload/container_hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::workload {
namespace {

using api::Literal;

TEST(ContainerHash, IsTheSameForTheSameContainerInAnotherOrder) {
  const uint64_t hash = ContainerHash(
      Literal(R"({"name": "a", "image": "i:1", "ports": [{"containerPort": 1}], "tty": null})"));
  EXPECT_EQ(
      hash,
      ContainerHash(Literal(R"({"ports": [{"containerPort": 1}], "image": "i:1", "name": "a"})")));
}

TEST(ContainerHash, ChangesWithEveryKindOfValue) {
  const api::Json base = Literal(R"({"name": "a", "image": "i:1", "tty": false, "args": ["x", "y"],
      "resources": {"limits": {"cpu": "1"}}, "n": 1})");

  struct Case {
    const char* name;
    const char* other;
  };

  const Case cases[] = {
      {"image", R"({"name": "a", "image": "i:2", "tty": false, "args": ["x", "y"],
         "resources": {"limits": {"cpu": "1"}}, "n": 1})"},
      {"bool", R"({"name": "a", "image": "i:1", "tty": true, "args": ["x", "y"],
         "resources": {"limits": {"cpu": "1"}}, "n": 1})"},
      {"order of a list", R"({"name": "a", "image": "i:1", "tty": false, "args": ["y", "x"],
         "resources": {"limits": {"cpu": "1"}}, "n": 1})"},
      {"deep", R"({"name": "a", "image": "i:1", "tty": false, "args": ["x", "y"],
         "resources": {"limits": {"cpu": "2"}}, "n": 1})"},
      {"text for a number", R"({"name": "a", "image": "i:1", "tty": false, "args": ["x", "y"],
         "resources": {"limits": {"cpu": "1"}}, "n": "1"})"},
      {"values swapped between members", R"({"name": "i:1", "image": "a", "tty": false,
         "args": ["x", "y"], "resources": {"limits": {"cpu": "1"}}, "n": 1})"},
      {"one member less", R"({"name": "a", "image": "i:1", "tty": false, "args": ["x", "y"],
         "resources": {"limits": {"cpu": "1"}}})"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_NE(ContainerHash(base), ContainerHash(Literal(c.other)));
  }
}

TEST(EnvFromMetadataHash, FollowsLabelsAndAnnotationsThatVariablesRead) {
  const api::Json container = Literal(R"({"env": [
      {"name": "PLAIN", "value": "1"},
      {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app/l']"}}},
      {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['a']"}}},
      {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]})");
  const api::Json before =
      Literal(R"({"name": "p", "labels": {"app/l": "1"}, "annotations": {"a": "1", "b": "1"}})");
  const uint64_t hash = EnvFromMetadataHash(container, before);
  EXPECT_NE(hash, 0U);
  EXPECT_EQ(hash, EnvFromMetadataHash(container, Literal(R"({"name": "q", "labels":
      {"app/l": "1", "other": "x"}, "annotations": {"a": "1", "b": "2"}})")));
  EXPECT_NE(hash, EnvFromMetadataHash(container, Literal(R"({"labels": {"app/l": "2"},
      "annotations": {"a": "1"}})")));
  EXPECT_NE(hash, EnvFromMetadataHash(container, Literal(R"({"labels": {"app/l": "1"},
      "annotations": {"a": "2"}})")));
  EXPECT_EQ(EnvFromMetadataHash(Literal(R"({"env": [{"name": "PLAIN", "value": "1"}]})"), before),
            0U);
}

TEST(EnvFromMetadataHash, DoesNotFollowVersionsOfHotUpgrades) {
  const api::Json container = api::Literal(R"({"env": [{"name": "SIDECARSET_VERSION_ALT",
      "valueFrom": {"fieldRef": {
        "fieldPath": "metadata.annotations['versionalt.sidecarset.kruise.io/a-1']"}}}]})");
  const api::Json before =
      api::Literal(R"({"annotations": {"versionalt.sidecarset.kruise.io/a-1": "0"}})");
  const api::Json after =
      api::Literal(R"({"annotations": {"versionalt.sidecarset.kruise.io/a-1": "7"}})");
  EXPECT_EQ(EnvFromMetadataHash(container, before), EnvFromMetadataHash(container, after));
}

TEST(RuntimeContainers, SurviveTheAnnotationAndItsText) {
  const std::vector<RuntimeContainer> containers = {{.name = "a",
                                                     .container_id = "hollow://1",
                                                     .restart_count = 3,
                                                     .plain_hash = 0xFFFF'FFFF'FFFF'FFF0,
                                                     .env_hash = 7},
                                                    {.name = "b", .container_id = "hollow://2"}};
  EXPECT_EQ(ParseRuntimeContainers(EncodeRuntimeContainers(containers)), containers);
  EXPECT_THAT(ParseRuntimeContainers("{"), testing::IsEmpty());
  EXPECT_THAT(ParseRuntimeContainers(R"({"containers": 1})"), testing::IsEmpty());
}

}  // namespace
}  // namespace socle::workload
