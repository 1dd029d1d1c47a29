// Which request over HTTP is which method of gRPC: the one table. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "rpc/auth_methods.h"

namespace fetchd::rpc {

struct JsonRoute {
  std::string_view verb;  ///< "GET"
  std::string_view path;  ///< "/v1/jobs/*:cancel": the star is an id.
  Method rpc;

  std::string_view service() const { return rpc.rule().service; }  ///< In the package fetchd.v1.
  std::string_view method() const { return rpc.rule().method; }
  /// The resource's name goes into the field `name`.
  bool names_resource() const { return path.find('*') != std::string_view::npos; }
  /// The whole request message is the body; else its fields are parameters of the query.
  bool has_body() const { return verb == "POST"; }
};

/// Every method but those that NotOverJson() names.
std::span<const JsonRoute> JsonRoutes();
/// Methods whose bytes or whose callers' streams are of gRPC alone.
std::span<const std::string_view> NotOverJson();

struct JsonMatch {
  const JsonRoute* route = nullptr;
  std::string name;   ///< "jobs/01jd…"; empty where the route names none.
  std::string verbs;  ///< Without a route, those that the path has: "GET, POST"; empty: no path.
};

/// `path` without its query.
JsonMatch MatchJsonRoute(std::string_view verb, std::string_view path);

/// "a=1&b=x%20y", decoded; in the order that they were written. INVALID_ARGUMENT.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseQuery(std::string_view query);

}  // namespace fetchd::rpc
