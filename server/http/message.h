// Requests and responses as values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/credentials.h"
#include "base/url.h"
#include "egress/subject.h"

namespace fetchd::http {

struct Header {
  std::string name;
  std::string value;
};

/// Field lines of a response in one block of memory, in the order received. Names compare without
/// case.
class Headers {
 public:
  /// Where one field is in the block.
  struct Field {
    std::uint32_t name_at, name_size, value_at, value_size;
  };

  Headers() = default;
  Headers(std::string_view text, std::vector<Field> fields)
      : text_(text), fields_(std::move(fields)) {}

  void Add(std::string_view name, std::string_view value);
  std::size_t size() const { return fields_.size(); }
  std::pair<std::string_view, std::string_view> at(std::size_t index) const;
  /// The first value; empty when absent.
  std::string_view Get(std::string_view name) const;
  bool Has(std::string_view name) const { return Count(name) != 0; }
  std::size_t Count(std::string_view name) const;

 private:
  std::string text_;
  std::vector<Field> fields_;
};

/// What a body may become when its content codings are undone.
struct DecodeLimits {
  std::uint64_t max_bytes = std::uint64_t{1} << 40;  ///< Of the body, before and after.
  /// Times that a body may grow, judged once it has more than `free_bytes`.
  std::uint64_t max_ratio = 200;
  std::uint64_t free_bytes = std::uint64_t{1} << 20;
};

/// In order; what they point to is another's.
using BorrowedBytes = std::vector<std::span<const std::byte>>;

std::uint64_t SizeOf(const BorrowedBytes& bytes);

/// Framing, Host, Connection, Accept-Encoding and Authorization are the client's business.
struct Request {
  explicit Request(Url url) : url(std::move(url)) {}
  Url url;
  std::string method = "GET";   ///< GET, HEAD, PUT, POST or DELETE.
  std::vector<Header> headers;  ///< Already validated: see ValidateHeader.
  /// With PUT and POST, never else; its length is announced. Outlives the call of Send.
  BorrowedBytes body;
  /// Names (lower case) in `headers` that must not leave the origin: dropped for good on a
  /// cross-origin redirect, besides Authorization, Cookie and Proxy-Authorization.
  std::vector<std::string> secret_headers;
  /// The caller's own, for this origin alone: likewise dropped. Not together with an Authorization
  /// header. Without either the operator's for the origin of `url` are used.
  Credentials credentials;
  std::string tls_profile;
  /// In whose name: its policy judges each address, and connections are shared only with those
  /// that have the same one. Null: the client's own.
  egress::SubjectPtr subject;
  std::string proxy;  ///< Asked for by name, or "direct"; empty = as the configuration says.
  /// Asks for compressed bodies, and undoes their content codings. Absent: identity is asked for,
  /// and whatever comes is passed on as it is.
  std::optional<DecodeLimits> decode;

  // What the redirects that led here were.
  bool redirected = false;
  bool downgraded = false;  ///< One of them from https to http: nothing secret is sent any more.
};

struct ResponseHead {
  int status = 0;
  int minor_version = 1;  ///< HTTP/1.x
  Headers headers;
};

/// For headers that a caller gives: token name, no CTL in the value (RFC 9110 5.5), and none of
/// those that the client owns (Host, Content-Length, Transfer-Encoding, TE, Trailer, Connection,
/// Keep-Alive, Upgrade, Proxy-*, Expect, Range, If-Range, If-None-Match, If-Modified-Since,
/// Accept-Encoding) or that speak to metadata services (Metadata, Metadata-Flavor,
/// X-aws-ec2-metadata-token*). INVALID_ARGUMENT that says why and what to use instead.
absl::Status ValidateHeader(std::string_view name, std::string_view value);

}  // namespace fetchd::http
