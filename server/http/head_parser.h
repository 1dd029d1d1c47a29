// The head of a response, from bytes alone (RFC 9112 2 to 5).
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace fetchd::http {

struct HeadLimits {
  std::size_t max_bytes = 64 * 1024;
  std::size_t max_fields = 256;  ///< Field lines, continuation lines included.
};

/// Finds the end of one head and takes it apart line by line. One object parses one head.
///
/// Strict where leniency changes how a message is framed (bare CR or LF, control bytes, names that
/// are no token, whitespace before the colon, folded framing fields, versions, status range),
/// lenient where the web is (no reason phrase, folds elsewhere). Errors are texts with static
/// lifetime that say what is wrong.
class HeadParser {
 public:
  using Error = std::string_view;

  explicit HeadParser(HeadLimits limits = {}) : limits_(limits) {}

  /// `received` holds all bytes since the head's first one; between calls it may grow and move.
  /// Returns the size of the head with `head` filled in, or 0 when more bytes are needed. Rewrites
  /// bytes of `received`: a fold becomes spaces (RFC 9112 5.2).
  std::expected<std::size_t, Error> Feed(std::span<char> received, ResponseHead& head);

 private:
  std::expected<bool, Error> TakeLine(std::span<char> received, std::size_t line_end);
  std::expected<void, Error> TakeStatusLine(std::string_view line);
  std::expected<void, Error> TakeFieldLine(std::string_view head);
  std::expected<void, Error> Unfold(std::span<char> head);

  HeadLimits limits_;
  int status_ = 0;
  int minor_version_ = 1;
  std::vector<Headers::Field> fields_;  ///< Of the lines before line_at_.
  std::size_t lines_ = 0;               ///< After the status line.
  std::size_t line_at_ = 0;             ///< Where the line being received begins.
  std::size_t searched_ = 0;            ///< No LF in [line_at_, searched_).
};

}  // namespace fetchd::http
