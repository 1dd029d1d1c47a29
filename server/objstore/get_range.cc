#include "objstore/get_range.h"

#include <utility>

#include "base/byte_range.h"
#include "base/strings.h"

namespace fetchd::objstore {

void AskFrom(std::uint64_t offset, const std::string& if_match, StoreOperation& get) {
  if (offset != 0) get.headers.push_back({"Range", Concat("bytes=", offset, '-')});
  if (!if_match.empty()) get.headers.push_back({"If-Match", if_match});
  get.streamed = true;
}

absl::StatusOr<http::Response> CheckedBody(StoreReply reply, std::uint64_t offset,
                                           const std::string& what) {
  if (absl::IsAlreadyExists(reply.status)) {
    return absl::NotFoundError(Concat(what, ": the object is another by now"));
  }
  if (!reply.status.ok()) return reply.status;
  const http::ResponseHead& head = reply.response->head;
  if (offset == 0) return *std::move(reply.response);
  const auto range = ParseContentRange(head.headers.Get("Content-Range"));
  if (head.status != 206 || !range || !range->range || range->range->first != offset) {
    return absl::DataLossError(Concat(what, ": asked for what is behind ", offset,
                                      " bytes, and was answered with another part"));
  }
  return *std::move(reply.response);
}

absl::Status NoLength(const std::string& what) {
  return absl::DataLossError(Concat(what, ": the answer does not say how long it is"));
}

}  // namespace fetchd::objstore
