#include <gmock/gmock.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/strings.h"
#include "cli/command_line.h"
#include "fake_service.h"

namespace fetchd::cli {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class TokenTest : public CliTest {
 protected:
  ExitCode MakeToken(const std::string& file) {
    return RunCommand({"token", Path(file), "--principal", "ci", "--tenant", "builds", "--role",
                       "submit", "--role", "read"});
  }
};

TEST_F(TokenTest, TheEntryHasTheHashAndTheFileTheToken) {
  ASSERT_EQ(MakeToken("t"), ExitCode::kDone);

  std::string token = Contents("t");
  ASSERT_THAT(token, StartsWith("fetchd_"));
  token.pop_back();
  EXPECT_EQ(token.size(), 7u + 64u);
  EXPECT_THAT(out_.str(), Eq(Concat("  - sha256: ", *HashHex(HashAlgorithm::kSha256, token),
                                    "\n    principal: ci\n    tenant: builds\n"
                                    "    roles: [submit, read]\n")));
  EXPECT_THAT(err_.str(), Not(HasSubstr(token)));
}

TEST_F(TokenTest, NobodyElseReadsTheFile) {
  ASSERT_EQ(MakeToken("t"), ExitCode::kDone);

  struct stat facts{};
  ASSERT_EQ(stat(Path("t").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(TokenTest, NoTwoAreTheSame) {
  ASSERT_EQ(MakeToken("a"), ExitCode::kDone);
  ASSERT_EQ(MakeToken("b"), ExitCode::kDone);

  EXPECT_NE(Contents("a"), Contents("b"));
}

TEST_F(TokenTest, AFileThatIsThereIsKept) {
  Write("t", "mine");

  EXPECT_EQ(MakeToken("t"), ExitCode::kUsage);

  EXPECT_EQ(Contents("t"), "mine");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(TokenTest, RefusesWhatTheServiceWouldNotRead) {
  EXPECT_EQ(RunCommand({"token", Path("t"), "--principal", "a: b", "--role", "read"}),
            ExitCode::kUsage);
  EXPECT_EQ(RunCommand({"token", Path("t"), "--principal", "a", "--role", "owner"}),
            ExitCode::kUsage);
  EXPECT_FALSE(Exists("t"));
}

}  // namespace
}  // namespace fetchd::cli
