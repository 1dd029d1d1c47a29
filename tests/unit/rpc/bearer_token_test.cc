#include "rpc/bearer_token.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace fetchd::rpc {
namespace {

TEST(BearerTokenTest, IsWhatFollowsTheScheme) {
  for (const std::string_view field : {"Bearer abc", "bearer abc", "BEARER abc"}) {
    const auto token = ReadBearerToken(std::vector{field});
    ASSERT_TRUE(token.ok() && *token) << field;
    EXPECT_EQ((*token)->Reveal(), "abc");
  }
}

TEST(BearerTokenTest, WithoutAFieldThereIsNone) {
  const auto token = ReadBearerToken({});
  ASSERT_TRUE(token.ok());
  EXPECT_FALSE(token->has_value());
}

TEST(BearerTokenTest, AnythingElseIsNobodys) {
  for (const std::vector<std::string_view>& fields : std::vector<std::vector<std::string_view>>{
           {""}, {"Bearer"}, {"Bearer "}, {"Basic abc"}, {"Bearer a", "Bearer a"}}) {
    EXPECT_TRUE(absl::IsUnauthenticated(ReadBearerToken(fields).status()));
  }
}

}  // namespace
}  // namespace fetchd::rpc
