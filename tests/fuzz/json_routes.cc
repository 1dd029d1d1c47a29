// Verbs, paths and queries of requests over HTTP/JSON: which method they are, and whom they name.
#include "rpc/json_routes.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace {

using fetchd::Concat;
using fetchd::rpc::JsonMatch;
using fetchd::rpc::JsonRoute;
using fetchd::rpc::MatchJsonRoute;
using fetchd::rpc::ParseQuery;

std::string Encoded(std::string_view text) {
  std::string out;
  for (const char c : text) out += Concat('%', fetchd::HexEncode({&c, 1}));
  return out;
}

/// Written in another way, it names the same.
void CheckName(const JsonMatch& match, std::string_view verb) {
  const JsonRoute& route = *match.route;
  const std::size_t slash = match.name.find('/');
  FETCHD_CHECK(slash != std::string::npos);
  const std::string collection = match.name.substr(0, slash);
  const std::string id = match.name.substr(slash + 1);
  FETCHD_CHECK(collection == "jobs" || collection == "batches");
  // A part of a path, and no action: whoever compares paths in front of us sees what we see.
  FETCHD_CHECK(!id.empty() && id.find_first_of("/:") == std::string::npos);
  FETCHD_CHECK(fetchd::ToUtf8(id) == id);

  std::string path(route.path);
  path.replace(path.find('*'), 1, Encoded(id));
  const JsonMatch again = MatchJsonRoute(verb, path);
  FETCHD_CHECK(again.route == &route && again.name == match.name);
}

void CheckMatch(std::string_view verb, std::string_view path) {
  const JsonMatch match = MatchJsonRoute(verb, path);
  if (match.route != nullptr) {
    FETCHD_CHECK(match.route->verb == verb);
    if (match.route->names_resource()) return CheckName(match, verb);
    FETCHD_CHECK(match.name.empty() && path == match.route->path);
    return;
  }
  // Those that there are lead somewhere, and this one is not among them.
  FETCHD_CHECK(match.name.empty());
  for (std::string_view rest = match.verbs; !rest.empty();) {
    const std::string_view other = rest.substr(0, rest.find(", "));
    FETCHD_CHECK(other != verb && MatchJsonRoute(other, path).route != nullptr);
    rest.remove_prefix(std::min(other.size() + 2, rest.size()));
  }
}

void CheckQuery(std::string_view query) {
  const auto parameters = ParseQuery(query);
  if (!parameters.ok()) {
    FETCHD_CHECK(absl::IsInvalidArgument(parameters.status()));
    return;
  }
  std::string written;
  for (const auto& [name, value] : *parameters) {
    FETCHD_CHECK(fetchd::ToUtf8(name) == name && fetchd::ToUtf8(value) == value);
    written += Concat(Encoded(name), '=', Encoded(value), '&');
  }
  const auto again = ParseQuery(written);
  FETCHD_CHECK(again.ok() && *again == *parameters);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // "GET /v1/jobs?pageSize=1"
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const std::string_view verb = line.substr(0, line.find(' '));
  const std::string_view target = line.substr(std::min(verb.size() + 1, line.size()));
  const std::string_view path = target.substr(0, target.find('?'));
  CheckMatch(verb, path);
  CheckQuery(target.substr(std::min(path.size() + 1, target.size())));
  return 0;
}
