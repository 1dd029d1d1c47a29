// token: makes one, and the entry by which the service knows it.
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/strings.h"
#include "cli/command_line.h"

namespace fetchd::cli {
namespace {

/// No guess finds it, whatever is known of its hash.
constexpr std::size_t kRandomBytes = 32;

struct TokenOptions {
  std::string file, principal, tenant;
  std::vector<std::string> roles;
};

absl::StatusOr<Secret> NewToken() {
  std::array<char, kRandomBytes> random;
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return absl::InternalError(Concat("no random numbers: ", std::strerror(errno)));
  }
  return Secret(Concat("fetchd_", HexEncode({random.data(), random.size()})));
}

/// For this user alone, and never over a file that is there.
absl::Status WriteToken(const std::string& path, const Secret& token) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) {
    return absl::InvalidArgumentError(Concat("cannot make ", path, ": ", std::strerror(errno)));
  }
  const std::string text = token.Reveal() + '\n';
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const bool closed = close(fd) == 0;
  if (written && closed) return absl::OkStatus();
  return absl::InternalError(Concat("cannot write ", path, ": ", std::strerror(errno)));
}

std::string EntryFor(const TokenOptions& options, const std::string& sha256) {
  std::string roles;
  for (const std::string& role : options.roles) roles += (roles.empty() ? "" : ", ") + role;
  std::string entry = Concat("  - sha256: ", sha256, "\n    principal: ", options.principal, '\n');
  if (!options.tenant.empty()) entry += Concat("    tenant: ", options.tenant, '\n');
  return entry + Concat("    roles: [", roles, "]\n");
}

ExitCode MakeToken(const TokenOptions& options, Console& console) {
  const auto token = NewToken();
  if (!token.ok()) return console.Report(ToGrpc(token.status()));
  const std::optional<std::string> sha256 = HashHex(HashAlgorithm::kSha256, token->Reveal());
  if (!sha256) return console.Report(ExitCode::kFetchFailed, "there is no SHA-256 here");
  const absl::Status written = WriteToken(options.file, *token);
  if (!written.ok()) return console.Report(ToGrpc(written));
  console.out << EntryFor(options, *sha256);
  console.Note(Concat("the token is in ", options.file,
                      "; add these lines to `tokens` in the service's callers.file"));
  return ExitCode::kDone;
}

}  // namespace

void AddToken(CommandLine& line) {
  CLI::App* app = line.Subcommand(
      "token", "Make a token, and print the entry by which the service knows it: its hash",
      "  fetchctl token ci.token --principal ci --tenant builds --role submit --role read\n"
      "  fetchctl list --token-file ci.token");
  const auto options = std::make_shared<TokenOptions>();
  const CLI::Validator plain(
      [](const std::string& text) {
        constexpr std::string_view kMore = "._-@/";
        for (const char c : text) {
          const bool alphanumeric = std::isalnum(static_cast<unsigned char>(c)) != 0;
          if (!alphanumeric && kMore.find(c) == std::string_view::npos) {
            return std::string("expects letters, digits and ._-@/");
          }
        }
        return std::string();
      },
      "");
  app->add_option("file", options->file, "Where the token goes; it must not be there yet")
      ->required()
      ->type_name("FILE");
  app->add_option("--principal", options->principal, "Who will call with it, for the log")
      ->required()
      ->type_name("NAME")
      ->check(plain);
  app->add_option("--tenant", options->tenant, "Whose jobs these will be; an admin needs none")
      ->type_name("NAME")
      ->check(plain);
  AddRepeated(app, "--role", options->roles, "What he may do: submit, read, admin")
      ->required()
      ->check(CLI::IsMember({"submit", "read", "admin"}));
  line.commands.push_back(
      {app, {}, [options](Console& console) { return MakeToken(*options, console); }});
}

}  // namespace fetchd::cli
