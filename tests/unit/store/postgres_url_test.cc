#include "store/postgres_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd::store {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(PostgresUrlTest, WhatIsShownHasNoPassword) {
  for (const char* url :
       {"postgres://u:canary@h/db", "postgres://u:can?ary@h/db", "postgres://u:can/canary@h/db",
        "postgres://u:c@nary@h/db", "postgresql://u:canary@h:1,i:2/db?sslmode=require",
        "postgres://h/db?password=canary", "postgres://h/db?user=u&p%61ssword=canary",
        "postgres://h/db?password=canary&application_name=a@b",
        "postgres://h:5432/db?sslpassword=canary&x=y"}) {
    EXPECT_THAT(WithoutPassword(url), Not(HasSubstr("nary"))) << url;
    const absl::Status status = CheckPostgresUrl(url);
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("nary"))) << url;
  }
}

TEST(PostgresUrlTest, TheRestIsShown) {
  EXPECT_EQ(WithoutPassword("postgres://u@h:1/db?sslmode=require"),
            "postgres://u@h:1/db?sslmode=require");
  EXPECT_THAT(WithoutPassword("postgres://u:x@h:1/db?sslmode=require"),
              HasSubstr("@h:1/db?sslmode=require"));
}

}  // namespace
}  // namespace fetchd::store
