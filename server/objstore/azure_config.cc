#include "objstore/azure_config.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "base/url_text.h"

namespace fetchd::objstore {
namespace {

constexpr std::size_t kMostSegments = 254;

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

absl::Status CheckAccount(std::string_view account) {
  if (account.size() >= 3 && account.size() <= 24 && std::ranges::all_of(account, IsLowerOrDigit)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("account: 3 to 24 lower-case letters and digits");
}

absl::Status CheckContainer(std::string_view name) {
  const bool characters =
      std::ranges::all_of(name, [](char c) { return IsLowerOrDigit(c) || c == '-'; });
  const bool dashes =
      name.find("--") == std::string_view::npos && !name.starts_with('-') && !name.ends_with('-');
  if (name.size() >= 3 && name.size() <= 63 && characters && dashes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("\"", name.substr(0, 63),
             "\" is not the name of a container: 3 to 63 lower-case letters, digits and single '-' "
             "between them"));
}

}  // namespace

absl::StatusOr<AzureAccess> AccountKeyAccess(const Secret& text) {
  std::optional<std::string> key = Base64Decode(TrimWhitespace(text.Reveal()));
  if (key && !key->empty()) return AzureAccess{Secret(*std::move(key)), Secret()};
  return absl::InvalidArgumentError("the account's key is Base64, in one line");
}

absl::StatusOr<AzureAccess> SasTokenAccess(const Secret& text) {
  std::string_view token = TrimWhitespace(text.Reveal());
  if (token.starts_with('?')) token.remove_prefix(1);
  const bool characters =
      std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  const bool is_signed = token.starts_with("sig=") || token.find("&sig=") != std::string_view::npos;
  if (characters && is_signed) return AzureAccess{Secret(), Secret(std::string(token))};
  return absl::InvalidArgumentError(
      "a shared access signature is the query of a URL in one line: \"sv=...&sig=...\"");
}

absl::Status Check(const AzureConfig& config) {
  RETURN_IF_ERROR(CheckAccount(config.account));
  const bool has_query =
      config.endpoint && config.endpoint->path().size() != config.endpoint->target().size();
  return has_query ? absl::InvalidArgumentError("endpoint: without a query") : absl::OkStatus();
}

absl::StatusOr<Url> AzureEndpoint(const std::string& account) {
  RETURN_IF_ERROR(CheckAccount(account));
  return Url::Parse(Concat("https://", account, ".blob.core.windows.net"));
}

absl::Status CheckBlobName(const std::string& key) {
  RETURN_IF_ERROR(CheckKey(key));
  if (key.find('\\') != std::string::npos) {
    return absl::InvalidArgumentError("Azure would make '/' of the '\\' in the blob's name");
  }
  if (HasControl(key)) {
    return absl::InvalidArgumentError("Azure takes no control characters in a blob's name");
  }
  std::size_t segments = 0;
  std::string_view rest = key;
  while (!rest.empty()) {
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(segment.size() + 1, rest.size()));
    ++segments;
    if (!segment.ends_with('.')) continue;
    return absl::InvalidArgumentError(
        "Azure would not keep the blob's name: no part of it between '/' may end in '.'");
  }
  if (segments <= kMostSegments) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("Azure takes no more than ", kMostSegments, " parts between '/' in a blob's name"));
}

absl::StatusOr<Url> AzureUrlFor(const AzureConfig& config, const std::string& container,
                                const std::string& key, const std::string& query) {
  RETURN_IF_ERROR(CheckContainer(container));
  RETURN_IF_ERROR(CheckBlobName(key));
  absl::StatusOr<Url> endpoint = config.endpoint ? *config.endpoint : AzureEndpoint(config.account);
  if (!endpoint.ok()) return endpoint.status();
  std::string target(endpoint->path());
  if (target.ends_with('/')) target.pop_back();
  target += Concat('/', container, '/', PercentEncode(key, UrlPart::kSegments));
  if (!query.empty()) target += Concat('?', query);
  return endpoint->WithExactTarget(std::move(target));
}

}  // namespace fetchd::objstore
