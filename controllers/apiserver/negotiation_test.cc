#include "controllers/apiserver/negotiation.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "controllers/registry/errors.h"

namespace socle::apiserver {
namespace {

using Shape = Form::Shape;
using Include = Form::Include;

TEST(Negotiation, TakesTheFirstFormItCanServe) {
  struct Row {
    std::string accept;
    std::string include;
    Form form;
  };

  const std::vector<Row> rows = {
      {"", "", {}},
      {"*/*", "", {}},
      {"application/json", "", {}},
      {"application/json; charset=utf-8", "", {}},
      {"application/json;stream=watch", "", {}},
      {"application/vnd.kubernetes.protobuf, application/json", "", {}},
      {"application/json;q=0, */*;q=0.1", "", {}},
      {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta."
       "k8s.io,application/json",
       "",
       {.shape = Shape::kTable}},
      {"application/json; as=Table ; g=meta.k8s.io ;v=v1beta1",
       "Object",
       {.shape = Shape::kTable, .include = Include::kObject, .is_v1beta1 = true}},
      {"application/json;as=Table;v=v1;g=meta.k8s.io",
       "None",
       {.shape = Shape::kTable, .include = Include::kNone}},
      {"application/json;as=Table;v=v2;g=meta.k8s.io, application/json", "", {}},
      {"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
       "Metadata",
       {.shape = Shape::kMetadata}},
      {"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
       "",
       {.shape = Shape::kMetadata}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.accept);
    const absl::StatusOr<Form> form = NegotiateForm(row.accept, row.include);
    ASSERT_TRUE(form.ok()) << form.status();
    EXPECT_EQ(form->shape, row.form.shape);
    EXPECT_EQ(form->include, row.form.include);
    if (form->shape != Shape::kObject) {
      EXPECT_EQ(form->is_v1beta1, row.form.is_v1beta1);
    }
  }
}

TEST(Negotiation, RefusesWhatItCantServe) {
  for (const std::string_view accept :
       {"application/yaml", "application/vnd.kubernetes.protobuf", "text/html, text/*",
        "application/json;as=Table;v=v9;g=meta.k8s.io",
        "application/json;as=Chair;v=v1;g=meta.k8s.io", "application/json;q=0", ",;,"}) {
    SCOPED_TRACE(accept);
    EXPECT_EQ(registry::ReasonOf(NegotiateForm(accept, "").status()),
              registry::Reason::kNotAcceptable);
  }
  EXPECT_EQ(registry::ReasonOf(NegotiateForm("", "Some").status()), registry::Reason::kBadRequest);
}

TEST(Negotiation, ServesOpenApiInBothForms) {
  EXPECT_EQ(*NegotiateOpenApi(""), OpenApiForm::kJson);
  EXPECT_EQ(*NegotiateOpenApi("application/json, */*"), OpenApiForm::kJson);
  EXPECT_EQ(*NegotiateOpenApi("application/com.github.proto-openapi.spec.v2@v1.0+protobuf"),
            OpenApiForm::kProtobuf);
  EXPECT_FALSE(NegotiateOpenApi("text/plain").ok());
}

TEST(Negotiation, ServesDiscoveryAggregatedToThoseWhoAsk) {
  EXPECT_EQ(*NegotiateDiscovery("application/json"), DiscoveryForm::kPlain);
  EXPECT_EQ(*NegotiateDiscovery("application/json;g=apidiscovery.k8s.io;v=v2;as="
                                "APIGroupDiscoveryList,application/json"),
            DiscoveryForm::kAggregatedV2);
  EXPECT_EQ(*NegotiateDiscovery("application/json;g=apidiscovery.k8s.io;v=v2beta1;as="
                                "APIGroupDiscoveryList"),
            DiscoveryForm::kAggregatedV2beta1);
  EXPECT_EQ(*NegotiateDiscovery("application/json;g=apidiscovery.k8s.io;v=v3;as="
                                "APIGroupDiscoveryList,application/json"),
            DiscoveryForm::kPlain);
}

TEST(Negotiation, CutsParametersOffAMediaType) {
  EXPECT_EQ(MediaType("application/json; charset=utf-8"), "application/json");
  EXPECT_EQ(MediaType(" application/json "), "application/json");
  EXPECT_EQ(MediaType(""), "");
}

}  // namespace
}  // namespace socle::apiserver
