#include "http/head_parser.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cstring>

#include "base/strings.h"
#include "http/tokens.h"

namespace fetchd::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

using Error = HeadParser::Error;

constexpr std::string_view kPrefix = "HTTP/";
constexpr std::size_t kStatusLineSize = std::string_view("HTTP/1.1 200").size();

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

/// Stores what Beast finds. It never sees a body: skip() ends the message after the head.
class BeastHeadParser final : public beast::http::basic_parser<false> {
 public:
  BeastHeadParser(ResponseHead& head, std::size_t head_size) : head_(head) {
    header_limit(static_cast<std::uint32_t>(head_size + 1));
    eager(false);
    skip(true);
  }

 private:
  using ErrorCode = beast::error_code;
  using Text = beast::string_view;

  void on_request_impl(beast::http::verb, Text, Text, int, ErrorCode&) override {}
  void on_response_impl(int code, Text, int version, ErrorCode&) override {
    head_.status = code;
    head_.minor_version = version - 10;
  }
  void on_field_impl(beast::http::field field, Text name, Text value, ErrorCode&) override {
    // An empty Connection value is one that was not understood: then the connection is not trusted
    // further.
    const bool unclear = field == beast::http::field::connection && value.empty();
    head_.headers.Add(View(name), unclear ? std::string_view("close") : View(value));
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(Text body, ErrorCode&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, ErrorCode&) override {
    return body.size();
  }
  void on_finish_impl(ErrorCode&) override {}

  ResponseHead& head_;
};

Error Describe(const beast::error_code& error) {
  if (error == beast::http::error::bad_content_length) return "bad Content-Length";
  if (error == beast::http::error::multiple_content_length) return "differing Content-Length";
  if (error == beast::http::error::bad_transfer_encoding) return "bad Transfer-Encoding";
  return "a head that does not parse";
}

std::expected<void, Error> ParseWithBeast(std::string_view text, bool missing_space,
                                          ResponseHead& head) {
  BeastHeadParser parser(head, text.size() + 1);
  beast::error_code error;
  if (missing_space) {
    const std::array<asio::const_buffer, 3> pieces = {asio::buffer(text.substr(0, kStatusLineSize)),
                                                      asio::buffer(" ", 1),
                                                      asio::buffer(text.substr(kStatusLineSize))};
    parser.put(pieces, error);
  } else {
    parser.put(asio::buffer(text), error);
  }
  if (error) return std::unexpected(Describe(error));
  if (!parser.is_header_done()) return std::unexpected("a head that does not parse");
  return {};
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Fields that decide where the message ends, where it leads or what its bytes are.
bool MayNotFold(std::string_view name) {
  return EqualsIgnoreCase(name, "content-length") || EqualsIgnoreCase(name, "transfer-encoding") ||
         EqualsIgnoreCase(name, "location") || EqualsIgnoreCase(name, "content-range");
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
    head.headers.Reserve(line_at_, lines_);
    const auto parsed = ParseWithBeast({received.data(), line_at_}, missing_space_, head);
    if (!parsed) return std::unexpected(parsed.error());
    return line_at_;
  }
  searched_ = received.size();
  if (received.size() > limits_.max_bytes) return std::unexpected("a head that is too large");
  return 0;
}

/// True when the line is the empty one that ends the head.
std::expected<bool, Error> HeadParser::TakeLine(std::span<char> received, std::size_t line_end) {
  if (line_end == line_at_ || received[line_end - 1] != '\r') return std::unexpected("a bare LF");
  const std::string_view line(received.data() + line_at_, line_end - 1 - line_at_);
  if (!IsFieldValue(line)) return std::unexpected("a control byte in the head");
  if (line_at_ == 0) {
    const auto checked = CheckStatusLine(line);
    if (!checked) return std::unexpected(checked.error());
    return false;
  }
  const bool fold = line.starts_with(' ') || line.starts_with('\t');
  if (!fold && field_at_ != 0) SanitizeConnection(received);
  if (line.empty()) return true;
  if (++lines_ > limits_.max_fields) return std::unexpected("too many header fields");
  const auto checked = fold ? Unfold(received) : CheckFieldLine(line);
  if (!checked) return std::unexpected(checked.error());
  return false;
}

std::expected<void, Error> HeadParser::CheckStatusLine(std::string_view line) {
  if (!line.starts_with("HTTP/1.0 ") && !line.starts_with("HTTP/1.1 ")) {
    return std::unexpected("no HTTP/1.x status line");
  }
  const std::string_view status = line.substr(kStatusLineSize - 3);
  const bool three_digits = status.size() >= 3 && IsDigit(status[0]) && IsDigit(status[1]) &&
                            IsDigit(status[2]) && (status.size() == 3 || status[3] == ' ');
  if (!three_digits || status[0] < '1' || status[0] > '5') {
    return std::unexpected("a status outside 100..599");
  }
  missing_space_ = status.size() == 3;
  return {};
}

std::expected<void, Error> HeadParser::CheckFieldLine(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) {
    return std::unexpected("a field name that is no token");
  }
  field_at_ = line_at_;
  field_name_size_ = colon;
  return {};
}

std::expected<void, Error> HeadParser::Unfold(std::span<char> received) {
  if (field_at_ == 0) return std::unexpected("a fold on the first line");
  if (MayNotFold({received.data() + field_at_, field_name_size_})) {
    return std::unexpected("a folded framing field");
  }
  received[line_at_ - 2] = ' ';
  received[line_at_ - 1] = ' ';
  return {};
}

/// Called when the last field's lines are complete: at line_at_ the next one begins.
void HeadParser::SanitizeConnection(std::span<char> received) {
  const std::string_view name(received.data() + field_at_, field_name_size_);
  if (!EqualsIgnoreCase(name, "connection") && !EqualsIgnoreCase(name, "proxy-connection")) return;
  char* const value = received.data() + field_at_ + field_name_size_ + 1;
  char* const value_end = received.data() + line_at_ - 2;
  const std::string_view text =
      TrimWhitespace({value, static_cast<std::size_t>(value_end - value)});
  const beast::http::opt_token_list tokens(beast::string_view(text.data(), text.size()));
  if (!beast::http::validate_list(tokens)) std::fill(value, value_end, ' ');
}

}  // namespace fetchd::http
