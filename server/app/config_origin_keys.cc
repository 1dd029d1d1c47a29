#include "app/config_origin_keys.h"

#include "app/config_values.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

using Written = std::vector<std::pair<std::string, std::string>>;

/// A key `origins.<pattern>.<name>`. `at` finds the optional field, `value` reads it from the node
/// and `write` is the way back.
template <typename At, typename Read, typename Write>
ConfigKey OriginKey(const char* name, const char* type, bool is_text, At at, Read read_value,
                    Write write_value, const char* help) {
  return {Concat("origins.<name>.", name),
          type,
          help,
          is_text,
          [=](const YAML::Node& node, const std::string& chosen, Config& config) -> absl::Status {
            RETURN_IF_ERROR(http::HostPattern::Parse(chosen).status());
            ASSIGN_OR_RETURN(at(config.origins[chosen]), read_value(node));
            return absl::OkStatus();
          },
          [=](const Config& config) {
            Written written;
            for (const auto& [pattern, rule] : config.origins) {
              if (at(rule)) written.emplace_back(pattern, write_value(*at(rule)));
            }
            return written;
          }};
}

absl::StatusOr<http::LoginScheme> ReadLoginScheme(const YAML::Node& node) {
  if (node.IsScalar() && node.Scalar() == "basic") return http::LoginScheme::kBasic;
  if (node.IsScalar() && node.Scalar() == "digest") return http::LoginScheme::kDigest;
  return absl::InvalidArgumentError("expects basic or digest");
}

std::string WriteLoginScheme(http::LoginScheme scheme) {
  return scheme == http::LoginScheme::kDigest ? "digest" : "basic";
}

absl::StatusOr<std::uint64_t> ReadByteRate(const YAML::Node& node) {
  constexpr std::uint64_t kSlowest = 1024;
  ASSIGN_OR_RETURN(const std::uint64_t rate, ReadSize(node));
  if (rate >= kSlowest) return rate;
  return absl::InvalidArgumentError("must be at least 1KiB");
}

absl::StatusOr<std::string> ReadScheme(const YAML::Node& node) {
  ASSIGN_OR_RETURN(std::string scheme, ReadText(node));
  if (scheme == "https" || scheme == "http") return scheme;
  return absl::InvalidArgumentError("expects https or http");
}

}  // namespace

std::vector<ConfigKey> OriginKeys() {
  return {
      OriginKey(
          "connections", "number", false, [](auto& rule) -> auto& { return rule.max_connections; },
          [](const YAML::Node& node) { return ReadNumber(node, 1, kMany); },
          [](std::size_t number) { return Concat(number); },
          "Open connections to a host that matches <name> (example.org, \"*.example.org:8443\", "
          "\"*\"), instead of limits.per_host; of several patterns the most specific decides."),
      OriginKey(
          "max_transfers", "number", false, [](auto& rule) -> auto& { return rule.max_transfers; },
          [](const YAML::Node& node) { return ReadNumber(node, 0, kMany); },
          [](std::size_t number) { return Concat(number); },
          "Jobs at work at once with an origin that matches <name>; 0: they wait."),
      OriginKey(
          "requests_per_sec", "number", false,
          [](auto& rule) -> auto& { return rule.requests_per_sec; },
          [](const YAML::Node& node) { return ReadRate(node); },
          [](double rate) { return Concat(rate); },
          "Jobs and Fetch calls that begin a second with such an origin; 0.1: one in ten seconds."),
      OriginKey(
          "bytes_per_sec", "size", false, [](auto& rule) -> auto& { return rule.bytes_per_sec; },
          ReadByteRate, WriteSize, "Bytes a second of all bodies from such an origin together."),
      OriginKey(
          "prewarm", "number", false, [](auto& rule) -> auto& { return rule.prewarm; },
          [](const YAML::Node& node) { return ReadNumber(node, 1, kMany); },
          [](std::size_t number) { return Concat(number); },
          "Connections kept open from the start, used or not (one, over HTTP/2); <name> must be a "
          "host, not a pattern."),
      OriginKey(
          "prewarm_scheme", "https | http", true,
          [](auto& rule) -> auto& { return rule.prewarm_scheme; }, ReadScheme, WriteText,
          "How these connections speak; the default is https."),
      OriginKey(
          "tls_profile", "name", true, [](auto& rule) -> auto& { return rule.tls_profile; },
          ReadText, WriteText, "The trust profile for jobs that name none."),
      OriginKey(
          "proxy", "name", true, [](auto& rule) -> auto& { return rule.proxy; }, ReadText,
          WriteText, "The proxy for jobs that name none; \"direct\": none."),
      OriginKey(
          "username", "text", true, [](auto& rule) -> auto& { return rule.username; }, ReadText,
          WriteText,
          "Who jobs without credentials of their own log in as; over http only where <name> has a "
          "port."),
      OriginKey(
          "password_file", "path", true, [](auto& rule) -> auto& { return rule.password_file; },
          ReadText, WriteText, "A file with that user's password."),
      OriginKey(
          "bearer_token_file", "path", true,
          [](auto& rule) -> auto& { return rule.bearer_token_file; }, ReadText, WriteText,
          "A file with a bearer token, instead of a user and a password."),
      OriginKey(
          "auth", "basic | digest", true, [](auto& rule) -> auto& { return rule.auth; },
          ReadLoginScheme, WriteLoginScheme,
          "How a user and a password, also those of auth.netrc_file, are sent. Default basic."),
  };
}

}  // namespace fetchd::app
