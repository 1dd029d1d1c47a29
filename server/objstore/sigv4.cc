#include "objstore/sigv4.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/strings.h"
#include "base/url_text.h"

namespace fetchd::objstore {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string Sha256Hex(std::string_view text) {
  auto hash = HashHex(HashAlgorithm::kSha256, text);
  FETCHD_CHECK(hash.has_value());
  return *std::move(hash);
}

/// "20150830T123600Z"
std::string FormatBasicTime(WallTime at) {
  const auto second = std::chrono::floor<std::chrono::seconds>(at);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{second - day};
  char text[40];
  std::snprintf(text, sizeof text, "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return text;
}

/// Without white space around it, and with single spaces in it: lines that were folded too.
std::string CanonicalValue(std::string_view value) {
  std::string canonical;
  for (const char c : value) {
    const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!space) {
      canonical += c;
    } else if (!canonical.empty() && canonical.back() != ' ') {
      canonical += ' ';
    }
  }
  if (canonical.ends_with(' ')) canonical.pop_back();
  return canonical;
}

/// By name; values of one name in the order sent.
std::map<std::string, std::string> CanonicalHeaders(const std::vector<http::Header>& headers) {
  std::map<std::string, std::string> canonical;
  for (const http::Header& header : headers) {
    const auto [at, added] = canonical.try_emplace(AsciiLower(header.name));
    if (!added) at->second += ',';
    at->second += CanonicalValue(header.value);
  }
  return canonical;
}

std::string SignedHeaderNames(const std::vector<http::Header>& headers) {
  std::string names;
  for (const auto& [name, value] : CanonicalHeaders(headers)) {
    if (!names.empty()) names += ';';
    names += name;
  }
  return names;
}

std::string CanonicalQuery(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(parameter.size() + 1, query.size()));
    if (parameter.empty()) continue;
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    const std::string_view value = parameter.substr(std::min(equals + 1, parameter.size()));
    parameters.emplace_back(
        PercentEncode(PercentDecode(parameter.substr(0, equals)), UrlPart::kText),
        PercentEncode(PercentDecode(value), UrlPart::kText));
  }
  std::ranges::sort(parameters);
  std::string canonical;
  for (const auto& [name, value] : parameters) {
    canonical += Concat(canonical.empty() ? "" : "&", name, '=', value);
  }
  return canonical;
}

/// "//a//./b/../" as "/a/".
std::string NormalizedPath(std::string_view path) {
  std::string single;
  for (const char c : RemoveDotSegments(path)) {
    if (c != '/' || !single.ends_with('/')) single += c;
  }
  return single;
}

}  // namespace

SigV4::SigV4(SigningScope scope, WallTime at, SigningRules rules)
    : scope_(std::move(scope)), time_(FormatBasicTime(at)), rules_(rules) {
  date_ = time_.substr(0, time_.find('T'));
}

std::string SigV4::CredentialScope() const {
  return Concat(date_, '/', scope_.region, '/', scope_.service, "/aws4_request");
}

std::string SigV4::CanonicalPath(std::string_view path) const {
  const std::string normalized = rules_.normalize_path ? NormalizedPath(path) : std::string(path);
  return rules_.encode_path ? PercentEncode(normalized, UrlPart::kSegments) : normalized;
}

std::string SigV4::CanonicalRequest(const SignableRequest& request) const {
  std::string text = Concat(request.method, '\n', CanonicalPath(request.path), '\n',
                            CanonicalQuery(request.query), '\n');
  for (const auto& [name, value] : CanonicalHeaders(request.headers)) {
    text += Concat(name, ':', value, '\n');
  }
  return Concat(text, '\n', SignedHeaderNames(request.headers), '\n', request.payload_hash);
}

std::string SigV4::StringToSign(std::string_view canonical_request) const {
  return Concat(kAlgorithm, '\n', time_, '\n', CredentialScope(), '\n',
                Sha256Hex(canonical_request));
}

std::string SigV4::Signature(std::string_view string_to_sign,
                             const Secret& secret_access_key) const {
  std::string key = Concat("AWS4", secret_access_key.Reveal());
  for (const std::string_view step :
       {std::string_view(date_), std::string_view(scope_.region), std::string_view(scope_.service),
        std::string_view("aws4_request")}) {
    key = HmacSha256(key, step);
  }
  return HexEncode(HmacSha256(key, string_to_sign));
}

SignableRequest SigV4::WithSignedHeaders(SignableRequest request, const SigningKey& key) const {
  request.headers.push_back({"X-Amz-Date", time_});
  if (!key.session_token.empty() && rules_.sign_session_token) {
    request.headers.push_back({"X-Amz-Security-Token", key.session_token.Reveal()});
  }
  return request;
}

std::vector<http::Header> SigV4::SignHeaders(SignableRequest request, const SigningKey& key) const {
  const SignableRequest whole = WithSignedHeaders(std::move(request), key);
  const std::string signature =
      Signature(StringToSign(CanonicalRequest(whole)), key.secret_access_key);
  std::vector<http::Header> added = {{"X-Amz-Date", time_}};
  if (!key.session_token.empty()) {
    added.push_back({"X-Amz-Security-Token", key.session_token.Reveal()});
  }
  added.push_back(
      {"Authorization",
       Concat(kAlgorithm, " Credential=", key.access_key_id, '/', CredentialScope(),
              ", SignedHeaders=", SignedHeaderNames(whole.headers), ", Signature=", signature)});
  return added;
}

SignableRequest SigV4::WithSignedQuery(SignableRequest request, const SigningKey& key,
                                       std::chrono::seconds valid_for) const {
  const auto add = [&request](std::string_view name, std::string_view value) {
    request.query +=
        Concat(request.query.empty() ? "" : "&", name, '=', PercentEncode(value, UrlPart::kText));
  };
  add("X-Amz-Algorithm", kAlgorithm);
  add("X-Amz-Credential", Concat(key.access_key_id, '/', CredentialScope()));
  add("X-Amz-Date", time_);
  add("X-Amz-SignedHeaders", SignedHeaderNames(request.headers));
  add("X-Amz-Expires", Concat(valid_for.count()));
  if (!key.session_token.empty() && rules_.sign_session_token) {
    add("X-Amz-Security-Token", key.session_token.Reveal());
  }
  return request;
}

std::string SigV4::SignQuery(SignableRequest request, const SigningKey& key,
                             std::chrono::seconds valid_for) const {
  const SignableRequest whole = WithSignedQuery(std::move(request), key, valid_for);
  std::string query = whole.query;
  if (!key.session_token.empty() && !rules_.sign_session_token) {
    query +=
        Concat("&X-Amz-Security-Token=", PercentEncode(key.session_token.Reveal(), UrlPart::kText));
  }
  return Concat(query, "&X-Amz-Signature=",
                Signature(StringToSign(CanonicalRequest(whole)), key.secret_access_key));
}

}  // namespace fetchd::objstore
