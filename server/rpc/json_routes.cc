#include "rpc/json_routes.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/strings.h"
#include "base/utf8.h"

namespace fetchd::rpc {
namespace {

/// Those without a star go first where both would match.
constexpr std::array kRoutes = {
    JsonRoute{"POST", "/v1/jobs", "CreateJob"},
    JsonRoute{"GET", "/v1/jobs", "ListJobs"},
    JsonRoute{"GET", "/v1/jobs:watch", "WatchJobs"},
    JsonRoute{"GET", "/v1/jobs/*", "GetJob"},
    JsonRoute{"DELETE", "/v1/jobs/*", "DeleteJob"},
    JsonRoute{"GET", "/v1/jobs/*:explain", "ExplainJob"},
    JsonRoute{"POST", "/v1/jobs/*:cancel", "CancelJob"},
    JsonRoute{"POST", "/v1/jobs/*:pause", "PauseJob"},
    JsonRoute{"POST", "/v1/jobs/*:resume", "ResumeJob"},
    JsonRoute{"POST", "/v1/jobs/*:retry", "RetryJob"},
    JsonRoute{"POST", "/v1:checkUrl", "CheckUrl"},
    JsonRoute{"POST", "/v1/batches", "CreateBatch"},
    JsonRoute{"GET", "/v1/batches", "ListBatches"},
    JsonRoute{"GET", "/v1/batches:watch", "WatchBatches"},
    JsonRoute{"GET", "/v1/batches/*", "GetBatch"},
    JsonRoute{"DELETE", "/v1/batches/*", "DeleteBatch"},
    JsonRoute{"GET", "/v1/batches/*/entries", "ListBatchEntries"},
    JsonRoute{"POST", "/v1/batches/*:seal", "SealBatch"},
    JsonRoute{"POST", "/v1/batches/*:cancel", "CancelBatch"},
    JsonRoute{"POST", "/v1/batches/*:retry", "RetryBatch"},
    JsonRoute{"GET", "/v1/status", "GetStatus"},
    JsonRoute{"GET", "/v1/origins", "ListOrigins"},
    JsonRoute{"POST", "/v1/origins:setLimits", "SetOriginLimits"},
    JsonRoute{"POST", "/v1:drain", "Drain"},
    JsonRoute{"POST", "/v1:setLogLevel", "SetLogLevel"},
};

constexpr std::array<std::string_view, 3> kNotOverJson = {"CreateJobs", "Fetch", "ReadBody"};

constexpr std::string_view kRoot = "/v1/";

/// Decodes %XX, and "+" where `plus_is_space`; nullopt for what is none, and for what is no UTF-8.
std::optional<std::string> DecodePart(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] == '%') {
      const auto byte = HexDecode(text.substr(i + 1, 2));
      if (!byte || byte->size() != 1) return std::nullopt;
      out += *byte;
      i += 2;
    } else {
      out += text[i];
    }
  }
  return ToUtf8(out) == out ? std::optional(out) : std::nullopt;
}

/// The resource that `path` names by the pattern of `route`; nullopt when it is another pattern's.
std::optional<std::string> MatchPath(const JsonRoute& route, std::string_view path) {
  const std::size_t star = route.path.find('*');
  if (star == std::string_view::npos) {
    return path == route.path ? std::optional(std::string()) : std::nullopt;
  }
  const std::string_view before = route.path.substr(0, star);
  const std::string_view after = route.path.substr(star + 1);
  if (path.size() <= before.size() + after.size()) return std::nullopt;
  if (!path.starts_with(before) || !path.ends_with(after)) return std::nullopt;
  const std::string_view id =
      path.substr(before.size(), path.size() - before.size() - after.size());
  if (id.find_first_of("/:") != std::string_view::npos) return std::nullopt;
  const auto decoded = DecodePart(id, false);
  // No id has one, and what looks at paths in front of us would see another path.
  if (!decoded || decoded->find_first_of("/:") != std::string::npos) return std::nullopt;
  return Concat(before.substr(kRoot.size()), *decoded);
}

}  // namespace

std::span<const JsonRoute> JsonRoutes() { return kRoutes; }

std::span<const std::string_view> NotOverJson() { return kNotOverJson; }

JsonMatch MatchJsonRoute(std::string_view verb, std::string_view path) {
  JsonMatch match;
  for (const JsonRoute& route : kRoutes) {
    auto name = MatchPath(route, path);
    if (!name) continue;
    if (route.verb == verb) return {&route, *std::move(name), {}};
    match.verbs += Concat(match.verbs.empty() ? "" : ", ", route.verb);
  }
  return match;
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseQuery(
    std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (parameter.empty()) continue;
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    auto name = DecodePart(parameter.substr(0, equals), true);
    auto value = DecodePart(parameter.substr(std::min(equals + 1, parameter.size())), true);
    if (!name || !value) {
      return absl::InvalidArgumentError(
          "the query is not percent-encoded UTF-8: write % as %25, & as %26 and + as %2B");
    }
    parameters.emplace_back(*std::move(name), *std::move(value));
  }
  return parameters;
}

}  // namespace fetchd::rpc
