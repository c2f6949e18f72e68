// Messages to JSON and back; the library's own mapping, which differs in known ways, is the oracle for what both do.
#include <string>
#include <vector>

#include "etcd/rpc.pb.h"
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/testing/seed.h"
#include "server/gateway/json_reader.h"
#include "server/gateway/json_scanner.h"
#include "server/gateway/json_text.h"
#include "server/gateway/json_writer.h"

namespace socle::server::gateway {
namespace {

namespace pb = etcdserverpb;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;
using ::google::protobuf::util::MessageDifferencer;

std::string JsonOf(const Message& message) {
  std::string json;
  AppendJson(message, &json);
  return json;
}

TEST(JsonWriter, WritesAsEtcdDoes) {
  pb::RangeResponse range;
  range.mutable_header()->set_cluster_id(18'446'744'073'709'551'615U);
  mvccpb::KeyValue* const kv = range.add_kvs();
  kv->set_key("a");
  kv->set_mod_revision(-1);
  kv->set_value("\xff");
  range.set_more(true);
  EXPECT_EQ(JsonOf(range),
            R"({"header":{"cluster_id":"18446744073709551615"},"kvs":[{"key":"YQ==",)"
            R"("mod_revision":"-1","value":"/w=="}],"more":true})");
  pb::WatchResponse watch;
  watch.add_events()->set_type(mvccpb::Event::DELETE);
  watch.add_events();
  EXPECT_EQ(JsonOf(watch), R"({"events":[{"type":"DELETE"},{}]})");
  pb::TxnResponse txn;
  txn.add_responses()->mutable_response_txn();
  EXPECT_EQ(JsonOf(txn), R"({"responses":[{"response_txn":{}}]})");
  pb::Compare compare;
  compare.set_version(0);
  EXPECT_EQ(JsonOf(compare), R"({"version":"0"})");
  pb::HashResponse hash;
  hash.set_hash(4'294'967'295U);
  EXPECT_EQ(JsonOf(hash), R"({"hash":4294967295})");
  pb::AuthUserListResponse users;
  users.add_users("<a>&\"\\/\n\x01\x7f\xe2\x80\xa8\xc3\xa9\xff");
  EXPECT_EQ(
      JsonOf(users),
      "{\"users\":[\"\\u003ca\\u003e\\u0026\\\"\\\\/\\n\\u0001\x7f\\u2028\xc3\xa9\\ufffd\"]}");
}

TEST(JsonReader, SaysWhatIsWrongAsEtcdDoes) {
  struct Case {
    const char* json;
    const char* error;
  };

  constexpr Case kCases[] = {
      {"[]", "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
      {"5", "json: cannot unmarshal number into Go value of type map[string]json.RawMessage"},
      {R"({"key":5})", "json: cannot unmarshal number into Go value of type []uint8"},
      {R"({"key":[256]})", "json: cannot unmarshal number 256 into Go value of type uint8"},
      {R"({"key":"YQ"})", "illegal base64 data at input byte 0"},
      {R"({"key":"YQ="})", "illegal base64 data at input byte 3"},
      {R"({"key":"YQ==YQ=="})", "illegal base64 data at input byte 4"},
      {R"({"limit":1.5})", "json: cannot unmarshal number 1.5 into Go value of type int64"},
      {R"({"limit":"x"})", "invalid character 'x' looking for beginning of value"},
      {R"({"limit":{}})", "json: cannot unmarshal object into Go value of type int64"},
      {R"({"serializable":"true"})", "json: cannot unmarshal string into Go value of type bool"},
      {R"({"sort_order":"X"})", "unknown value \"X\" for enum etcdserverpb.RangeRequest_SortOrder"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.json);
    pb::RangeRequest request;
    const absl::Status read = ReadJson(c.json, &request);
    EXPECT_EQ(read.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(MessageOf(read), c.error);
  }
}

TEST(JsonReader, TakesWhatJsonpbTakes) {
  pb::RangeRequest wanted;
  wanted.set_key("a");
  wanted.set_range_end("b");
  wanted.set_limit(7);
  wanted.set_sort_order(pb::RangeRequest::DESCEND);
  wanted.set_keys_only(true);
  for (
      const char* const json : {
          R"({"key":"YQ==","range_end":"Yg==","limit":7,"sort_order":"DESCEND","keys_only":true})",
          R"({"key":"YQ==","rangeEnd":"Yg==","limit":"7","sortOrder":2,"keysOnly":true})",
          R"( { "key" : [97] , "rangeEnd":"Y\u0067=\n=","limit":" 7 ","sort_order":2,"keys_only":true,"revision":null})",
          R"({"x":{"key":[{}]},"key":"Yg==","key":"YQ==","range_end":"Yg==","limit":7,"sort_order":"DESCEND","keys_only":true,"":0})",
      }) {
    SCOPED_TRACE(json);
    pb::RangeRequest request;
    EXPECT_TRUE(ReadJson(json, &request).ok());
    EXPECT_TRUE(MessageDifferencer::Equals(request, wanted)) << request.ShortDebugString();
  }
  pb::AuthUserAddRequest user;
  EXPECT_TRUE(ReadJson("{\"name\":\"\\ud800x\\ud83d\\ude00\xff\"}", &user).ok());
  EXPECT_EQ(user.name(), "\xef\xbf\xbdx\xf0\x9f\x98\x80\xef\xbf\xbd");
}

TEST(JsonReader, GoesAHundredMessagesDeep) {
  const auto nested = [](int messages) {
    std::string json = "{}";
    for (int i = 0; i < messages; i += 2) {
      json.insert(0, R"({"success":[{"request_txn":)");
      json += "}]}";
    }
    pb::TxnRequest txn;
    return ReadJson(json, &txn);
  };
  EXPECT_TRUE(nested(98).ok());
  EXPECT_EQ(nested(100).code(), absl::StatusCode::kInvalidArgument);
}

// A value in about half of the fields, strings of plain letters.
void Fill(Random* random, int depth, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message->GetDescriptor()->field(i);
    if (random->Below(2) == 0) {
      continue;
    }
    const auto number = static_cast<int64_t>(random->Next());
    const std::string text(random->Below(8), static_cast<char>('a' + random->Below(26)));
    const bool adds = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (depth < 4) {
          Fill(random, depth + 1,
               adds ? reflection.AddMessage(message, field)
                    : reflection.MutableMessage(message, field));
        }
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        adds ? reflection.AddInt64(message, field, number)
             : reflection.SetInt64(message, field, number);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection.SetUInt64(message, field, static_cast<uint64_t>(number));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        reflection.SetUInt32(message, field, static_cast<uint32_t>(number));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(message, field, number % 2 == 0);
        break;
      case FieldDescriptor::CPPTYPE_ENUM: {
        const int value = static_cast<int>(random->Below(4));
        adds ? reflection.AddEnumValue(message, field, value)
             : reflection.SetEnumValue(message, field, value);
        break;
      }
      case FieldDescriptor::CPPTYPE_STRING:
        adds ? reflection.AddString(message, field, text)
             : reflection.SetString(message, field, text);
        break;
      default:
        FAIL() << field->full_name();
    }
  }
}

TEST(JsonMessages, AgreeWithTheLibraryOnOrdinaryMessagesAndComeBack) {
  const uint64_t seed = TestSeed();
  Random random(seed);
  SCOPED_TRACE(seed);
  google::protobuf::util::JsonPrintOptions print;
  print.preserve_proto_field_names = true;
  for (int round = 0; round < 100; ++round) {
    pb::TxnRequest txn;
    pb::TxnResponse answer;
    pb::WatchRequest watch;
    pb::WatchResponse events;
    pb::LeaseTimeToLiveResponse lease;
    pb::StatusResponse status;
    for (Message* const message :
         std::vector<Message*>{&txn, &answer, &watch, &events, &lease, &status}) {
      Fill(&random, 0, message);
      std::string theirs;
      ASSERT_TRUE(google::protobuf::util::MessageToJsonString(*message, &theirs, print).ok());
      const std::string ours = JsonOf(*message);
      EXPECT_EQ(ours, theirs);
      JsonScanner scanner;
      size_t at = 0;
      EXPECT_EQ(scanner.Scan(ours, &at), JsonScanner::Found::kValue);
      EXPECT_EQ(at, ours.size());
      std::unique_ptr<Message> back(message->New());
      EXPECT_TRUE(ReadJson(ours, back.get()).ok()) << ours;
      EXPECT_TRUE(MessageDifferencer::Equals(*message, *back)) << ours;
    }
  }
}

}  // namespace
}  // namespace socle::server::gateway
