// What `get` and `submit` may say of a fetch, under curl's names where it has them.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/byte_range.h"
#include "cli/command_line.h"
#include "fetchd/v1/job.pb.h"

namespace fetchd::cli {

struct FetchFlags {
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::pair<std::string, std::string>> header_secrets;  ///< Named, of the service.
  std::string user, user_file, password_file, password_secret;
  std::string bearer_token, bearer_file, bearer_secret;
  bool digest = false, basic = false;
  v1::FetchSpec::Share share = v1::FetchSpec::SHARE_UNSPECIFIED;
  bool compressed = false;
  std::optional<ByteRange> range;
  std::optional<std::uint64_t> max_bytes_per_sec;
  std::vector<std::string> entity_tags;  ///< With their quotes.
  std::string etag_file;
  std::optional<google::protobuf::Timestamp> modified_since;
  std::string tls_profile, proxy;
};

/// Adds the flags; `flags` outlives `app`.
void AddFetchFlags(CLI::App* app, FetchFlags& flags);

/// What the flags say, with the secrets of the files and the environment that they name.
/// INVALID_ARGUMENT when one of these cannot be read, or says too little.
absl::StatusOr<v1::FetchSpec> ReadFetchFlags(const FetchFlags& flags, const Getenv& getenv);

/// What `flags` say and `spec` does not. Headers are added.
void FillIn(const v1::FetchSpec& flags, v1::FetchSpec& spec);

}  // namespace fetchd::cli
