// Parts of objects: status, scale, binding, eviction, and what has no node behind it.
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/apiserver/testing/api_fixture.h"

namespace socle::apiserver {
namespace {

using api::IntAt;
using api::StringAt;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kSets = "/apis/apps.kruise.io/v1beta1/namespaces/default/inplacesets";

std::string SetText(std::string_view name) {
  return fmt::format(
      R"({{"metadata":{{"name":"{}"}},"spec":{{"replicas":3,"serviceName":"s",
          "selector":{{"matchLabels":{{"a":"b"}}}},
          "template":{{"metadata":{{"labels":{{"a":"b"}}}},
                      "spec":{{"containers":[{{"name":"c","image":"i:1"}}]}}}}}}}})",
      name);
}

class SubresourceTest : public ApiFixture {};

TEST_F(SubresourceTest, ScalesThroughTheSubresource) {
  const Answer created = Send("POST", kSets, SetText("s"));
  ASSERT_EQ(created.status, 201) << created.body;
  const Answer scale = Get(At(kSets, "s/scale"));
  ASSERT_EQ(scale.status, 200) << scale.body;
  EXPECT_EQ(StringAt(scale.Parse(), {"kind"}), "Scale");
  EXPECT_EQ(IntAt(scale.Parse(), {"spec", "replicas"}), 3);
  api::Json wanted = scale.Parse();
  api::Set(&api::EnsureObject(&wanted, {"spec"}), "replicas", 5);
  const Answer put = Send("PUT", At(kSets, "s/scale"), api::Dump(wanted));
  EXPECT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(IntAt(put.Parse(), {"spec", "replicas"}), 5);
  const Answer patched = Send("PATCH", At(kSets, "s/scale"), R"({"spec":{"replicas":2}})", kMerge);
  EXPECT_EQ(StringAt(patched.Parse(), {"kind"}), "Scale") << patched.body;
  EXPECT_EQ(IntAt(Get(At(kSets, "s")).Parse(), {"spec", "replicas"}), 2);
  // The same object under the name of OpenKruise.
  EXPECT_EQ(StringAt(Get("/apis/apps.kruise.io/v1alpha1/namespaces/default/statefulsets/s").Parse(),
                     {"kind"}),
            "StatefulSet");
}

TEST_F(SubresourceTest, WritesStatusApart) {
  ASSERT_EQ(Send("POST", kPods, PodText("p")).status, 201);
  const Answer patched = Send("PATCH", At(kPods, "p/status"),
                              R"({"status":{"phase":"Running"},"metadata":{"labels":{"a":"b"}}})",
                              "application/strategic-merge-patch+json");
  EXPECT_EQ(patched.status, 200) << patched.body;
  const api::Json pod = Get(At(kPods, "p")).Parse();
  EXPECT_EQ(StringAt(pod, {"status", "phase"}), "Running");
  Send("PATCH", At(kPods, "p"), R"({"status":{"phase":"Failed"}})", kMerge);
  EXPECT_EQ(StringAt(Get(At(kPods, "p/status")).Parse(), {"status", "phase"}), "Running");
}

TEST_F(SubresourceTest, BindsAndEvictsPods) {
  ASSERT_EQ(Send("POST", kPods, PodText("p")).status, 201);
  ASSERT_EQ(Send("POST", kPods, PodText("q")).status, 201);
  constexpr std::string_view kBinding =
      R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":"n1"}})";
  const Answer bound = Send("POST", At(kPods, "p/binding"), kBinding);
  EXPECT_EQ(bound.status, 201) << bound.body;
  EXPECT_EQ(StringAt(bound.Parse(), {"status"}), "Success");
  EXPECT_EQ(StringAt(Get(At(kPods, "p")).Parse(), {"spec", "nodeName"}), "n1");
  EXPECT_EQ(Send("POST", At(kPods, "p/binding"), kBinding).status, 409);
  const Answer other = Send("POST", "/api/v1/namespaces/default/bindings",
                            R"({"metadata":{"name":"q"},"target":{"kind":"Node","name":"n2"}})");
  EXPECT_EQ(other.status, 201) << other.body;
  EXPECT_THAT(NamesIn(Get(fmt::format("{}?fieldSelector=spec.nodeName%3Dn2", kPods))),
              ElementsAre("q"));
  const Answer evicted =
      Send("POST", At(kPods, "p/eviction"),
           R"({"apiVersion":"policy/v1beta1","kind":"Eviction","metadata":{"name":"p"},
               "deleteOptions":{"gracePeriodSeconds":0}})");
  EXPECT_EQ(evicted.status, 201) << evicted.body;
  EXPECT_EQ(Get(At(kPods, "p")).status, 404);
}

TEST_F(SubresourceTest, ShowsAPodThatGoesGracefully) {
  ASSERT_EQ(Send("POST", kPods, PodText("p")).status, 201);
  ASSERT_EQ(
      Send("POST", At(kPods, "p/binding"), R"({"target":{"kind":"Node","name":"n1"}})").status,
      201);
  const Answer going = Send("DELETE", At(kPods, "p"), R"({"propagationPolicy":"Background"})");
  EXPECT_EQ(going.status, 200);
  EXPECT_EQ(StringAt(going.Parse(), {"kind"}), "Pod");
  EXPECT_NE(StringAt(going.Parse(), {"metadata", "deletionTimestamp"}), "");
  EXPECT_EQ(StringAt(Send("DELETE", At(kPods, "p?gracePeriodSeconds=0")).Parse(), {"status"}),
            "Success");
}

TEST_F(SubresourceTest, HasNoNodesToTalkTo) {
  ASSERT_EQ(Send("POST", kPods, PodText("p")).status, 201);
  const Answer log = Get(At(kPods, "p/log?follow=true"));
  EXPECT_EQ(log.status, 200);
  EXPECT_THAT(log.fields.at("content-type"), HasSubstr("text/plain"));
  EXPECT_EQ(Get(At(kPods, "none/log")).status, 404);
  const Answer exec = Send("POST", At(kPods, "p/exec?command=sh"));
  EXPECT_EQ(exec.status, 501);
  EXPECT_EQ(StringAt(exec.Parse(), {"kind"}), "Status");
}

}  // namespace
}  // namespace socle::apiserver
