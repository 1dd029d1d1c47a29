#include "rpc/resume_token.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace fetchd::rpc {
namespace {

TEST(ResumeTokenTest, ComesBack) {
  for (const std::int64_t sequence :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{1} << 40, INT64_MAX}) {
    EXPECT_EQ(DecodeResumeToken(EncodeResumeToken(sequence, ""), "").value(), sequence);
  }
}

TEST(ResumeTokenTest, EveryMangledCharacterIsNoticed) {
  const std::string token = EncodeResumeToken(123'456, "");
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string mangled = token;
    mangled[i] = mangled[i] == '0' ? '1' : '0';
    EXPECT_TRUE(absl::IsInvalidArgument(DecodeResumeToken(mangled, "").status())) << mangled;
  }
}

TEST(ResumeTokenTest, GarbageIsInvalid) {
  for (const std::string garbage : {"", "0", "hello", "ffffffffffffffffffffffffff"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(DecodeResumeToken(garbage, "").status())) << garbage;
  }
}

TEST(ResumeTokenTest, IsOfNoUseToAnotherScope) {
  const std::string token = EncodeResumeToken(7, "mine");

  EXPECT_EQ(*DecodeResumeToken(token, "mine"), 7);
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeResumeToken(token, "theirs").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeResumeToken(token, "").status()));
}

}  // namespace
}  // namespace fetchd::rpc
