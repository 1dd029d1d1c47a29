// The bodies of S3's answers (Amazon S3 API Reference), and the one body that we send.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "objstore/object_store.h"

namespace fetchd::objstore {

/// <Error>: what it says, unchecked; what it does not say is empty.
struct S3ErrorBody {
  std::string code;
  std::string message;
  std::string request_id;
  std::string host_id;
  std::string region;       ///< Of AuthorizationHeaderMalformed.
  std::string endpoint;     ///< Of redirects.
  std::string server_time;  ///< Of RequestTimeTooSkewed: ISO 8601.
};

struct CompletedUpload {
  std::string etag;  ///< Empty where the store does not say.
};

/// One page; `next` asks for the one behind it.
struct PartsPage {
  std::vector<Part> parts;
  std::optional<int> next;  ///< part-number-marker
};

struct UploadsPage {
  struct Marker {
    std::string key, id;
    friend auto operator<=>(const Marker&, const Marker&) = default;
  };
  std::vector<Upload> uploads;
  std::optional<Marker> next;
};

/// nullopt: not an <Error>, or not XML.
std::optional<S3ErrorBody> ReadError(std::string_view body);

// DATA_LOSS: not what such an answer is.

absl::StatusOr<std::string> ReadBegunUpload(std::string_view body);  ///< Its id, never empty.
absl::StatusOr<CompletedUpload> ReadCompletedUpload(std::string_view body);
absl::StatusOr<PartsPage> ReadParts(std::string_view body);
/// `encoded`: encoding-type=url was asked for; some stores do it and do not say so.
absl::StatusOr<UploadsPage> ReadUploads(std::string_view body, bool encoded);

/// ISO 8601 in UTC, as S3 writes times: "2015-08-30T12:36:00.000Z" and "20150830T123600Z".
std::optional<WallTime> ParseS3Time(std::string_view text);

/// <CompleteMultipartUpload>
std::string ComposeCompletion(const std::vector<Part>& parts);

}  // namespace fetchd::objstore
