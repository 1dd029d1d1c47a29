#include "http/framing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd::http {
namespace {

ResponseHead Head(int status, int minor_version,
                  std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  ResponseHead head{.status = status, .minor_version = minor_version};
  for (const auto& [name, value] : fields) head.headers.Add(name, value);
  return head;
}

TEST(FramingTest, EqualLengthsAreOneLength) {
  const auto framing =
      JudgeFraming(Head(200, 1, {{"Content-Length", "3, 3"}, {"content-length", "3"}}), false);

  ASSERT_TRUE(framing.has_value());
  EXPECT_EQ(framing->mode, BodyMode::kFixed);
  EXPECT_EQ(framing->length, 3U);
  EXPECT_TRUE(framing->reusable);
}

TEST(FramingTest, RefusesLengthsThatDifferOrAreNoNumbers) {
  for (const char* value :
       {"3, 4", "", "+3", "-3", "3 4", "3,", ",3", "0x3", "18446744073709551616"}) {
    EXPECT_FALSE(JudgeFraming(Head(200, 1, {{"Content-Length", value}}), false)) << value;
  }
}

TEST(FramingTest, TransferEncodingIsExactlyOneChunked) {
  EXPECT_EQ(JudgeFraming(Head(200, 1, {{"Transfer-Encoding", "Chunked"}}), false)->mode,
            BodyMode::kChunked);
  for (const char* value :
       {"gzip, chunked", "chunked, chunked", "xchunked", "chunked;a=b", "", "identity"}) {
    EXPECT_FALSE(JudgeFraming(Head(200, 1, {{"Transfer-Encoding", value}}), false)) << value;
  }
  EXPECT_FALSE(JudgeFraming(Head(200, 0, {{"Transfer-Encoding", "chunked"}}), false));
  EXPECT_FALSE(JudgeFraming(
      Head(200, 1, {{"Transfer-Encoding", "chunked"}, {"Content-Length", "3"}}), false));
  EXPECT_FALSE(JudgeFraming(
      Head(200, 1, {{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}), false));
}

TEST(FramingTest, NoBodyForHead204And304) {
  EXPECT_EQ(JudgeFraming(Head(200, 1, {{"Content-Length", "3"}}), true)->mode, BodyMode::kNone);
  EXPECT_EQ(JudgeFraming(Head(204, 1, {{"Content-Length", "3"}}), false)->mode, BodyMode::kNone);
  EXPECT_EQ(JudgeFraming(Head(304, 1, {{"Content-Length", "3"}}), false)->mode, BodyMode::kNone);
}

TEST(FramingTest, ReuseFollowsVersionAndConnection) {
  EXPECT_TRUE(JudgeFraming(Head(204, 1, {}), false)->reusable);
  EXPECT_FALSE(JudgeFraming(Head(204, 1, {{"Connection", "x, Close"}}), false)->reusable);
  EXPECT_FALSE(JudgeFraming(Head(204, 0, {}), false)->reusable);
  EXPECT_TRUE(JudgeFraming(Head(204, 0, {{"Connection", "keep-alive"}}), false)->reusable);
  EXPECT_FALSE(JudgeFraming(Head(200, 0, {{"Connection", "keep-alive"}}), false)->reusable);
}

TEST(FramingTest, ConnectionThatIsNoTokenListMeansClose) {
  for (const char* value : {"\"close\"", "a b", "=", "keep-alive; x", "keep-alive, \"x\"", ""}) {
    EXPECT_FALSE(JudgeFraming(Head(204, 1, {{"Connection", value}}), false)->reusable) << value;
  }
  EXPECT_TRUE(JudgeFraming(Head(204, 1, {{"Connection", "keep-alive,, x"}}), false)->reusable);
}

TEST(FramingTest, RefusesFieldsThatMayOccurOnceAndDiffer) {
  for (const char* name : {"Location", "Content-Range", "ETag"}) {
    EXPECT_TRUE(JudgeFraming(Head(204, 1, {{name, "a"}, {name, "a"}}), false)) << name;
    EXPECT_FALSE(JudgeFraming(Head(204, 1, {{name, "a"}, {name, "b"}}), false)) << name;
  }
}

}  // namespace
}  // namespace fetchd::http
