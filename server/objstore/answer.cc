#include "objstore/answer.h"

#include <array>
#include <utility>

#include "base/strings.h"

namespace fetchd::objstore {

Task<absl::StatusOr<Answer>> ReadAnswer(http::Response response, std::size_t most_bytes) {
  Answer answer{
      response.head.status, std::move(response.head.headers), {}, response.content_length};
  std::array<std::byte, 16384> buffer;
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::size_t size, co_await response.body->Read(buffer));
    if (size == 0) co_return answer;
    if (size > most_bytes - answer.body.size()) {
      co_return absl::DataLossError(Concat("an answer of more than ", most_bytes, " bytes"));
    }
    answer.body.append(reinterpret_cast<const char*>(buffer.data()), size);
  }
}

Task<absl::StatusOr<Answer>> Ask(http::Client& client, http::Request request, http::Call call,
                                 std::size_t most_bytes) {
  auto response = co_await client.Send(std::move(request), call);
  if (!response.ok()) co_return response.status();
  co_return co_await ReadAnswer(*std::move(response), most_bytes);
}

bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kDataLoss:           // Not HTTP, or cut short.
    case absl::StatusCode::kResourceExhausted:  // Too many wait for a connection.
    case absl::StatusCode::kNotFound:           // The name of the host, not of an object.
      return true;
    default:
      return false;
  }
}

absl::Status NoAnswer(const absl::Status& status, const std::string& what) {
  const absl::StatusCode code = MayPass(status) ? absl::StatusCode::kUnavailable : status.code();
  absl::Status told(code, Concat(what, ": ", MessageOf(status)));
  status.ForEachPayload(
      [&told](absl::string_view url, const absl::Cord& payload) { told.SetPayload(url, payload); });
  return told;
}

}  // namespace fetchd::objstore
