#include "rpc/json_request.h"

#include <gmock/gmock.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/utf8.h"
#include "fetchd/v1/fetch_service.pb.h"

namespace fetchd::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class JsonRequestTest : public ::testing::Test {
 protected:
  static absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Read(
      const std::string& verb, const std::string& path, const std::string& query,
      const std::string& body, const std::string& resume_token = "") {
    const JsonMatch match = MatchJsonRoute(verb, path);
    EXPECT_NE(match.route, nullptr) << path;
    return ReadJsonRequest(*match.route, {match.name, query, resume_token}, body);
  }
  /// The whole message as text.
  static std::string Text(const std::string& verb, const std::string& path,
                          const std::string& query, const std::string& body) {
    const auto message = Read(verb, path, query, body);
    EXPECT_TRUE(message.ok()) << message.status();
    return message.ok() ? (*message)->ShortDebugString() : "";
  }
  static std::string Error(const std::string& verb, const std::string& path,
                           const std::string& query, const std::string& body) {
    const auto message = Read(verb, path, query, body);
    EXPECT_TRUE(absl::IsInvalidArgument(message.status())) << query << body;
    const auto reason = GetReason(message.status());
    EXPECT_TRUE(reason && reason->reason == "JSON_INVALID");
    return MessageOf(message.status());
  }
};

TEST_F(JsonRequestTest, ABodyIsTheRequestByEitherNameOfItsFields) {
  const std::string expected =
      R"(job { spec { urls: "https://a/b" } destination: "discard:" priority: 5 } request_id: "r")";

  EXPECT_EQ(Text("POST", "/v1/jobs", "",
                 R"({"job": {"spec": {"urls": ["https://a/b"]}, "destination": "discard:",
                     "priority": 5}, "requestId": "r"})"),
            expected);
  EXPECT_EQ(Text("POST", "/v1/jobs", "",
                 R"({"request_id": "r", "job": {"priority": "5", "destination": "discard:",
                     "spec": {"urls": ["https://a/b"]}}})"),
            expected);
}

TEST_F(JsonRequestTest, ThePathNamesTheResourceAndTheBodyNeedNot) {
  EXPECT_EQ(Text("POST", "/v1/jobs/a:cancel", "", ""), R"(name: "jobs/a")");
  EXPECT_EQ(Text("POST", "/v1/jobs/a:cancel", "", "{}"), R"(name: "jobs/a")");
  EXPECT_EQ(Text("POST", "/v1/jobs/a:cancel", "", R"({"name": "jobs/a"})"), R"(name: "jobs/a")");
  EXPECT_THAT(Error("POST", "/v1/jobs/a:cancel", "", R"({"name": "jobs/b"})"),
              HasSubstr("the path names jobs/a"));
  EXPECT_THAT(Error("GET", "/v1/jobs/a", "name=jobs/b", ""), HasSubstr("the path names jobs/a"));
}

TEST_F(JsonRequestTest, AQueryHasTheFieldsOfTheRequest) {
  EXPECT_EQ(Text("GET", "/v1/jobs", "pageSize=20&page_token=t", ""),
            R"(page_size: 20 page_token: "t")");
  EXPECT_EQ(Text("GET", "/v1/jobs", "filter.states=RUNNING&filter.states=FAILED", ""),
            "filter { states: RUNNING states: FAILED }");
  EXPECT_EQ(Text("GET", "/v1/jobs", "filter.labels.team=x&filter.origin=https://a", ""),
            R"(filter { labels { key: "team" value: "x" } origin: "https://a" })");
  EXPECT_EQ(Text("GET", "/v1/jobs", "filter.labels.a.b=x", ""),
            R"(filter { labels { key: "a.b" value: "x" } })");
  EXPECT_EQ(Text("GET", "/v1/jobs", "filter.createdAfter=2026-01-02T03:04:05Z", ""),
            "filter { created_after { seconds: 1767323045 } }");
  EXPECT_EQ(Text("GET", "/v1/jobs:watch", "noProgress=true&progressInterval=0.5s", ""),
            "progress_interval { nanos: 500000000 } no_progress: true");
  EXPECT_EQ(Text("GET", "/v1/jobs/a", "view=JOB_VIEW_FULL", ""),
            R"(name: "jobs/a" view: JOB_VIEW_FULL)");
}

TEST_F(JsonRequestTest, AParameterThatCannotBeReadIsNamed) {
  for (const std::string query :
       {"pagesize=1", "filter=x", "filter.nothing=1", "pageSize=1&pageSize=2", "pageSize.x=1",
        "filter.labels=x", "filter.labels.a=1&filter.labels.a=2", "filter.states.x=1",
        "access_token=secret", "=1", "filter.=1"}) {
    EXPECT_THAT(Error("GET", "/v1/jobs", query, ""), HasSubstr("query parameter ")) << query;
  }
  EXPECT_THAT(Error("GET", "/v1/jobs", "access_token=secret", ""), Not(HasSubstr("secret")));
  EXPECT_THAT(Error("GET", "/v1/jobs:watch", "untilDone=yes", ""), HasSubstr("true or false"));
  EXPECT_THAT(Error("GET", "/v1/jobs", "pageSize=many", ""), HasSubstr("many"));
  EXPECT_THAT(Error("GET", "/v1/jobs", "filter.states=NONE", ""), HasSubstr("NONE"));
  EXPECT_THAT(Error("GET", "/v1/jobs", "pageToken=%ff", ""), HasSubstr("percent-encoded"));
}

TEST_F(JsonRequestTest, ABodyThatCannotBeReadIsRefused) {
  for (const std::string body :
       {"{", "[]", "1", "nonsense", R"({"jobs": {}})", R"({"job": {"priority": "high"}})",
        R"({"job": {"spec": {"urls": [{}]}}})", R"({"job": {}} {})"}) {
    EXPECT_THAT(Error("POST", "/v1/jobs", "", body), HasSubstr("CreateJobRequest: ")) << body;
  }
  const std::string no_utf8 = Error("POST", "/v1/jobs", "", "{\"\xff\": 1}");
  EXPECT_EQ(ToUtf8(no_utf8), no_utf8) << "the answer is JSON";
  EXPECT_THAT(Error("POST", "/v1/jobs", "", std::string(100'000, '[')),
              HasSubstr("CreateJobRequest: "));
}

TEST_F(JsonRequestTest, BodiesAreOfPostsAndQueriesAreNot) {
  EXPECT_THAT(Error("POST", "/v1/jobs", "requestId=r", "{}"), HasSubstr("takes no query"));
  EXPECT_THAT(Error("GET", "/v1/jobs", "", "{}"), HasSubstr("takes no body"));
  EXPECT_THAT(Error("DELETE", "/v1/jobs/a", "", "{}"), HasSubstr("takes no body"));
}

TEST_F(JsonRequestTest, AResumeTokenGoesBeforeThatOfTheQuery) {
  const auto message = Read("GET", "/v1/jobs:watch", "resumeToken=old", "", "new");

  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ((*message)->ShortDebugString(), R"(resume_token: "new")");
  EXPECT_TRUE(absl::IsInvalidArgument(Read("GET", "/v1/batches:watch", "", "", "t").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Read("GET", "/v1/jobs:watch", "", "", "\xff").status()));
}

TEST_F(JsonRequestTest, WhatIsWrittenIsReadAgain) {
  v1::CreateJobRequest request;
  request.mutable_job()->mutable_spec()->add_urls("https://a/\"<b>\"\n\u2028");
  (*request.mutable_job()->mutable_labels())["</script>"] = "\x01";

  const auto text = WriteJson(request);

  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, Not(HasSubstr("\n")));
  const auto again = Read("POST", "/v1/jobs", "", *text);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(request, **again));
}

}  // namespace
}  // namespace fetchd::rpc
