#include "telemetry/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <type_traits>

namespace fetchd::telemetry {
namespace {

using namespace std::chrono_literals;

static_assert(!std::is_constructible_v<LogField, const char*, Secret>);

class LogTest : public ::testing::Test {
 protected:
  Logger Make(LogConfig config) {
    return Logger(
        config, [this](std::string_view line) { written_ += line; },
        [] { return WallTime(Duration(1'700'000'000'123'000'000)); });
  }
  std::string written_;
};

TEST_F(LogTest, LogfmtQuotesWhatNeedsIt) {
  Logger log = Make({});

  log.Info("it serves", {{"address", "127.0.0.1:1"},
                         {"n", 3},
                         {"ok", true},
                         {"took", Duration(1500ms)},
                         {"text", "a \"b\"\n"},
                         {"empty", ""}});

  EXPECT_EQ(
      written_,
      "ts=2023-11-14T22:13:20.123Z level=info msg=\"it serves\" address=127.0.0.1:1 n=3 ok=true "
      "took=1500 text=\"a \\\"b\\\"\\n\" empty=\"\"\n");
}

TEST_F(LogTest, JsonKeepsTypes) {
  Logger log = Make({.format = LogFormat::kJson});

  log.Error("x", {{"n", 3}, {"s", "\x01"}});

  EXPECT_EQ(written_,
            "{\"ts\":\"2023-11-14T22:13:20.123Z\",\"level\":\"error\",\"msg\":\"x\",\"n\":3,\"s\":"
            "\"\\u0001\"}\n");
}

TEST_F(LogTest, NothingEndsALineOrSpeaksToATerminal) {
  Logger log = Make({});
  Logger json = Make({.format = LogFormat::kJson});

  log.Info("x", {{"c0", "\x1b[2J\x7f"}, {"c1", "\u009b2J"}, {"ends", "\u0085\u2028\u2029"}});
  EXPECT_TRUE(written_.ends_with(R"(c0="\u001b[2J\u007f" c1="\u009b2J" ends="\u0085\u2028\u2029")"
                                 "\n"))
      << written_;

  written_.clear();
  log.Info("x", {{"wide", "\u00e4\U0001f600"}, {"bytes", "\xe4"}, {"byte", "\x9b"}});
  EXPECT_TRUE(written_.ends_with("wide=\u00e4\U0001f600 bytes=\u00e4 byte=\"\\u009b\"\n"))
      << written_;

  written_.clear();
  json.Info("x", {{"bytes", "\xff"}});
  EXPECT_TRUE(written_.ends_with("\"bytes\":\"\u00ff\"}\n")) << written_;
}

TEST_F(LogTest, LinesBelowTheLevelAreDropped) {
  Logger log = Make({.level = LogLevel::kWarning});

  log.Debug("a");
  log.Info("b");
  EXPECT_TRUE(written_.empty());
  log.Warning("c");
  EXPECT_FALSE(written_.empty());
}

TEST_F(LogTest, TheLevelMayChangeWhileItRuns) {
  Logger log = Make({.level = LogLevel::kWarning});

  EXPECT_EQ(log.SetLevel(LogLevel::kDebug), LogLevel::kWarning);
  EXPECT_EQ(log.level(), LogLevel::kDebug);
  log.Debug("a");
  EXPECT_FALSE(written_.empty());
  written_.clear();
  log.SetLevel(LogLevel::kError);
  log.Warning("b");
  EXPECT_TRUE(written_.empty());
}

TEST_F(LogTest, EveryLevelHasAName) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    EXPECT_EQ(ParseLogLevel(LogLevelName(level)), level);
  }
}

TEST_F(LogTest, AuditLinesAreWrittenWhateverTheLevel) {
  Logger log = Make({.level = LogLevel::kError});

  log.Audit(std::array{LogField("principal", "ci")});

  EXPECT_EQ(written_, "ts=2023-11-14T22:13:20.123Z level=info msg=audit principal=ci\n");
}

}  // namespace
}  // namespace fetchd::telemetry
