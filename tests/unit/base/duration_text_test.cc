#include "base/duration_text.h"

#include <gtest/gtest.h>

namespace fetchd {
namespace {

TEST(DurationTextTest, TenthsOfASecondAreEnough) {
  EXPECT_EQ(FormatSeconds(std::chrono::milliseconds(1250)), "1.2 s");
  EXPECT_EQ(FormatSeconds(Duration::zero()), "0.0 s");
  EXPECT_EQ(FormatSeconds(std::chrono::minutes(5)), "300.0 s");
}

}  // namespace
}  // namespace fetchd
