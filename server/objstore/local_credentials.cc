#include "objstore/local_credentials.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/strings.h"
#include "objstore/ini_file.h"

namespace fetchd::objstore {
namespace {

constexpr std::size_t kMostFileBytes = 1 << 20;

absl::StatusOr<std::string> ReadBlocking(const std::filesystem::path& path) {
  std::error_code error;
  const bool regular = std::filesystem::is_regular_file(path, error);
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory ||
      (!error && !std::filesystem::exists(path, error))) {
    return absl::NotFoundError(Concat("there is no file ", path.native()));
  }
  if (error || !regular) {
    return absl::FailedPreconditionError(Concat(path.native(), " is not a file that can be read"));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(kMostFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return absl::PermissionDeniedError(Concat("cannot read ", path.native()));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostFileBytes) {
    return absl::InvalidArgumentError(Concat(path.native(), " is larger than 1 MiB"));
  }
  return text;
}

/// nullptr when there is none.
const std::string* Find(const std::map<std::string, std::string>& section, const char* key) {
  const auto found = section.find(key);
  return found == section.end() || found->second.empty() ? nullptr : &found->second;
}

absl::StatusOr<AwsCredentials> CredentialsOf(const std::map<std::string, std::string>& section) {
  const std::string* const id = Find(section, "aws_access_key_id");
  const std::string* const secret = Find(section, "aws_secret_access_key");
  const std::string* const token = Find(section, "aws_session_token");
  if (id != nullptr && secret != nullptr) {
    return AwsCredentials{*id, Secret(*secret), Secret(token == nullptr ? "" : *token), {}};
  }
  if (id != nullptr || secret != nullptr) {
    return absl::InvalidArgumentError(
        "aws_access_key_id and aws_secret_access_key belong together, and one is missing");
  }
  for (const char* other : {"role_arn", "sso_session", "sso_start_url", "credential_process"}) {
    if (Find(section, other) == nullptr) continue;
    return absl::FailedPreconditionError(
        Concat("it gets its keys by ", other, ", which is not supported here"));
  }
  return absl::NotFoundError("no keys");
}

}  // namespace

std::optional<std::string> ProcessEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

Task<absl::StatusOr<std::string>> ReadSmallFile(runtime::BlockingPool& pool,
                                                std::filesystem::path path) {
  const auto read = [&path] { return ReadBlocking(path); };
  co_return co_await pool.Run(read);
}

Task<absl::StatusOr<AwsCredentials>> EnvironmentCredentials::Fetch() {
  auto id = environment_("AWS_ACCESS_KEY_ID");
  auto secret = environment_("AWS_SECRET_ACCESS_KEY");
  auto token = environment_("AWS_SESSION_TOKEN");
  if (!id && !secret) co_return absl::NotFoundError("AWS_ACCESS_KEY_ID is not set");
  if (!id || !secret) {
    co_return absl::InvalidArgumentError(
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together, and one is not set");
  }
  co_return AwsCredentials{
      *std::move(id), Secret(*std::move(secret)), Secret(std::move(token).value_or("")), {}};
}

ProfileFiles ProfileFiles::From(const Environment& environment) {
  const std::filesystem::path home = environment("HOME").value_or("");
  const auto profile = environment("AWS_PROFILE");
  return {
      environment("AWS_SHARED_CREDENTIALS_FILE").value_or((home / ".aws" / "credentials").string()),
      environment("AWS_CONFIG_FILE").value_or((home / ".aws" / "config").string()),
      profile.value_or("default"), profile.has_value()};
}

Task<absl::StatusOr<AwsCredentials>> ProfileCredentials::Fetch() {
  const bool is_default = files_.profile == "default";
  auto found = co_await FetchFrom(files_.credentials, files_.profile);
  if (absl::IsNotFound(found.status())) {
    found = co_await FetchFrom(files_.config, is_default ? "default" : "profile " + files_.profile);
  }
  if (absl::IsNotFound(found.status()) && files_.named) {
    co_return absl::FailedPreconditionError(
        Concat("profile \"", files_.profile, "\" has no keys in ", files_.credentials.native(),
               " or ", files_.config.native()));
  }
  co_return found;
}

Task<absl::StatusOr<AwsCredentials>> ProfileCredentials::FetchFrom(std::filesystem::path path,
                                                                   std::string section) {
  CO_ASSIGN_OR_RETURN(const std::string text, co_await ReadSmallFile(pool_, path));
  const auto file = ParseIni(text);
  if (!file.ok()) co_return WithPrefix(file.status(), path.string());
  const auto found = file->find(section);
  if (found == file->end()) {
    co_return absl::NotFoundError(Concat("no [", section, "] in ", path.native()));
  }
  auto credentials = CredentialsOf(found->second);
  if (!credentials.ok()) {
    co_return WithPrefix(credentials.status(), Concat(path.native(), " [", section, "]"));
  }
  co_return credentials;
}

}  // namespace fetchd::objstore
