#include "app/credential_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/strings.h"

namespace fetchd::app {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;

absl::Status CannotUse(const std::string& path, std::string_view why) {
  return absl::FailedPreconditionError(Concat(path, ": ", why));
}

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  /// Of what is open, which another name may stand for by now.
  bool GrantsAny(mode_t permissions) const {
    struct stat facts{};
    return is_open() && fstat(fd_, &facts) == 0 && (facts.st_mode & permissions) != 0;
  }

 private:
  const int fd_;
};

absl::StatusOr<std::string> ReadAll(const OpenFile& file, const std::string& path) {
  std::string text;
  std::array<char, 4096> block;
  while (file.is_open()) {
    const ssize_t bytes = read(file.fd(), block.data(), block.size());
    if (bytes < 0) break;
    if (bytes == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(bytes));
    if (text.size() > kMaxFileBytes) return CannotUse(path, "is larger than 1 MiB");
  }
  return CannotUse(path, Concat("cannot be read: ", std::strerror(errno)));
}

absl::StatusOr<http::OriginCredentials> ReadCredentials(const OriginConfig& origin) {
  if (origin.bearer_token_file) {
    ASSIGN_OR_RETURN(Secret token, ReadSecretFile(*origin.bearer_token_file));
    return BearerCredentials{std::move(token)};
  }
  ASSIGN_OR_RETURN(Secret password, ReadSecretFile(*origin.password_file));
  return http::Login{*origin.username, std::move(password)};
}

}  // namespace

absl::StatusOr<std::string> ReadGuardedFile(const std::string& path) {
  const OpenFile file(path);
  if (file.GrantsAny(S_IWGRP | S_IWOTH)) {
    return CannotUse(path, "can be written by others than its owner: chmod go-w it");
  }
  return ReadAll(file, path);
}

absl::StatusOr<Secret> ReadPrivateFile(const std::string& path) {
  const OpenFile file(path);
  if (file.GrantsAny(S_IRWXO | S_IWGRP)) {
    return CannotUse(path, "is open to others than its owner: chmod 600 it");
  }
  ASSIGN_OR_RETURN(std::string text, ReadAll(file, path));
  return Secret(std::move(text));
}

absl::StatusOr<Secret> ReadSecretFile(const std::string& path) {
  const OpenFile file(path);
  ASSIGN_OR_RETURN(std::string text, ReadAll(file, path));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return CannotUse(path, "holds nothing");
  if (HasControl(text)) return CannotUse(path, "holds a control character, such as a second line");
  return Secret(std::move(text));
}

absl::StatusOr<http::OriginRules> ReadOriginRules(const Config& config) {
  std::map<std::string, http::OriginRule> rules;
  for (const auto& [pattern, origin] : config.origins) {
    http::OriginRule& rule = rules[pattern];
    rule = static_cast<const http::OriginRule&>(origin);
    if (!origin.password_file && !origin.bearer_token_file) continue;
    absl::StatusOr<http::OriginCredentials> credentials = ReadCredentials(origin);
    if (!credentials.ok()) {
      return WithPrefix(credentials.status(),
                        Concat("origins.", pattern,
                               origin.password_file ? ".password_file" : ".bearer_token_file"));
    }
    rule.credentials = std::make_shared<const http::OriginCredentials>(*std::move(credentials));
  }
  return http::OriginRules::Create(rules);
}

absl::StatusOr<objstore::AwsCredentials> ReadStoreKeys(const std::string& name,
                                                       const StoreSettings& store) {
  const std::string prefix = Concat("stores.", name, '.');
  objstore::AwsCredentials keys{.access_key_id = store.access_key_id};
  absl::StatusOr<Secret> secret = ReadSecretFile(store.secret_access_key_file);
  if (!secret.ok()) return WithPrefix(secret.status(), prefix + "secret_access_key_file");
  keys.secret_access_key = *std::move(secret);
  if (store.session_token_file.empty()) return keys;
  absl::StatusOr<Secret> token = ReadSecretFile(store.session_token_file);
  if (!token.ok()) return WithPrefix(token.status(), prefix + "session_token_file");
  keys.session_token = *std::move(token);
  return keys;
}

absl::StatusOr<objstore::AzureAccess> ReadAzureAccess(const std::string& name,
                                                      const StoreSettings& store) {
  const bool by_key = store.sas_token_file.empty();
  const std::string& path = by_key ? store.account_key_file : store.sas_token_file;
  const std::string key =
      Concat("stores.", name, '.', by_key ? "account_key_file" : "sas_token_file");
  const absl::StatusOr<Secret> text = ReadSecretFile(path);
  if (!text.ok()) return WithPrefix(text.status(), key);
  auto access = by_key ? objstore::AccountKeyAccess(*text) : objstore::SasTokenAccess(*text);
  if (access.ok()) return access;
  return WithPrefix(CannotUse(path, MessageOf(access.status())), key);
}

absl::StatusOr<http::Netrc> ReadNetrc(const std::string& path) {
  if (path.empty()) return http::Netrc();
  const absl::StatusOr<Secret> text = ReadPrivateFile(path);
  if (!text.ok()) return WithPrefix(text.status(), "auth.netrc_file");
  absl::StatusOr<http::Netrc> netrc = http::Netrc::Parse(text->Reveal());
  if (netrc.ok()) return netrc;
  return absl::FailedPreconditionError(
      Concat("auth.netrc_file: ", path, ": ", MessageOf(netrc.status())));
}

}  // namespace fetchd::app
