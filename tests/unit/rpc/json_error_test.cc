#include "rpc/json_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/status.h"
#include "fetchd/v1/batch_service.pb.h"
#include "fetchd/v1/fetch_service.pb.h"
#include "google/rpc/code.pb.h"
#include "rpc/event_text.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::string FieldOf(const HttpReply& reply, const std::string& name) {
  for (const HttpField& field : reply.fields) {
    if (field.name == name) return field.value;
  }
  return "";
}

TEST(JsonErrorTest, EveryCodeHasItsStatusOfHttp) {
  const int expected[] = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                          400, 409, 400, 501, 500, 503, 500, 401};
  for (int code = 0; code < static_cast<int>(std::size(expected)); ++code) {
    EXPECT_EQ(HttpStatusOf(static_cast<grpc::StatusCode>(code)), expected[code]) << code;
  }
}

TEST(JsonErrorTest, AnErrorIsWholeWithItsDetails) {
  const HttpReply reply = ErrorReply(ToProtoStatus(InvalidField("spec.urls[0]", "is \"empty\"")));

  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(reply.body,
            R"({"error":{"code":400,"status":"INVALID_ARGUMENT",)"
            R"("message":"spec.urls[0]: is \"empty\"",)"
            R"("details":[{"@type":"type.googleapis.com/google.rpc.BadRequest",)"
            R"("fieldViolations":[{"field":"spec.urls[0]","description":"is \"empty\""}]}]}})");
}

TEST(JsonErrorTest, WhenToComeBackIsInWholeSecondsUpwards) {
  const auto after = [](std::chrono::milliseconds delay) {
    const absl::Status status = WithRetryAfter(absl::ResourceExhaustedError("later"), delay);
    return FieldOf(ErrorReply(ToProtoStatus(status)), "Retry-After");
  };

  EXPECT_EQ(after(1ms), "1");
  EXPECT_EQ(after(2s), "2");
  EXPECT_EQ(after(2001ms), "3");
  EXPECT_EQ(FieldOf(ErrorReply(ToProtoStatus(absl::NotFoundError("no"))), "Retry-After"), "");
}

TEST(JsonErrorTest, WhoIsUnknownIsToldHowToSayWhoHeIs) {
  const HttpReply reply = ErrorReply(ToProtoStatus(absl::UnauthenticatedError("who?")));

  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(FieldOf(reply, "WWW-Authenticate"), "Bearer");
}

TEST(JsonErrorTest, AStatusOfGrpcBringsItsDetailsOrItsMessage) {
  const absl::Status status = WithReason(absl::AbortedError("again"), {"WHY", {{"a", "b"}}});

  EXPECT_EQ(ToProtoStatus(ToGrpcStatus(status)).details_size(), 1);
  const google::rpc::Status bare =
      ToProtoStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone", "no status"));
  EXPECT_EQ(bare.code(), google::rpc::UNAVAILABLE);
  EXPECT_EQ(bare.message(), "gone");
}

TEST(JsonErrorTest, ADetailOfAnUnknownTypeIsLeftOut) {
  google::rpc::Status status = ToProtoStatus(absl::AbortedError("again"));
  google::protobuf::Any& unknown = *status.add_details();
  unknown.set_type_url("type.example.org/unknown.Type");
  unknown.set_value("x");

  EXPECT_EQ(ErrorJson(409, status),
            R"({"error":{"code":409,"status":"ABORTED","message":"again"}})");
}

TEST(EventTextTest, AnEventIsWhatTheMessageHoldsWithItsTokenAsId) {
  v1::WatchJobsResponse message;
  message.set_name("jobs/a");
  message.set_resume_token("t1");
  message.mutable_deleted();

  EXPECT_EQ(EventOf(message).value(),
            "event: deleted\nid: t1\n"
            "data: {\"name\":\"jobs/a\",\"resumeToken\":\"t1\",\"deleted\":{}}\n\n");
}

TEST(EventTextTest, ProgressHasNoIdSoThatTheLastOneStays) {
  v1::WatchJobsResponse message;
  message.mutable_progress()->set_received_bytes(7);

  EXPECT_EQ(EventOf(message).value(),
            "event: progress\ndata: {\"progress\":{\"receivedBytes\":\"7\"}}\n\n");
}

TEST(EventTextTest, AMessageWithoutChoicesIsAMessage) {
  v1::WatchBatchesResponse message;
  message.mutable_batch()->set_display_name("two\nlines\r\nevent: forged");

  const std::string event = EventOf(message).value();

  EXPECT_THAT(event, HasSubstr("event: message\ndata: "));
  EXPECT_EQ(std::count(event.begin(), event.end(), '\n'), 3) << event;
  EXPECT_EQ(std::count(event.begin(), event.end(), '\r'), 0) << event;
}

TEST(EventTextTest, TheLastOneSaysHowItEnded) {
  EXPECT_EQ(EndEvent(ToProtoStatus(absl::OkStatus())), "event: end\ndata: {}\n\n");
  EXPECT_EQ(EndEvent(ToProtoStatus(absl::OutOfRangeError("too old"))),
            "event: failure\ndata: {\"error\":{\"code\":400,\"status\":\"OUT_OF_RANGE\","
            "\"message\":\"too old\"}}\n\n");
}

}  // namespace
}  // namespace fetchd::rpc
