#include "app/config_values.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace fetchd::app {
namespace {

using namespace std::chrono_literals;

TEST(ConfigValuesTest, SizesArePowersOf1024) {
  EXPECT_EQ(ReadSize(YAML::Node("64k")).value(), 65'536u);
  EXPECT_EQ(ReadSize(YAML::Node("64KiB")).value(), 65'536u);
  EXPECT_EQ(ReadSize(YAML::Node("256MiB")).value(), std::uint64_t{256} << 20);
  EXPECT_EQ(ReadSize(YAML::Node("1T")).value(), std::uint64_t{1} << 40);
  EXPECT_EQ(ReadSize(YAML::Node("17")).value(), 17u);
}

TEST(ConfigValuesTest, RefusesOtherSizes) {
  for (const std::string bad : {"", "-1", "1.5MiB", "64 MiB", "64kB", "MiB", "20000000T", "1x"}) {
    EXPECT_FALSE(ReadSize(YAML::Node(bad)).ok()) << bad;
  }
}

TEST(ConfigValuesTest, DurationsNeedAUnit) {
  EXPECT_EQ(ReadDuration(YAML::Node("25s")).value(), 25s);
  EXPECT_EQ(ReadDuration(YAML::Node("1m30s")).value(), 90s);
  EXPECT_EQ(ReadDuration(YAML::Node("250ms")).value(), 250ms);
  EXPECT_EQ(ReadDuration(YAML::Node("0")).value(), 0s);
  for (const std::string bad : {"", "25", "s", "-1s", "1.5s", "1 s", "300000d", "1w"}) {
    EXPECT_FALSE(ReadDuration(YAML::Node(bad)).ok()) << bad;
  }
}

TEST(ConfigValuesTest, WhatIsWrittenReadsTheSame) {
  for (const Duration duration :
       {Duration(0), Duration(250ms), Duration(90s), Duration(1h), Duration(7)}) {
    EXPECT_EQ(ReadDuration(YAML::Node(WriteDuration(duration))).value(), duration);
  }
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1000}, std::uint64_t{65'536},
                                   std::uint64_t{256} << 20, std::uint64_t{1} << 40}) {
    EXPECT_EQ(ReadSize(YAML::Node(WriteSize(size))).value(), size);
  }
  EXPECT_EQ(YAML::Load(WriteText("a \"b\" \\ c: #")).Scalar(), "a \"b\" \\ c: #");
}

TEST(ConfigValuesTest, SwitchesAreTrueOrFalse) {
  EXPECT_TRUE(ReadBool(YAML::Node("true")).value());
  EXPECT_FALSE(ReadBool(YAML::Node("false")).value());
  for (const std::string bad : {"yes", "on", "1", "True", ""}) {
    EXPECT_FALSE(ReadBool(YAML::Node(bad)).ok()) << bad;
  }
}

}  // namespace
}  // namespace fetchd::app
