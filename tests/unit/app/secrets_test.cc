// What the configuration says under `secrets`: keys, where they come from, and secrets with names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "app/command_output.h"
#include "app/config_loader.h"
#include "app/config_secret_keys.h"
#include "app/module_configs.h"
#include "app/named_secret_files.h"
#include "app/sealing_keys.h"
#include "base/strings.h"
#include "support/log_lines.h"
#include "support/process.h"

namespace fetchd::app {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::WriteFile;
using namespace std::chrono_literals;

const std::string kKey = std::string(64, 'a') + '\n';  // In hexadecimal.

/// Of what another thread or process does.
template <typename Condition>
bool Becomes(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

class CommandOutputTest : public ::testing::Test {
 protected:
  absl::StatusOr<Secret> Run(const std::string& script, Duration timeout = 60s) {
    return CommandOutput({"/bin/sh", "-c", script}, timeout, clock_);
  }
  std::string ErrorOf(const std::string& script, Duration timeout = 60s) {
    const absl::Status status = Run(script, timeout).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    return MessageOf(status);
  }
  RealClock clock_;
};

TEST_F(CommandOutputTest, IsWhatIsPrinted) {
  EXPECT_EQ(Run("printf 'a\\0b\\n'")->Reveal(), std::string("a\0b\n", 4));
  EXPECT_EQ(Run("echo noise >&2; echo key; cat")->Reveal(), "key\n") << "stdin is empty";
  EXPECT_EQ(CommandOutput({"printf", "%s", "$HOME"}, 60s, clock_)->Reveal(), "$HOME")
      << "no shell; looked for in PATH";
  EXPECT_EQ(Run("head -c 65536 /dev/zero")->Reveal().size(), 65536u);
}

TEST_F(CommandOutputTest, AFailureTellsStderrAndNotStdout) {
  EXPECT_THAT(ErrorOf("echo canary; echo 'no access' >&2; echo 'to it' >&2; exit 3"),
              AllOf(HasSubstr("/bin/sh ended with 3: no access to it"), Not(HasSubstr("canary"))));
  EXPECT_THAT(ErrorOf("exit 1"), HasSubstr("wrote nothing to stderr"));
  EXPECT_THAT(ErrorOf("kill -9 $$"), HasSubstr("signal 9"));
  EXPECT_THAT(ErrorOf("head -c 65537 /dev/zero"), HasSubstr("more than 64 KiB"));
  const std::string much = ErrorOf("head -c 5000 /dev/zero | tr '\\0' x >&2; exit 1");
  EXPECT_THAT(much, AllOf(HasSubstr("xxx..."), SizeIs(::testing::Lt(1200u))));
}

TEST_F(CommandOutputTest, WhatCannotBeRunIsSaid) {
  EXPECT_THAT(MessageOf(CommandOutput({"/nowhere/keys"}, 60s, clock_).status()),
              AllOf(HasSubstr("/nowhere/keys cannot be run"), HasSubstr("No such file")));
}

TEST_F(CommandOutputTest, WhatTakesTooLongIsKilledWithItsChildren) {
  const testing::TempFolder folder;
  const std::string pids = (folder.path() / "pids").string();

  // The child keeps the pipes open. One that closed them and goes on is killed, too.
  EXPECT_THAT(ErrorOf(Concat("sleep 600 & echo $! >", pids, "; echo hm >&2; wait"), 2s),
              AllOf(HasSubstr("did not end within 2.0 s"), HasSubstr("hm")));
  EXPECT_THAT(ErrorOf("exec >&- 2>&-; exec sleep 600", 50ms), HasSubstr("did not end"));

  const std::string child = Concat("/proc/", std::stoul(testing::ReadFile(pids)), "/stat");
  // Nobody may be there to wait for it.
  EXPECT_TRUE(Becomes(
      [&] { return !std::filesystem::exists(child) || testing::ReadFile(child).contains(") Z"); }));
}

class SecretsConfigTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& content, mode_t mode = 0600) {
    const std::filesystem::path path = folder_.path() / name;
    WriteFile(path, content);
    chmod(path.c_str(), mode);
    return path.string();
  }
  Config Load(const std::vector<std::string>& settings) {
    const LoadedConfig loaded = LoadConfig({.settings = settings});
    errors_ = loaded.errors;
    return loaded.config;
  }
  std::vector<std::string> Errors(const std::vector<std::string>& settings) {
    const Config config = Load(settings);
    return errors_.empty() ? CheckConfig(config) : errors_;
  }
  std::string KeyError(const std::vector<std::string>& settings) {
    const auto sqlite = SqliteConfigOf(Load(settings), clock_, log_);
    return sqlite.ok() ? "" : MessageOf(sqlite.status());
  }

  testing::TempFolder folder_;
  RealClock clock_;
  testing::LogLines lines_;
  telemetry::Logger log_{telemetry::LogConfig(), lines_.writer(), [] { return WallTime(); }};
  std::vector<std::string> errors_;
};

TEST_F(SecretsConfigTest, KeysComeFromTheirOwnFileUnlessAnotherSourceIsNamed) {
  const auto by_default = SqliteConfigOf(Load({"data_dir=/d"}), clock_, log_);
  EXPECT_EQ(by_default->key_file, "/d/fetchd.key");
  EXPECT_FALSE(by_default->keys);

  const std::string id = store::KeyRing::Parse(kKey)->key_id();
  const auto of_file =
      SqliteConfigOf(Load({"secrets.key_file=" + File("key", kKey)}), clock_, log_);
  ASSERT_TRUE(of_file.ok()) << of_file.status();
  EXPECT_EQ(of_file->keys->key_id(), id);

  const std::string argument = kKey.substr(0, 64);
  const auto of_command = SqliteConfigOf(
      Load({Concat("secrets.key_command=[printf, '", argument, "']")}), clock_, log_);
  ASSERT_TRUE(of_command.ok()) << of_command.status();
  EXPECT_EQ(of_command->keys->key_id(), id);
}

TEST_F(SecretsConfigTest, ASourceThatIsOfNoUseIsToldByItsKey) {
  const std::string open = File("open", kKey, 0644), bad = File("bad", "canary");

  EXPECT_THAT(KeyError({"secrets.key_file=/nowhere"}), StartsWith("secrets.key_file: /nowhere"));
  EXPECT_THAT(KeyError({"secrets.key_file=" + open}), HasSubstr("chmod 600"));
  EXPECT_THAT(KeyError({"secrets.key_file=" + bad}),
              AllOf(HasSubstr("line 1 is no key"), Not(HasSubstr("canary"))));
  EXPECT_THAT(
      KeyError({"secrets.key_command=[printf, canary]"}),
      AllOf(StartsWith("secrets.key_command: its output: line 1"), Not(HasSubstr("canary"))));
  EXPECT_THAT(KeyError({"secrets.key_command=[sleep, '60']", "secrets.key_command_timeout=10ms"}),
              StartsWith("secrets.key_command: sleep did not end"));
  EXPECT_THAT(CheckMachine(Load({"secrets.key_file=" + bad})),
              Contains(HasSubstr("line 1 is no key")));
}

TEST_F(SecretsConfigTest, AFileForTheGroupIsAsKubernetesMountsIt) {
  EXPECT_EQ(KeyError({"secrets.key_file=" + File("key", kKey, 0440)}), "");
}

TEST_F(SecretsConfigTest, WhatWouldDoNothingOrTooMuchIsRefused) {
  EXPECT_THAT(Errors({"secrets.key_file=/k", "secrets.key_command=[k]"}),
              ElementsAre(HasSubstr("either this or secrets.key_file")));
  EXPECT_THAT(Errors({"secrets.key_command=keys --all"}), ElementsAre(HasSubstr("no shell")));
  EXPECT_THAT(
      Errors({"secrets.named.x.file=/f"}),
      ElementsAre(HasSubstr("secrets.named.x.hosts"), HasSubstr("secrets.named.x.tenants")));
  EXPECT_THAT(Errors({"secrets.named.x.hosts=[h]", "secrets.named.x.tenants=['*']"}),
              ElementsAre(HasSubstr("secrets.named.x.file")));
  for (const char* wrong : {"secrets.named.x.hosts=['*']", "secrets.named.x.hosts=['*:80']",
                            "secrets.named.x.hosts=['https://h/']", "secrets.named.x.hosts=['h:0']",
                            "secrets.named.x.tenants=['A b']", "secrets.named.X.file=/f",
                            "secrets.key_command_timeout=0"}) {
    EXPECT_THAT(Errors({wrong}), SizeIs(1)) << wrong;
  }
  EXPECT_THAT(Errors({"secrets.named.x.file=/f", "secrets.named.x.hosts=['*.h', 'h:80']",
                      "secrets.named.x.tenants=[a, b]"}),
              IsEmpty());
}

TEST_F(SecretsConfigTest, ANamedSecretThatCannotBeReadIsToldBeforeTheStart) {
  Config config;
  config.secrets.named["x"] = {"/nowhere", {"h.test"}, {"*"}};

  EXPECT_THAT(CheckMachine(config), Contains(StartsWith("secrets.named.x.file: /nowhere")));
  config.secrets.named["x"].file = File("long", std::string(8193, 'x'));
  EXPECT_THAT(CheckMachine(config), Contains(HasSubstr("longer than 8192")));
}

class NamedSecretFilesTest : public SecretsConfigTest {
 protected:
  std::string ValueOf(const NamedSecretFiles& files) const {
    return files.secrets()->ValueFor("x", Url::Parse("https://h.test/")->origin())->Reveal();
  }
  std::string Log() const {
    std::string text;
    for (const std::string& line : lines_.all()) text += line;
    return text;
  }
  runtime::Runtime runtime_{{.shards = 1}};
};

TEST_F(NamedSecretFilesTest, AreReadAgainAndABrokenOneLeavesWhatWasThere) {
  const std::string path = File("x", "first\n");
  SecretsConfig config;
  config.named["x"] = {path, {"h.test"}, {"*"}};
  const auto files = NamedSecretFiles::Start(config, 1ms, {runtime_, clock_, log_});
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(ValueOf(**files), "first");

  WriteFile(path + ".new", "second\n");
  std::filesystem::rename(path + ".new", path);
  EXPECT_TRUE(Becomes([&] { return ValueOf(**files) == "second"; }));
  std::filesystem::remove(path);
  EXPECT_TRUE(Becomes([&] { return Log().contains("a named secret stays as it was"); }));

  EXPECT_EQ(ValueOf(**files), "second");
  EXPECT_THAT(Log(), AllOf(HasSubstr(path), Not(HasSubstr("second"))));
}

}  // namespace
}  // namespace fetchd::app
