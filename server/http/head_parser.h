// The head of a response, from bytes alone (RFC 9112 2 to 5).
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string_view>

#include "http/message.h"

namespace fetchd::http {

struct HeadLimits {
  std::size_t max_bytes = 64 * 1024;
  std::size_t max_fields = 256;  ///< Field lines, continuation lines included.
};

/// Finds the end of one head, checks its raw bytes line by line, then lets Boost.Beast parse it.
/// One object parses one head.
///
/// Stricter than Beast where leniency changes how a message is framed (bare CR or LF, control
/// bytes, folded framing fields, versions, status range), and more lenient where Beast refuses what
/// the web sends (no reason phrase, odd Connection values). Errors are texts with static lifetime
/// that say what is wrong.
class HeadParser {
 public:
  using Error = std::string_view;

  explicit HeadParser(HeadLimits limits = {}) : limits_(limits) {}

  /// `received` holds all bytes since the head's first one; between calls it may grow and move.
  /// Returns the size of the head with `head` filled in, or 0 when more bytes are needed. Rewrites
  /// bytes of `received`: a fold becomes spaces (RFC 9112 5.2), and a Connection value that is no
  /// token list becomes empty.
  std::expected<std::size_t, Error> Feed(std::span<char> received, ResponseHead& head);

 private:
  std::expected<bool, Error> TakeLine(std::span<char> received, std::size_t line_end);
  std::expected<void, Error> CheckStatusLine(std::string_view line);
  std::expected<void, Error> CheckFieldLine(std::string_view line);
  std::expected<void, Error> Unfold(std::span<char> received);
  void SanitizeConnection(std::span<char> received);

  HeadLimits limits_;
  std::size_t line_at_ = 0;   ///< Where the line being received begins.
  std::size_t searched_ = 0;  ///< No LF in [line_at_, searched_).
  std::size_t field_at_ = 0;  ///< The last field's beginning; 0 = still the status line.
  std::size_t field_name_size_ = 0;
  std::size_t lines_ = 0;
  bool missing_space_ = false;  ///< "HTTP/1.1 200" CRLF: Beast wants the SP.
};

}  // namespace fetchd::http
