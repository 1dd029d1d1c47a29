#include "objstore/source_read.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

constexpr std::array<std::string_view, 4> kConditions = {
    "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"};

bool IsOneOf(std::span<const std::string_view> names, const http::Header& header) {
  return std::ranges::any_of(
      names, [&](std::string_view name) { return EqualsIgnoreCase(name, header.name); });
}

}  // namespace

Task<absl::StatusOr<http::Response>> FetchAsOrigin(
    StoreOperation read, http::Request wanted,
    std::function<Task<absl::StatusOr<http::Response>>(StoreOperation)> fetch) {
  StoreOperation part = read;
  bool if_range = false;
  for (const http::Header& header : wanted.headers) {
    if (IsOneOf(kConditions, header)) {
      read.headers.push_back(header);
      part.headers.push_back(header);
    } else if (EqualsIgnoreCase(header.name, "Range")) {
      part.headers.push_back(header);
    } else if (EqualsIgnoreCase(header.name, "If-Range")) {
      const bool tag = header.value.starts_with('"');
      part.headers.push_back({tag ? "If-Match" : "If-Unmodified-Since", header.value});
      if_range = true;
    }
  }
  read.streamed = part.streamed = true;
  read.decode = part.decode = wanted.decode;
  read.subject = part.subject = wanted.subject;
  CO_ASSIGN_OR_RETURN(http::Response response, co_await fetch(std::move(part)));
  if (if_range && response.head.status == 412) {
    co_await response.body->Discard();
    CO_ASSIGN_OR_RETURN(response, co_await fetch(std::move(read)));
  }
  response.url = wanted.url;
  co_return response;
}

}  // namespace fetchd::objstore
