#include "base/trace_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/strings.h"

namespace fetchd {
namespace {

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParentId[] = "00f067aa0ba902b7";

struct ParentCase {
  const char* name;
  std::string text;
  bool taken;
  bool sampled = false;
};

class ParseTraceparentTest : public ::testing::TestWithParam<ParentCase> {};

TEST_P(ParseTraceparentTest, IsAsTheStandardSays) {
  const auto trace = ParseTraceparent(GetParam().text);

  ASSERT_EQ(trace.has_value(), GetParam().taken);
  if (!trace) return;
  EXPECT_EQ(trace->trace_id, kTraceId);
  EXPECT_EQ(trace->parent_id, kParentId);
  EXPECT_EQ(trace->sampled, GetParam().sampled);
}

std::string Parent(const std::string& version, const std::string& trace_id = kTraceId,
                   const std::string& parent_id = kParentId, const std::string& rest = "01") {
  return Concat(version, '-', trace_id, '-', parent_id, '-', rest);
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseTraceparentTest,
    ::testing::Values(
        ParentCase{"Sampled", Parent("00"), true, true},
        ParentCase{"NotSampled", Parent("00", kTraceId, kParentId, "00"), true},
        ParentCase{"OtherFlags", Parent("00", kTraceId, kParentId, "fe"), true},
        ParentCase{"AllFlags", Parent("00", kTraceId, kParentId, "ff"), true, true},
        ParentCase{"SpaceAround", " \t" + Parent("00") + " ", true, true},
        ParentCase{"Empty", "", false}, ParentCase{"VersionFf", Parent("ff"), false},
        ParentCase{"VersionInUpperCase", Parent("0A"), false},
        ParentCase{"VersionNotHex", Parent("0g"), false},
        ParentCase{"LongerVersion00", Parent("00") + "-x", false},
        ParentCase{"LaterVersion", Parent("01"), true, true},
        ParentCase{"LaterVersionWithMore", Parent("cc") + "-what-the-future-holds", true, true},
        ParentCase{"LaterVersionGluedOn", Parent("cc") + ".x", false},
        ParentCase{"LaterVersionWithADash", Parent("cc") + "-", true, true},
        ParentCase{"ZeroTrace", Parent("00", std::string(32, '0')), false},
        ParentCase{"ZeroParent", Parent("00", kTraceId, std::string(16, '0')), false},
        ParentCase{"TraceInUpperCase", Parent("00", "4BF92F3577B34DA6A3CE929D0E0E4736"), false},
        ParentCase{"ParentInUpperCase", Parent("00", kTraceId, "00F067AA0BA902B7"), false},
        ParentCase{"ShortTrace", Parent("00", "4bf92f3577b34da6a3ce929d0e0e473"), false},
        ParentCase{"TraceNotHex", Parent("00", "4bf92f3577b34da6a3ce929d0e0e473z"), false},
        ParentCase{"FlagsNotHex", Parent("00", kTraceId, kParentId, "0x"), false},
        ParentCase{"ShortFlags", Parent("00", kTraceId, kParentId, "1"), false},
        ParentCase{"OtherSeparator", Concat("00_", kTraceId, '-', kParentId, "-01"), false},
        ParentCase{"LineEnd", Parent("00", kTraceId, "00f067aa0ba902\r\n"), false},
        ParentCase{"Nul", std::string(55, '\0'), false}),
    [](const auto& info) { return info.param.name; });

struct StateCase {
  const char* name;
  std::vector<std::string_view> values;
  std::string joined;
};

class JoinTracestateTest : public ::testing::TestWithParam<StateCase> {};

TEST_P(JoinTracestateTest, TakesWhatIsInItsForm) {
  EXPECT_EQ(JoinTracestate(GetParam().values), GetParam().joined);
}

INSTANTIATE_TEST_SUITE_P(
    All, JoinTracestateTest,
    ::testing::Values(StateCase{"None", {}, ""}, StateCase{"One", {"a=1"}, "a=1"},
                      StateCase{"Several", {"a=1, b=2 ", "c=x y"}, "a=1,b=2,c=x y"},
                      StateCase{"EmptyMembers", {",a=1,, ,b=2,"}, "a=1,b=2"},
                      StateCase{"OfATenant", {"0tenant@vendor=x"}, "0tenant@vendor=x"},
                      StateCase{"AKeyTwice", {"a=1", "a=2"}, ""}, StateCase{"NoValue", {"a="}, ""},
                      StateCase{"NoKey", {"=1"}, ""}, StateCase{"NoEquals", {"a"}, ""},
                      StateCase{"TwoEquals", {"a=b=c"}, ""},
                      StateCase{"KeyInUpperCase", {"A=1"}, ""},
                      StateCase{"KeyWithADigitFirst", {"0a=1"}, ""},
                      StateCase{"KeyOfTwoTenants", {"a@b@c=1"}, ""},
                      StateCase{"LineEnd", {"a=1\r\nset-cookie: x"}, ""},
                      StateCase{"NotAscii", {"a=\xc3\xa9"}, ""},
                      StateCase{"OneWrongOneRight", {"a=1,B=2"}, ""}),
    [](const auto& info) { return info.param.name; });

TEST(JoinTracestateTest, WhatIsTooLongLosesItsLongMembersAndThenItsLast) {
  const std::string lengthy = "long=" + std::string(200, 'x');
  std::string many = "first=1," + lengthy;
  for (int i = 0; i < 20; ++i) many += Concat(",k", i, '=', std::string(20, 'v'));

  const std::string joined = JoinTracestate(std::vector<std::string_view>{many});

  EXPECT_LE(joined.size(), kMaxTracestateBytes);
  EXPECT_THAT(joined, ::testing::StartsWith("first=1,k0="));
  EXPECT_THAT(joined, ::testing::HasSubstr(",k15="));
}

TEST(JoinTracestateTest, MoreThan32MembersAreNone) {
  std::string many;
  for (int i = 0; i < 32; ++i) many += Concat("k", i, "=v,");
  EXPECT_NE(JoinTracestate(std::vector<std::string_view>{many}), "");
  many += "last=v";
  EXPECT_EQ(JoinTracestate(std::vector<std::string_view>{many}), "");
}

TEST(FormatTraceparentTest, IsReadAgain) {
  TraceContext trace = *ParseTraceparent(Parent("00"));
  EXPECT_EQ(FormatTraceparent(trace, "b7ad6b7169203331"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01");
  trace.sampled = false;
  EXPECT_THAT(FormatTraceparent(trace, kParentId), ::testing::EndsWith("-00"));
  EXPECT_EQ(FormatTraceparent({}, kParentId), "");
}

TEST(RandomIdsTest, AreOfTheirFormAndNoTwoTheSame) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const std::string trace_id = RandomTraceId(), span_id = RandomSpanId();
    EXPECT_TRUE(ParseTraceparent(Parent("00", trace_id, span_id))) << trace_id << ' ' << span_id;
    EXPECT_TRUE(IsRequestId(trace_id));
    ids.insert({trace_id, span_id});
  }
  EXPECT_EQ(ids.size(), 2000u);
}

TEST(IsRequestIdTest, TakesWhatPassesThroughLogsAsItIs) {
  for (const char* good : {"a", "b7ad6b71-6920-3331", "Root=1-67891233:x/y+z@h._"}) {
    EXPECT_TRUE(IsRequestId(good)) << good;
  }
  EXPECT_TRUE(IsRequestId(std::string(128, 'x')));
  for (const char* bad : {"", "a b", "a\n", "a\"", "caf\xc3\xa9", "\x1b[2J", "a;b"}) {
    EXPECT_FALSE(IsRequestId(bad)) << bad;
  }
  EXPECT_FALSE(IsRequestId(std::string(129, 'x')));
}

}  // namespace
}  // namespace fetchd
