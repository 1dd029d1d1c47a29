#include "rpc/auth_jwt.h"

#include <cjose/error.h>
#include <cjose/jws.h>

#include <boost/json.hpp>
#include <cmath>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "jobs/job.h"

namespace fetchd::rpc {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::chrono::seconds kKeysRetryDelay{5};
constexpr std::size_t kEs256SignatureBytes = 64;  // RFC 7518 3.4: r and s, no more and no less.

absl::Status Invalid(std::string_view what) { return Unauthenticated(what, "TOKEN_INVALID"); }

struct JwsDeleter {
  void operator()(cjose_jws_t* jws) const noexcept { cjose_jws_release(jws); }
};

/// RFC 4648 5 without padding, in the one form that stands for its bytes.
std::optional<std::string> DecodeBase64Url(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    if (c == '+' || c == '/' || c == '=') return std::nullopt;
    if (c == '-') c = '+';
    if (c == '_') c = '/';
  }
  plain.append((4 - plain.size() % 4) % 4, '=');
  auto bytes = Base64Decode(plain);
  if (!bytes || Base64Encode(*bytes) != plain) return std::nullopt;
  return bytes;
}

std::optional<json::object> DecodeObject(std::string_view part) {
  const auto text = DecodeBase64Url(part);
  if (!text) return std::nullopt;
  boost::system::error_code error;
  json::value value = json::parse(*text, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

/// Nullopt when it is there and is no text; empty when it is not there.
std::optional<std::string> TextIn(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr) return std::string();
  if (!value->is_string()) return std::nullopt;
  return std::string(value->get_string().data(), value->get_string().size());
}

struct Parts {
  std::string_view header, payload;
  std::size_t signature_bytes = 0;  ///< Decoded.
};

/// Of "header.payload.signature".
std::optional<Parts> Split(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  const auto signature = DecodeBase64Url(token.substr(last + 1));
  if (!signature || signature->empty()) return std::nullopt;
  const Parts parts{token.substr(0, first), token.substr(first + 1, last - first - 1),
                    signature->size()};
  const bool three = parts.payload.find('.') == std::string_view::npos;
  return three ? std::optional(parts) : std::nullopt;
}

struct Header {
  JwsAlgorithm algorithm = JwsAlgorithm::kRs256;
  std::string key_id;
};

absl::StatusOr<Header> ReadHeader(std::string_view part) {
  const auto object = DecodeObject(part);
  if (!object) return Invalid("the token is no JWT");
  if (object->contains("crit") || object->contains("b64")) {
    return Invalid("the token asks for an extension (crit, b64) that is not known here");
  }
  const auto type = TextIn(*object, "typ");
  const bool is_jwt = type && (type->empty() || EqualsIgnoreCase(*type, "JWT") ||
                               EqualsIgnoreCase(*type, "at+jwt"));
  if (!is_jwt) return Invalid("the token's typ is not that of a JWT");
  const auto algorithm = TextIn(*object, "alg");
  const auto key_id = TextIn(*object, "kid");
  if (!key_id) return Invalid("the token's kid is no text");
  if (algorithm == "RS256") return Header{JwsAlgorithm::kRs256, *key_id};
  if (algorithm == "ES256") return Header{JwsAlgorithm::kEs256, *key_id};
  return Invalid("the token's alg is not RS256 or ES256");
}

bool Verifies(const std::string& token, const VerificationKey& key) {
  cjose_err error{};
  const std::unique_ptr<cjose_jws_t, JwsDeleter> jws(
      cjose_jws_import(token.data(), token.size(), &error));
  return jws != nullptr && cjose_jws_verify(jws.get(), key.key.get(), &error);
}

/// Seconds since the epoch (RFC 7519 2); nullopt when it is not there or no such number.
std::optional<double> Seconds(const json::object& claims, const char* name) {
  const json::value* value = claims.if_contains(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  const auto seconds = value->to_number<double>();
  return std::isfinite(seconds) ? std::optional(seconds) : std::nullopt;
}

absl::Status CheckTimes(const json::object& claims, WallTime now, Duration skew) {
  const auto in_seconds = [](Duration duration) {
    return std::chrono::duration<double>(duration).count();
  };
  const double at = in_seconds(now.time_since_epoch());
  const auto expires = Seconds(claims, "exp");
  if (!expires) return Invalid("the token has no exp");
  if (at >= *expires + in_seconds(skew)) {
    return Unauthenticated("the token has expired", "TOKEN_EXPIRED");
  }
  if (!claims.contains("nbf")) return absl::OkStatus();
  const auto begins = Seconds(claims, "nbf");
  if (!begins) return Invalid("the token's nbf is no time");
  if (at < *begins - in_seconds(skew)) return Invalid("the token is not yet valid");
  return absl::OkStatus();
}

/// `aud` is a text or a list of them (RFC 7519 4.1.3).
bool IsFor(const json::object& claims, const std::string& audience) {
  const json::value* value = claims.if_contains("aud");
  if (value == nullptr) return false;
  if (!value->is_array()) return *value == audience.c_str();
  for (const json::value& item : value->get_array()) {
    if (item == audience.c_str()) return true;
  }
  return false;
}

std::vector<std::string> RoleValues(const json::object& claims, const std::string& name) {
  std::vector<std::string> values;
  const json::value* value = claims.if_contains(name);
  if (value == nullptr) return values;
  if (value->is_array()) {
    for (const json::value& item : value->get_array()) {
      if (item.is_string()) values.emplace_back(item.get_string().data(), item.get_string().size());
    }
  } else if (value->is_string()) {
    std::string_view text(value->get_string().data(), value->get_string().size());
    for (std::size_t end = 0; end != std::string_view::npos; text.remove_prefix(end + 1)) {
      end = text.find(' ');
      values.emplace_back(text.substr(0, end));
      if (end == std::string_view::npos) break;
    }
  }
  return values;
}

Roles RolesOf(const json::object& claims, const JwtRules& rules) {
  Roles roles;
  for (const std::string& value : RoleValues(claims, rules.roles_claim)) {
    if (const auto given = rules.roles.find(value); given != rules.roles.end()) {
      roles.Add(given->second);
    } else if (const auto role = ParseRole(value); rules.roles.empty() && role) {
      roles.Add(*role);
    }
  }
  return roles;
}

absl::StatusOr<Principal> PrincipalOf(const json::object& claims, const JwtRules& rules) {
  const auto name = TextIn(claims, rules.principal_claim);
  if (!name || name->empty() || name->size() > kMaxNameBytes || HasControl(*name)) {
    return Invalid(Concat("the token's ", rules.principal_claim, " names nobody"));
  }
  Principal principal{*name, "", RolesOf(claims, rules)};
  const auto tenant = TextIn(claims, rules.tenant_claim);
  const bool needs_none = principal.roles.Has(Role::kAdmin);
  if (tenant) principal.tenant = tenant->empty() && needs_none ? jobs::kDefaultTenant : *tenant;
  if (jobs::IsTenantName(principal.tenant)) return principal;
  return Invalid(Concat("the token's ", rules.tenant_claim, " names no tenant"));
}

}  // namespace

JwtReader::JwtReader(JwtRules rules, const Clock& clock, std::function<void()> on_unknown_key)
    : rules_(std::move(rules)), clock_(clock), on_unknown_key_(std::move(on_unknown_key)) {}

absl::Status JwtReader::ReplaceKeys(std::string_view jwks) {
  ASSIGN_OR_RETURN(Keys parsed, ParseJwks(jwks));
  auto keys = std::make_shared<const Keys>(std::move(parsed));
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
  return absl::OkStatus();
}

std::shared_ptr<const JwtReader::Keys> JwtReader::CurrentKeys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

absl::Status JwtReader::VerifySignature(const std::string& token) const {
  const auto parts = Split(token);
  if (!parts) return Invalid("the token is not known here");
  ASSIGN_OR_RETURN(const Header header, ReadHeader(parts->header));
  if (header.algorithm == JwsAlgorithm::kEs256 && parts->signature_bytes != kEs256SignatureBytes) {
    return Invalid("the token's signature is wrong");
  }
  const std::shared_ptr<const Keys> keys = CurrentKeys();
  if (keys == nullptr) {
    return WithRetryAfter(
        WithReason(absl::UnavailableError("the keys that tokens are verified with are not there "
                                          "yet; try again"),
                   {"KEYS_MISSING", {}}),
        kKeysRetryDelay);
  }
  bool known = false;
  for (const VerificationKey& key : *keys) {
    if (key.algorithm != header.algorithm) continue;
    if (!header.key_id.empty() && key.id != header.key_id) continue;
    known = true;
    if (Verifies(token, key)) return absl::OkStatus();
  }
  if (known) return Invalid("the token's signature is wrong");
  on_unknown_key_();
  return Invalid("the token is signed with a key that is not in the issuer's set");
}

absl::StatusOr<Principal> JwtReader::Read(const Secret& token) const {
  RETURN_IF_ERROR(VerifySignature(token.Reveal()));
  const auto claims = DecodeObject(Split(token.Reveal())->payload);
  if (!claims) return Invalid("the token's claims are no JSON object");
  if (TextIn(*claims, "iss") != rules_.issuer) return Invalid("the token is another issuer's");
  if (!IsFor(*claims, rules_.audience)) return Invalid("the token is for another audience");
  RETURN_IF_ERROR(CheckTimes(*claims, clock_.WallNow(), rules_.clock_skew));
  return PrincipalOf(*claims, rules_);
}

}  // namespace fetchd::rpc
