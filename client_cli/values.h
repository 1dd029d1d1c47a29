// Durations, sizes and pairs as people type and read them.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/byte_range.h"
#include "base/status.h"
#include "fetchd/v1/job.pb.h"

namespace fetchd::cli {

using Milliseconds = std::chrono::milliseconds;

/// "250ms", "10m", "1h30m", "2d": whole numbers with a unit (d, h, m, s, ms), larger units first,
/// each at most once, at most 36,500 days in all. INVALID_ARGUMENT otherwise.
absl::StatusOr<Milliseconds> ParseDuration(std::string_view text);

/// Bytes: "1048576", "1MiB" (KiB, MiB, GiB, TiB: powers of 1,024), "1MB" (kB, MB, GB, TB: powers of
/// 1,000). INVALID_ARGUMENT otherwise.
absl::StatusOr<std::uint64_t> ParseSize(std::string_view text);

/// "key<separator>value" split at the first separator; the key must not be empty.
absl::StatusOr<std::pair<std::string, std::string>> ParsePair(std::string_view text,
                                                              char separator);

/// "0-99", "100-": bytes from 0, both included. INVALID_ARGUMENT otherwise, also for curl's "-500"
/// (the last ones) and lists, which the service does not know.
absl::StatusOr<ByteRange> ParseRange(std::string_view text);
v1::ByteRange ToProto(const ByteRange& range);

/// With quotes where they were left out: v1 is "v1".
std::string EntityTag(std::string_view text);

/// "2026-01-31", "2026-01-31T12:00:00Z" or "Sat, 31 Jan 2026 12:00:00 GMT". INVALID_ARGUMENT
/// otherwise.
absl::StatusOr<google::protobuf::Timestamp> ParseTime(std::string_view text);
/// When the file of that name was modified; of a name that is no file, the time that it is.
absl::StatusOr<google::protobuf::Timestamp> TimeCondition(const std::string& text);

std::string FormatBytes(std::uint64_t bytes);       ///< "1.5 MiB"; below 1 KiB "17 B".
std::string FormatDuration(Milliseconds duration);  ///< "2h5m", "3m20s", "4.2s", "17ms".
std::string FormatDuration(const google::protobuf::Duration& duration);

google::protobuf::Duration ToProto(Milliseconds duration);

/// `text` from elsewhere, safe to print: control characters (terminal escapes, line ends) become
/// '?'.
std::string Printable(std::string_view text);

/// As it may be shown: without userinfo, nor the signatures in its query (base/signed_url.h).
std::string ShownUrl(std::string_view url);

}  // namespace fetchd::cli
