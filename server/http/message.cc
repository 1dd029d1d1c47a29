#include "http/message.h"

#include <absl/status/status.h>

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "http/tokens.h"

namespace fetchd::http {

std::uint64_t SizeOf(const BorrowedBytes& bytes) {
  std::uint64_t size = 0;
  for (const std::span<const std::byte> block : bytes) size += block.size();
  return size;
}

namespace {

struct Refusal {
  std::string_view name;  ///< Lower case; a trailing '*' stands for any end.
  std::string_view why;
};

constexpr std::string_view kFraming = "the client decides how messages are framed";
constexpr std::string_view kConnection = "the client manages its connections";
constexpr std::string_view kMetadata = "it speaks to cloud metadata services";

constexpr auto kRefused = std::to_array<Refusal>({
    {"host", "it is taken from the URL; put the host there"},
    {"content-length", kFraming},
    {"transfer-encoding", kFraming},
    {"te", kFraming},
    {"trailer", kFraming},
    {"connection", kConnection},
    {"keep-alive", kConnection},
    {"upgrade", kConnection},
    {"proxy-*", "proxies are named in the server's configuration"},
    {"expect", "requests have no body"},
    {"range", "use the byte range field of the request"},
    {"if-range", "resuming is the client's business; use the byte range field"},
    {"if-none-match", "use the if_none_match field of the request"},
    {"if-modified-since", "use the if_modified_since field of the request"},
    {"accept-encoding", "use the decoding field of the request"},
    {"metadata", kMetadata},
    {"metadata-flavor", kMetadata},
    {"x-aws-ec2-metadata-token*", kMetadata},
});

bool Matches(std::string_view pattern, std::string_view name) {
  if (pattern.ends_with('*')) {
    pattern.remove_suffix(1);
    return EqualsIgnoreCase(name.substr(0, pattern.size()), pattern);
  }
  return EqualsIgnoreCase(name, pattern);
}

}  // namespace

void Headers::Add(std::string_view name, std::string_view value) {
  const auto name_at = static_cast<std::uint32_t>(text_.size());
  text_.append(name).append(value);
  const auto name_size = static_cast<std::uint32_t>(name.size());
  fields_.push_back(
      {name_at, name_size, name_at + name_size, static_cast<std::uint32_t>(value.size())});
}

std::pair<std::string_view, std::string_view> Headers::at(std::size_t index) const {
  const Field& field = fields_.at(index);
  const std::string_view text = text_;
  return {text.substr(field.name_at, field.name_size),
          text.substr(field.value_at, field.value_size)};
}

std::string_view Headers::Get(std::string_view name) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].name_size != name.size()) continue;
    const auto [field_name, value] = at(i);
    if (EqualsIgnoreCase(field_name, name)) return value;
  }
  return {};
}

std::size_t Headers::Count(std::string_view name) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].name_size == name.size() && EqualsIgnoreCase(at(i).first, name)) ++count;
  }
  return count;
}

absl::Status ValidateHeader(std::string_view name, std::string_view value) {
  if (!IsToken(name)) {
    return absl::InvalidArgumentError(
        "a header name must be a token: letters, digits and !#$%&'*+-.^_`|~");
  }
  if (!IsFieldValue(value)) {
    return absl::InvalidArgumentError(
        Concat("the value of header ", name, " holds a control character; remove it"));
  }
  if (value != TrimWhitespace(value)) {
    return absl::InvalidArgumentError(
        Concat("the value of header ", name, " begins or ends with whitespace; trim it"));
  }
  const auto* refusal = std::ranges::find_if(
      kRefused, [&](const Refusal& candidate) { return Matches(candidate.name, name); });
  if (refusal != kRefused.end()) {
    return absl::InvalidArgumentError(Concat("header ", name, " may not be set: ", refusal->why));
  }
  return absl::OkStatus();
}

}  // namespace fetchd::http
