#include "store/spec_secrets.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/signed_url.h"
#include "store/json.h"

namespace fetchd::store {
namespace {

using jobs::BasicCredentials;
using jobs::BearerCredentials;
using jobs::Credentials;
using jobs::DigestCredentials;
using jobs::FetchSpec;

std::string CredentialSecret(const Credentials& credentials) {
  if (const auto* basic = std::get_if<BasicCredentials>(&credentials)) {
    return basic->password.Reveal();
  }
  if (const auto* digest = std::get_if<DigestCredentials>(&credentials)) {
    return digest->password.Reveal();
  }
  if (const auto* bearer = std::get_if<BearerCredentials>(&credentials)) {
    return bearer->token.Reveal();
  }
  return std::string();
}

bool BringsWhatItNames(const FetchSpec& spec) {
  const auto both = [](const jobs::RequestHeader& header) {
    return !header.secret.empty() && !header.value.empty();
  };
  return std::ranges::any_of(spec.headers, both) ||
         (!spec.credentials_secret.empty() && !CredentialSecret(spec.credentials).empty());
}

FetchSpec PutBack(FetchSpec spec, const json::value& value) {
  const json::object& object = value.as_object();
  const json::array& headers = object.at("headers").as_array();
  if (headers.size() != spec.headers.size()) throw std::invalid_argument("header count differs");
  for (std::size_t i = 0; i < headers.size(); ++i) spec.headers[i].value = Secret(Text(headers[i]));
  if (auto* basic = std::get_if<BasicCredentials>(&spec.credentials)) {
    basic->password = Secret(GetText(object, "secret"));
  } else if (auto* digest = std::get_if<DigestCredentials>(&spec.credentials)) {
    digest->password = Secret(GetText(object, "secret"));
  } else if (auto* bearer = std::get_if<BearerCredentials>(&spec.credentials)) {
    bearer->token = Secret(GetText(object, "secret"));
  }
  if (const json::value* const urls = object.if_contains("urls")) {
    if (urls->as_array().size() != spec.urls.size())
      throw std::invalid_argument("URL count differs");
    for (std::size_t i = 0; i < spec.urls.size(); ++i) spec.urls[i] = Text(urls->as_array()[i]);
  }
  if (std::ranges::any_of(spec.urls, &HasHiddenSignature)) {
    throw std::invalid_argument("the signature of a URL is missing");
  }
  if (BringsWhatItNames(spec)) throw std::invalid_argument("a secret is there besides its name");
  return spec;
}

bool HasOwnCredentials(const FetchSpec& spec) {
  return !std::holds_alternative<std::monostate>(spec.credentials) &&
         spec.credentials_secret.empty();
}

/// Which it brings itself, but for those in URLs.
bool HoldsSecrets(const FetchSpec& spec) {
  const auto own = [](const jobs::RequestHeader& header) { return header.secret.empty(); };
  return std::ranges::any_of(spec.headers, own) || HasOwnCredentials(spec);
}

void PutSecrets(json::object& object, const FetchSpec& spec) {
  json::array& headers = object["headers"].emplace_array();
  for (const jobs::RequestHeader& header : spec.headers) {
    headers.emplace_back(View(header.value.Reveal()));
  }
  PutText(object, "secret", CredentialSecret(spec.credentials));
}

}  // namespace

std::string EncodeSecretsBesideUrls(const FetchSpec& spec) {
  if (!HoldsSecrets(spec)) return std::string();
  json::object object;
  PutSecrets(object, spec);
  return json::serialize(object);
}

std::string EncodeSecrets(const FetchSpec& spec) {
  if (std::ranges::none_of(spec.urls, &HasSignature)) return EncodeSecretsBesideUrls(spec);
  json::object object;
  PutSecrets(object, spec);
  json::array& urls = object["urls"].emplace_array();
  for (const std::string& url : spec.urls) urls.emplace_back(View(url));
  return json::serialize(object);
}

absl::StatusOr<FetchSpec> WithSecrets(FetchSpec spec, std::string_view secrets) {
  const bool complete = !HoldsSecrets(spec) && std::ranges::none_of(spec.urls, &HasHiddenSignature);
  if (secrets.empty() && complete) return spec;
  return Decode("set of credentials", secrets,
                [&spec](const json::value& value) { return PutBack(std::move(spec), value); });
}

}  // namespace fetchd::store
