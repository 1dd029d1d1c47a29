#include "fetch/validate.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/signed_url.h"
#include "base/strings.h"
#include "http/message.h"

namespace fetchd::fetch {
namespace {

constexpr std::size_t kMaxUrls = 16;
constexpr std::size_t kMaxHeaders = 64;
constexpr std::size_t kMaxHeaderBytes = 16 << 10;
// S3's, which others share or exceed.
constexpr std::size_t kMaxObjectText = 1024;
constexpr std::size_t kMaxMetadata = 2048;
constexpr std::size_t kMaxTags = 10;
constexpr std::size_t kMaxTagKey = 128;
constexpr std::size_t kMaxTagValue = 256;
constexpr std::size_t kMaxLabels = 64;
constexpr std::size_t kMaxLabelKey = 63;
constexpr std::size_t kMaxLabelValue = 255;
constexpr std::size_t kMaxEntityTags = 16;
constexpr std::size_t kMaxEntityTagBytes = 1024;
constexpr std::uint64_t kLastByte = std::uint64_t{1} << 62;  // Sums of two fit.
constexpr int kMaxAttempts = 100;
constexpr std::uint64_t kSlowest = 1024;  // Bytes a second.
constexpr int kMaxRedirects = 30;
constexpr int kMaxPriority = 100;
constexpr Duration kLongestTimeout = std::chrono::hours(24 * 7);

absl::Status Wrong(const std::string& field, const std::string& description) {
  return WithField(absl::InvalidArgumentError(Concat(field, ": ", description)),
                   {field, description});
}

absl::Status Wrong(const std::string& field, const absl::Status& status) {
  return Wrong(field, MessageOf(status));
}

std::string Indexed(std::string_view field, std::size_t index) {
  return Concat(field, '[', index, ']');
}

// How a store is asked is its configuration's to say.
absl::Status CheckObjectSource(const jobs::FetchSpec& spec) {
  constexpr char kWhy[] = "a store of objects is asked as stores.<name> says: leave this out";
  if (!spec.headers.empty()) return Wrong("spec.headers", kWhy);
  if (!std::holds_alternative<std::monostate>(spec.credentials)) {
    return Wrong("spec.credentials", kWhy);
  }
  if (!spec.proxy.empty()) return Wrong("spec.proxy", kWhy);
  return spec.tls_profile.empty() ? absl::OkStatus() : Wrong("spec.tls_profile", kWhy);
}

absl::Status CheckUrls(const jobs::FetchSpec& spec, UrlOptions options) {
  if (spec.urls.empty()) return Wrong("spec.urls", "give at least one URL");
  if (spec.urls.size() > kMaxUrls) {
    return Wrong("spec.urls", Concat("at most ", kMaxUrls, " URLs"));
  }
  for (std::size_t i = 0; i < spec.urls.size(); ++i) {
    const absl::StatusOr<Url> url = Url::ParseSource(spec.urls[i], options);
    if (!url.ok()) return Wrong(Indexed("spec.urls", i), url.status());
    if (HasHiddenSignature(spec.urls[i])) {
      return Wrong(
          Indexed("spec.urls", i),
          "its signature is \"[redacted]\", as fetchd shows it: give the URL with its own");
    }
    if (i == 0 && url->names_object()) RETURN_IF_ERROR(CheckObjectSource(spec));
  }
  return absl::OkStatus();
}

absl::Status CheckHeaders(const jobs::FetchSpec& spec) {
  if (spec.headers.size() > kMaxHeaders) {
    return Wrong("spec.headers", Concat("at most ", kMaxHeaders, " headers"));
  }
  const bool has_credentials = !std::holds_alternative<std::monostate>(spec.credentials);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < spec.headers.size(); ++i) {
    const jobs::RequestHeader& header = spec.headers[i];
    const absl::Status valid = http::ValidateHeader(header.name, header.value.Reveal());
    if (!valid.ok()) return Wrong(Indexed("spec.headers", i), valid);
    if (has_credentials && EqualsIgnoreCase(header.name, "Authorization")) {
      return Wrong(Indexed("spec.headers", i),
                   "Authorization is given twice: leave it to credentials");
    }
    bytes += header.name.size() + header.value.Reveal().size();
  }
  if (bytes > kMaxHeaderBytes) {
    return Wrong("spec.headers", Concat("at most ", kMaxHeaderBytes, " bytes in all"));
  }
  return absl::OkStatus();
}

absl::Status CheckLogin(const std::string& field, const std::string& username,
                        const Secret& password) {
  // RFC 7617 2: the first colon ends the user name; in what Digest hashes, too.
  if (username.contains(':')) {
    return Wrong(Concat(field, ".username"), "a user name cannot hold a colon");
  }
  if (HasControl(username) || HasControl(password.Reveal())) {
    return Wrong(field, "control character: remove it");
  }
  return absl::OkStatus();
}

absl::Status CheckCredentials(const jobs::FetchSpec& spec) {
  const jobs::Credentials& credentials = spec.credentials;
  if (const auto* basic = std::get_if<jobs::BasicCredentials>(&credentials)) {
    return CheckLogin("spec.credentials.basic", basic->username, basic->password);
  }
  if (const auto* digest = std::get_if<jobs::DigestCredentials>(&credentials)) {
    return CheckLogin("spec.credentials.digest", digest->username, digest->password);
  }
  if (const auto* bearer = std::get_if<jobs::BearerCredentials>(&credentials)) {
    const std::string& token = bearer->token.Reveal();
    if (!spec.credentials_secret.empty()) return absl::OkStatus();
    if (token.empty() || HasControl(token) || token.contains(' ')) {
      return Wrong("spec.credentials.bearer_token",
                   "give a token without spaces or control characters");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBody(const jobs::FetchSpec& spec) {
  for (std::size_t i = 0; i < spec.digests.size(); ++i) {
    const auto same = [&](const Digest& other) {
      return other.algorithm == spec.digests[i].algorithm;
    };
    if (std::ranges::count_if(spec.digests, same) > 1) {
      return Wrong(Indexed("spec.digests", i), "at most one digest an algorithm");
    }
  }
  if (spec.method == jobs::Method::kHead && (!spec.digests.empty() || spec.expected_size)) {
    return Wrong("spec.method",
                 "HEAD brings no body to check: use GET, or leave digests and size out");
  }
  if (spec.max_bytes && *spec.max_bytes == 0) {
    return Wrong("spec.max_bytes", "must be positive; leave it out for the server's limit");
  }
  if (spec.max_bytes_per_sec && *spec.max_bytes_per_sec < kSlowest) {
    return Wrong("spec.max_bytes_per_sec",
                 Concat("must be at least ", kSlowest, "; leave it out for no limit"));
  }
  if (spec.max_bytes && spec.expected_size && *spec.expected_size > *spec.max_bytes) {
    return Wrong("spec.expected_size", "is larger than max_bytes");
  }
  return absl::OkStatus();
}

/// RFC 9110 8.8.3: an opaque-tag, with or without "W/".
bool IsEntityTag(std::string_view tag) {
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() < 2 || tag.front() != '"' || tag.back() != '"') return false;
  tag = tag.substr(1, tag.size() - 2);
  return std::ranges::all_of(tag, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f && byte != '"';
  });
}

absl::Status CheckConditions(const jobs::FetchSpec& spec) {
  if (spec.if_none_match.size() > kMaxEntityTags) {
    return Wrong("spec.if_none_match", Concat("at most ", kMaxEntityTags, " entity tags"));
  }
  for (std::size_t i = 0; i < spec.if_none_match.size(); ++i) {
    const std::string& tag = spec.if_none_match[i];
    if (IsEntityTag(tag) && tag.size() <= kMaxEntityTagBytes) continue;
    return Wrong(Indexed("spec.if_none_match", i),
                 Concat("give an entity tag with its quotes, of at most ", kMaxEntityTagBytes,
                        " bytes: \"v1\" or W/\"v1\""));
  }
  return absl::OkStatus();
}

absl::Status CheckRange(const jobs::FetchSpec& spec) {
  if (!spec.range) return absl::OkStatus();
  const std::uint64_t last = spec.range->last.value_or(spec.range->first);
  if (last < spec.range->first) return Wrong("spec.range.last", "is before first");
  if (last > kLastByte) return Wrong("spec.range", "no body has that many bytes");
  if (spec.method == jobs::Method::kHead) {
    return Wrong("spec.range", "HEAD brings no body: use GET, or leave the range out");
  }
  if (spec.decode) {
    return Wrong("spec.range", "a range is of the bytes as they are sent: leave decode out");
  }
  return absl::OkStatus();
}

absl::Status CheckDuration(const std::string& field, const std::optional<Duration>& value,
                           Duration shortest) {
  if (!value || (*value >= shortest && *value <= kLongestTimeout)) return absl::OkStatus();
  return Wrong(field, "must be positive and at most 7 days");
}

absl::Status CheckTimes(const jobs::FetchSpec& spec) {
  constexpr Duration kShortest = std::chrono::milliseconds(1);
  const jobs::TimeoutOverrides& timeouts = spec.timeouts;
  RETURN_IF_ERROR(CheckDuration("spec.timeouts.dns", timeouts.dns, kShortest));
  RETURN_IF_ERROR(CheckDuration("spec.timeouts.connect", timeouts.connect, kShortest));
  RETURN_IF_ERROR(CheckDuration("spec.timeouts.proxy", timeouts.proxy, kShortest));
  RETURN_IF_ERROR(CheckDuration("spec.timeouts.tls", timeouts.tls, kShortest));
  RETURN_IF_ERROR(CheckDuration("spec.timeouts.first_byte", timeouts.first_byte, kShortest));
  RETURN_IF_ERROR(CheckDuration("spec.timeouts.read_idle", timeouts.read_idle, kShortest));
  RETURN_IF_ERROR(CheckDuration("spec.timeouts.total", timeouts.total, kShortest));
  RETURN_IF_ERROR(
      CheckDuration("spec.retry_policy.base_delay", spec.retry.base_delay, Duration::zero()));
  RETURN_IF_ERROR(
      CheckDuration("spec.retry_policy.max_delay", spec.retry.max_delay, Duration::zero()));
  if (spec.retry.max_attempts &&
      (*spec.retry.max_attempts < 1 || *spec.retry.max_attempts > kMaxAttempts)) {
    return Wrong("spec.retry_policy.max_attempts", Concat("must be 1 to ", kMaxAttempts));
  }
  if (spec.max_redirects && (*spec.max_redirects < 0 || *spec.max_redirects > kMaxRedirects)) {
    return Wrong("spec.max_redirects", Concat("must be 0 to ", kMaxRedirects));
  }
  return absl::OkStatus();
}

bool IsLabelKeyChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::string_view("._/-").contains(c);
}

absl::Status CheckLabels(const std::map<std::string, std::string>& labels) {
  if (labels.size() > kMaxLabels) return Wrong("labels", Concat("at most ", kMaxLabels, " labels"));
  for (const auto& [key, value] : labels) {
    if (key.empty() || key.size() > kMaxLabelKey || !std::ranges::all_of(key, IsLabelKeyChar)) {
      return Wrong("labels", "keys are 1 to 63 of a-z, 0-9, '.', '_', '/' and '-'");
    }
    if (value.size() > kMaxLabelValue || HasControl(value)) {
      return Wrong(Concat("labels[", key, ']'), "values are at most 255 printable bytes");
    }
  }
  return absl::OkStatus();
}

// What every store takes as the value of a header.
bool IsObjectText(std::string_view value) {
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  const bool trimmed = value.empty() || (value.front() != ' ' && value.back() != ' ');
  return value.size() <= kMaxObjectText && trimmed && std::ranges::all_of(value, printable);
}

absl::Status CheckObjectText(std::string_view field, std::string_view value) {
  if (IsObjectText(value)) return absl::OkStatus();
  return Wrong(Concat("object.", field),
               "at most 1024 printable ASCII characters, no space at either end");
}

bool IsMetadataChar(char c) { return IsLabelKeyChar(AsciiLower(c)) && c != '/'; }

absl::Status CheckObject(const jobs::ObjectSettings& object) {
  RETURN_IF_ERROR(CheckObjectText("content_type", object.content_type));
  RETURN_IF_ERROR(CheckObjectText("content_disposition", object.content_disposition));
  RETURN_IF_ERROR(CheckObjectText("cache_control", object.cache_control));
  RETURN_IF_ERROR(CheckObjectText("storage_class", object.storage_class));
  std::size_t metadata_bytes = 0;
  std::set<std::string> names;
  for (const auto& [name, value] : object.metadata) {
    const bool named = !name.empty() && std::ranges::all_of(name, IsMetadataChar);
    if (!named || !names.insert(AsciiLower(name)).second) {
      return Wrong(Concat("object.metadata[", name, ']'),
                   "names are of letters, digits, '.', '_' and '-', and differ not by case alone");
    }
    RETURN_IF_ERROR(CheckObjectText(Concat("metadata[", name, ']'), value));
    metadata_bytes += name.size() + value.size();
  }
  if (metadata_bytes > kMaxMetadata) return Wrong("object.metadata", "at most 2048 bytes together");
  if (object.tags.size() > kMaxTags) return Wrong("object.tags", "at most 10");
  for (const auto& [key, value] : object.tags) {
    if (key.empty() || key.size() > kMaxTagKey || value.size() > kMaxTagValue || HasControl(key) ||
        HasControl(value)) {
      return Wrong(Concat("object.tags[", key, ']'),
                   "keys are 1 to 128 printable bytes, values at most 256");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateSpec(const jobs::FetchSpec& spec, UrlOptions options) {
  RETURN_IF_ERROR(CheckUrls(spec, options));
  RETURN_IF_ERROR(CheckHeaders(spec));
  RETURN_IF_ERROR(CheckCredentials(spec));
  RETURN_IF_ERROR(CheckBody(spec));
  RETURN_IF_ERROR(CheckConditions(spec));
  RETURN_IF_ERROR(CheckRange(spec));
  return CheckTimes(spec);
}

absl::Status ValidateOffset(const jobs::FetchSpec& spec, std::uint64_t offset) {
  if (offset == 0) return absl::OkStatus();
  if (offset > kLastByte) return Wrong("offset", "no body has so many bytes");
  if (spec.decode) {
    return Wrong("offset", "a body that is decoded has to be fetched from its first byte");
  }
  const auto size = spec.range ? spec.range->size() : std::nullopt;
  if (!size || offset < *size) return absl::OkStatus();
  return Wrong("offset", Concat("the range has ", *size, " bytes: begin before its end"));
}

absl::Status ValidateJob(const jobs::Job& job, UrlOptions options, WallTime now) {
  RETURN_IF_ERROR(ValidateSpec(job.spec, options));
  RETURN_IF_ERROR(CheckLabels(job.labels));
  RETURN_IF_ERROR(CheckObject(job.object));
  if (job.priority < -kMaxPriority || job.priority > kMaxPriority) {
    return Wrong("priority", "must be -100 to 100");
  }
  if (!jobs::IsTenantName(job.tenant)) {
    return Wrong("tenant",
                 "must be 1 to 63 of a-z, 0-9, '.', '_' and '-', a letter or a digit first");
  }
  if (job.deadline_at <= now) return Wrong("deadline", "lies in the past");
  if (job.deadline_at <= job.ready_at) {
    return Wrong("deadline", "comes before not_before: the job could never run");
  }
  return absl::OkStatus();
}

}  // namespace fetchd::fetch
