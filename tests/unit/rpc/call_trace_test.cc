#include "rpc/call_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace fetchd::rpc {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kParent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(ReadTraceTest, TakesWhatTheCallerSays) {
  const TraceContext trace = ReadTrace({{"traceparent", kParent},
                                        {"tracestate", "a=1"},
                                        {"tracestate", "b=2"},
                                        {"x-request-id", "call-7"}});

  EXPECT_EQ(trace, (TraceContext{.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
                                 .parent_id = "00f067aa0ba902b7",
                                 .sampled = true,
                                 .state = "a=1,b=2",
                                 .request_id = "call-7"}));
}

TEST(ReadTraceTest, WithoutAnyATraceBeginsHere) {
  const TraceContext trace = ReadTrace({});

  EXPECT_EQ(trace.trace_id.size(), 32u);
  EXPECT_THAT(trace.parent_id, IsEmpty());
  EXPECT_FALSE(trace.sampled);
  EXPECT_TRUE(IsRequestId(trace.request_id));
  EXPECT_NE(ReadTrace({}).trace_id, trace.trace_id);
  EXPECT_NE(ReadTrace({}).request_id, trace.request_id);
}

TEST(ReadTraceTest, WhatIsInNoFormIsNeitherTakenNorKept) {
  const CallMetadata hostile[] = {
      {{"traceparent", "00-CANARY\n"}, {"tracestate", "a=1"}, {"x-request-id", "CANARY x"}},
      {{"traceparent", kParent}, {"traceparent", kParent}, {"tracestate", "a=1"}},
      {{"tracestate", "a=CANARY"}, {"x-request-id", std::string(200, 'x').c_str()}},
      {{"x-request-id", "CANARY-1"}, {"x-request-id", "CANARY-2"}}};
  for (const CallMetadata& metadata : hostile) {
    const TraceContext trace = ReadTrace(metadata);

    EXPECT_THAT(trace.parent_id, IsEmpty());
    EXPECT_THAT(trace.state, IsEmpty());
    EXPECT_EQ(trace.trace_id.size(), 32u);
    EXPECT_EQ(trace.request_id.size(), 32u);
    EXPECT_THAT(trace.trace_id + trace.request_id, Not(::testing::HasSubstr("CANARY")));
  }
}

TEST(ReadTraceTest, AWrongStateLeavesTheTrace) {
  const TraceContext trace = ReadTrace({{"traceparent", kParent}, {"tracestate", "WRONG"}});

  EXPECT_EQ(trace.parent_id, "00f067aa0ba902b7");
  EXPECT_THAT(trace.state, IsEmpty());
}

}  // namespace
}  // namespace fetchd::rpc
