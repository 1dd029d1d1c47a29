#include "http/head_parser.h"

#include <cstring>
#include <utility>

#include "base/strings.h"
#include "http/tokens.h"

namespace fetchd::http {
namespace {

using Error = HeadParser::Error;

constexpr std::string_view kPrefix = "HTTP/";
constexpr std::size_t kStatusAt = std::string_view("HTTP/1.1 ").size();
constexpr std::size_t kUsualFields = 16;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Fields that decide where the message ends, where it leads or what its bytes are.
bool MayNotFold(std::string_view name) {
  return EqualsIgnoreCase(name, "content-length") || EqualsIgnoreCase(name, "transfer-encoding") ||
         EqualsIgnoreCase(name, "location") || EqualsIgnoreCase(name, "content-range");
}

/// The field whose name begins at `name_at`, and whose value ends before `end`.
Headers::Field FieldOf(std::string_view head, std::size_t name_at, std::size_t name_size,
                       std::size_t end) {
  std::size_t value_at = name_at + name_size + 1;
  const std::string_view value = TrimWhitespace(head.substr(value_at, end - value_at));
  if (!value.empty()) value_at = static_cast<std::size_t>(value.data() - head.data());
  return {static_cast<std::uint32_t>(name_at), static_cast<std::uint32_t>(name_size),
          static_cast<std::uint32_t>(value_at), static_cast<std::uint32_t>(value.size())};
}

}  // namespace

std::expected<std::size_t, Error> HeadParser::Feed(std::span<char> received, ResponseHead& head) {
  if (received.empty()) return 0;
  const std::size_t prefix = std::min(received.size(), kPrefix.size());
  if (std::memcmp(received.data(), kPrefix.data(), prefix) != 0) {
    return std::unexpected(received[0] == '\r' || received[0] == '\n'
                               ? "an empty line before the head"
                               : "no HTTP/1.x status line");
  }
  while (searched_ < received.size()) {
    const void* found = std::memchr(received.data() + searched_, '\n', received.size() - searched_);
    if (found == nullptr) break;
    const auto line_end =
        static_cast<std::size_t>(static_cast<const char*>(found) - received.data());
    if (line_end >= limits_.max_bytes) return std::unexpected("a head that is too large");
    const auto last = TakeLine(received, line_end);
    if (!last) return std::unexpected(last.error());
    line_at_ = searched_ = line_end + 1;
    if (!*last) continue;
    head.status = status_;
    head.minor_version = minor_version_;
    head.headers = Headers({received.data(), line_at_}, std::move(fields_));
    return line_at_;
  }
  searched_ = received.size();
  if (received.size() > limits_.max_bytes) return std::unexpected("a head that is too large");
  return 0;
}

/// True when the line is the empty one that ends the head.
std::expected<bool, Error> HeadParser::TakeLine(std::span<char> received, std::size_t line_end) {
  if (line_end == line_at_ || received[line_end - 1] != '\r') return std::unexpected("a bare LF");
  const std::span<char> head = received.first(line_end - 1);
  const std::string_view text(head.data(), head.size());
  const std::string_view line = text.substr(line_at_);
  if (!IsFieldValue(line)) return std::unexpected("a control byte in the head");
  std::expected<void, Error> taken;
  if (line_at_ == 0) {
    taken = TakeStatusLine(line);
  } else if (line.empty()) {
    return true;
  } else if (++lines_ > limits_.max_fields) {
    return std::unexpected("too many header fields");
  } else if (line.starts_with(' ') || line.starts_with('\t')) {
    taken = Unfold(head);
  } else {
    taken = TakeFieldLine(text);
  }
  if (!taken) return std::unexpected(taken.error());
  return false;
}

std::expected<void, Error> HeadParser::TakeStatusLine(std::string_view line) {
  if (!line.starts_with("HTTP/1.0 ") && !line.starts_with("HTTP/1.1 ")) {
    return std::unexpected("no HTTP/1.x status line");
  }
  minor_version_ = line[kStatusAt - 2] - '0';
  const std::string_view status = line.substr(kStatusAt);
  const bool three_digits = status.size() >= 3 && IsDigit(status[0]) && IsDigit(status[1]) &&
                            IsDigit(status[2]) && (status.size() == 3 || status[3] == ' ');
  if (!three_digits || status[0] < '1' || status[0] > '5') {
    return std::unexpected("a status outside 100..599");
  }
  status_ = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
  fields_.reserve(kUsualFields);
  return {};
}

std::expected<void, Error> HeadParser::TakeFieldLine(std::string_view head) {
  const std::string_view line = head.substr(line_at_);
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) {
    return std::unexpected("a field name that is no token");
  }
  fields_.push_back(FieldOf(head, line_at_, colon, head.size()));
  return {};
}

/// Makes the last line of `head` part of the last field's value.
std::expected<void, Error> HeadParser::Unfold(std::span<char> head) {
  if (fields_.empty()) return std::unexpected("a fold on the first line");
  Headers::Field& field = fields_.back();
  const std::string_view text(head.data(), head.size());
  if (MayNotFold(text.substr(field.name_at, field.name_size))) {
    return std::unexpected("a folded framing field");
  }
  head[line_at_ - 2] = ' ';
  head[line_at_ - 1] = ' ';
  // From the new line alone: a head of folds must not be read once more for each of them.
  const std::string_view more = TrimWhitespace(text.substr(line_at_));
  if (more.empty()) return {};
  const auto more_at = static_cast<std::uint32_t>(more.data() - text.data());
  if (field.value_size == 0) field.value_at = more_at;
  field.value_size = more_at + static_cast<std::uint32_t>(more.size()) - field.value_at;
  return {};
}

}  // namespace fetchd::http
