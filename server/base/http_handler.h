// A request that somebody sent over HTTP, and what is answered: between who speaks HTTP (admin) and
// who knows the answer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/semaphore.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/task.h"

namespace fetchd {

struct HttpField {
  std::string name;
  std::string value;
};

struct HttpRequest {
  std::string method;  ///< "GET"
  std::string target;  ///< As it was written: "/v1/jobs?pageSize=10".
  std::vector<HttpField> fields;
  std::string body;
  std::vector<Permit> body_bytes;  ///< What the body is counted in: to be given back with it.
  std::string peer;                ///< As gRPC writes it: "ipv4:127.0.0.1:33914".

  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  /// Of every field `name`, whatever its case.
  std::vector<std::string_view> Values(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const HttpField& field : fields) {
      if (EqualsIgnoreCase(field.name, name)) values.push_back(field.value);
    }
    return values;
  }
  /// Of the only one; nullopt where there are none or several.
  std::optional<std::string_view> Value(std::string_view name) const {
    const std::vector<std::string_view> values = Values(name);
    return values.size() == 1 ? std::optional(values.front()) : std::nullopt;
  }
};

/// A body that comes bit by bit. Dropped, it ends whatever brings it.
class HttpBodyStream {
 public:
  virtual ~HttpBodyStream() = default;
  /// The next bytes; empty at the end. Nothing further is made before it is asked for. Brings
  /// something every 15 s, so that a client who has gone is noticed.
  virtual Task<absl::StatusOr<std::string>> Next() = 0;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain";
  std::vector<HttpField> fields;  ///< Further ones.
  std::string body;
  std::unique_ptr<HttpBodyStream> stream;  ///< Then in place of `body`.
};

/// Lives as long as the server that asks it.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  /// What there is to answer to a request whose body has not come, and need not: by who sends it
  /// and where to. Nullopt: it may come. Does not block.
  virtual std::optional<HttpReply> Judge(const HttpRequest& head) = 0;
  /// Judges, too, and has the body. On any executor; does not block it. Ends by itself; a cancelled
  /// one ends its work.
  virtual Task<HttpReply> Handle(HttpRequest request) = 0;
  /// How a request is refused that Handle() is not asked about.
  virtual HttpReply Refuse(int status, const std::string& message) const = 0;
};

}  // namespace fetchd
