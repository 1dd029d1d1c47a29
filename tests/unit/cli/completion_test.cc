#include "cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_line.h"

namespace fetchd::cli {
namespace {

using ::testing::HasSubstr;

class CompletionTest : public ::testing::TestWithParam<const char*> {
 protected:
  CommandLine line_{[](const std::string&) { return std::nullopt; }};
};

TEST_P(CompletionTest, KnowsEveryCommandAndLongFlag) {
  const std::string script = CompletionScript(line_.root, GetParam());

  for (const Command& command : line_.commands) {
    EXPECT_THAT(script, HasSubstr(command.app->get_name()));
    for (const CLI::Option* option : command.app->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        EXPECT_THAT(script, HasSubstr(name)) << command.app->get_name();
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shells, CompletionTest, ::testing::Values("bash", "zsh", "fish"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace fetchd::cli
