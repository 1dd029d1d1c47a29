// A whole answer in memory: what stores, token and metadata services say beside the bytes of
// objects.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "http/client.h"

namespace fetchd::objstore {

struct Answer {
  int status = 0;
  http::Headers headers;
  std::string body;
  /// Of the body, or for HEAD of the one that GET would bring.
  std::optional<std::uint64_t> content_length;
};

/// The largest list that S3 sends: 1,000 uploads with keys of 1,024 characters, all encoded.
inline constexpr std::size_t kMostAnswerBytes = std::size_t{8} << 20;

/// Reads `response` to its end. DATA_LOSS: more than `most_bytes`; else as Body::Read fails.
Task<absl::StatusOr<Answer>> ReadAnswer(http::Response response,
                                        std::size_t most_bytes = kMostAnswerBytes);

/// Sends, and reads the answer.
Task<absl::StatusOr<Answer>> Ask(http::Client& client, http::Request request, http::Call call,
                                 std::size_t most_bytes = kMostAnswerBytes);

/// What a caller is told when there was no answer, `what` in front. Waits that ran out, connections
/// that broke and answers that were none are UNAVAILABLE, whatever they are to the client; what
/// another attempt does not change keeps its code. Reasons are kept.
absl::Status NoAnswer(const absl::Status& status, const std::string& what);
/// Whether another attempt may bring one.
bool MayPass(const absl::Status& status);

}  // namespace fetchd::objstore
