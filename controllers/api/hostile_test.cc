// Hostile input: nothing that comes over the network may end the program.
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "controllers/api/defaulting.h"
#include "controllers/api/int_or_string.h"
#include "controllers/api/json_patch.h"
#include "controllers/api/kind_registry.h"
#include "controllers/api/label_selector.h"
#include "controllers/api/quantity.h"
#include "controllers/api/strategic_merge.h"
#include "controllers/api/timestamp.h"
#include "controllers/api/validation.h"
#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::api {
namespace {

constexpr int kRounds = 3000;

// Member names and texts that rules look for, so that random documents reach them.
std::vector<std::string> Words() {
  std::vector<std::string> words = {"",
                                    "a",
                                    "A b",
                                    "1",
                                    "-1",
                                    "50%",
                                    "1Gi",
                                    "Never",
                                    "name",
                                    "key",
                                    "In",
                                    "Exists",
                                    "$patch",
                                    "replace",
                                    "delete",
                                    "/spec",
                                    "op",
                                    "path",
                                    "value",
                                    "add",
                                    "Parallel",
                                    "OnDelete",
                                    "$retainKeys",
                                    "$setElementOrder/containers",
                                    "$deleteFromPrimitiveList/finalizers",
                                    "2026-01-01T00:00:00Z"};
  const auto collect = [&words](const Schema& schema, auto&& self) -> void {
    for (const Property& member : schema.members) {
      words.emplace_back(member.name);
      self(*member.schema, self);
    }
    if (schema.items != nullptr) {
      self(*schema.items, self);
    }
  };
  for (const Kind& kind : KindRegistry::Builtin().kinds()) {
    if (kind.kind == "Pod" || kind.kind == "SidecarSet" || kind.kind == "InplaceSet") {
      collect(kind.schema, collect);
    }
  }
  return words;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed), words_(Words()) {}

  // A document that follows the schema mostly, and breaks it now and then.
  Json Like(const Schema& schema, int depth) {
    if (depth <= 0 || random_.OneIn(12)) {
      return Any(2);
    }
    if (schema.type == Type::kObject) {
      JsonObject object;
      for (const Property& member : schema.members) {
        if (member.schema->is_required ? !random_.OneIn(10) : random_.OneIn(5)) {
          Set(&object, member.name, Like(*member.schema, depth - 1));
        }
      }
      return object;
    }
    if (schema.type == Type::kList) {
      JsonArray list;
      for (uint64_t i = random_.Below(4); i > 0; --i) {
        list.push_back(Like(*schema.items, depth - 1));
      }
      return list;
    }
    if (schema.type == Type::kMap) {
      JsonObject object;
      for (uint64_t i = random_.Below(3); i > 0; --i) {
        Set(&object, Word(), Like(*schema.items, depth - 1));
      }
      return object;
    }
    return Any(1);
  }

  Json Any(int depth) {
    switch (random_.Below(depth > 0 ? 9 : 7)) {
      case 0:
        return nullptr;
      case 1:
        return random_.OneIn(2);
      case 2:
        return static_cast<int64_t>(random_.Below(5)) - 2;
      case 3:
        return static_cast<int64_t>(random_.Next());
      case 4:
        return random_.Fraction() * 1e300;
      case 5:
      case 6:
        return Json(JsonView(Word()));
      case 7: {
        JsonObject object;
        for (uint64_t i = random_.Below(4); i > 0; --i) {
          Set(&object, Word(), Any(depth - 1));
        }
        return object;
      }
      default: {
        JsonArray list;
        for (uint64_t i = random_.Below(4); i > 0; --i) {
          list.push_back(Any(depth - 1));
        }
        return list;
      }
    }
  }

  std::string Bytes() {
    constexpr std::string_view kLikely = "{}[]\",:0123456789.eE+-truefalsnl \\u=!()<>%/~";
    std::string bytes;
    for (uint64_t i = random_.Below(60); i > 0; --i) {
      bytes.push_back(random_.OneIn(8) ? static_cast<char>(random_.Next())
                                       : kLikely[random_.Below(kLikely.size())]);
    }
    return bytes;
  }

  const std::string& Word() { return words_[random_.Below(words_.size())]; }

 private:
  Random random_;
  std::vector<std::string> words_;
};

TEST(Hostile, RandomBytesAreRefusedOrParsed) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Generator generator(seed);
  for (int i = 0; i < 10 * kRounds; ++i) {
    const std::string bytes = generator.Bytes();
    if (absl::StatusOr<Json> parsed = ParseJson(bytes); parsed.ok()) {
      DuplicateFields(bytes);
      EXPECT_TRUE(ParseJson(Dump(*parsed)).ok());
    } else {
      DuplicateFields(bytes);
    }
    LabelSelector::Parse(bytes).IgnoreError();
    FieldSelector::Parse(bytes, {}).IgnoreError();
    Quantity::Parse(bytes).IgnoreError();
    ParseTime(bytes);
    PercentOf(bytes);
    for (int format = 0; format <= static_cast<int>(Format::kKruiseName); ++format) {
      FormatProblems(static_cast<Format>(format), bytes);
    }
  }
}

TEST(Hostile, AnyDocumentIsDefaultedValidatedAndPrintedAsAnyKind) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Generator generator(seed);
  int refused = 0;
  for (int i = 0; i < kRounds / 10; ++i) {
    for (const ServedKind& served : KindRegistry::Builtin().served()) {
      const Json before = generator.Like(served.schema, 12);
      Json object = generator.Like(served.schema, 12);
      ValidateCreate(served, object);
      DefaultObject(served, &object);
      const Json once = object;
      DefaultObject(served, &object);
      EXPECT_EQ(once, object) << Dump(once);
      refused += ValidateCreate(served, object).empty() ? 0 : 1;
      ValidateUpdate(served, object, before);
      UnknownFields(served.schema, object);
      EXPECT_EQ(RowCells(*served.kind, object, 0).size(), served.kind->columns.size());
      ToServed(served, &object);
      ToStored(served, &before, &object);
      for (const SelectableField& field : served.kind->fields) {
        FieldText(field, object);
      }
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Hostile, AnyPatchIsAppliedOrRefused) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Generator generator(seed);
  for (int i = 0; i < kRounds / 10; ++i) {
    for (const ServedKind& served : KindRegistry::Builtin().served()) {
      const Json document = generator.Like(served.schema, 12);
      const Json patch = i % 2 == 0 ? generator.Like(served.schema, 12) : generator.Any(6);
      Json patched = document;
      ApplyStrategicMerge(served.schema, patch, &patched).IgnoreError();
      patched = document;
      ApplyMergePatch(patch, &patched);
      const Json before = patched;
      const Json operation = JsonObject{{"op", JsonView(generator.Word())},
                                        {"path", "/" + generator.Word()},
                                        {"from", "/" + generator.Word()},
                                        {"value", patch}};
      if (!ApplyJsonPatch(JsonArray{operation, patch}, &patched).ok()) {
        EXPECT_EQ(patched, before);
      }
      LabelSelector::FromJson(&patch).IgnoreError();
      ScaledValue(patch, 10, Rounding::kUp).IgnoreError();
    }
  }
}

}  // namespace
}  // namespace socle::api
