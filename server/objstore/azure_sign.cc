#include "objstore/azure_sign.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "base/url_text.h"

namespace fetchd::objstore {
namespace {

std::string_view HeaderOf(const SharedKeyRequest& request, std::string_view name) {
  for (const http::Header& header : request.headers) {
    if (EqualsIgnoreCase(header.name, name)) return header.value;
  }
  return {};
}

/// The service sorts names by the rules of a language, where '_' comes before digits and '-' does
/// not count as long as others differ.
std::string SortKey(std::string_view name) {
  std::string key;
  for (const char c : name) {
    if (c == '-') continue;
    key += c == '_' ? '!' : c;
  }
  return key;
}

std::string SharedKeyHeaders(const std::vector<http::Header>& headers) {
  std::map<std::pair<std::string, std::string>, std::string_view> sorted;
  for (const http::Header& header : headers) {
    std::string name = AsciiLower(header.name);
    if (!name.starts_with("x-ms-")) continue;
    std::string key = SortKey(name);
    sorted.emplace(std::pair(std::move(key), std::move(name)), header.value);
  }
  std::string text;
  for (const auto& [name, value] : sorted) {
    text += Concat(name.second, ':', TrimWhitespace(value), '\n');
  }
  return text;
}

std::string SharedKeyResource(const std::string& account, const SharedKeyRequest& request) {
  std::map<std::string, std::vector<std::string>> parameters;
  std::string_view query = request.query;
  while (!query.empty()) {
    const std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(parameter.size() + 1, query.size()));
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    const std::string_view value = parameter.substr(std::min(equals + 1, parameter.size()));
    if (parameter.empty()) continue;
    parameters[AsciiLower(PercentDecode(parameter.substr(0, equals)))].push_back(
        PercentDecode(value));
  }
  std::string text = Concat('/', account, request.path);
  for (auto& [name, values] : parameters) {
    std::ranges::sort(values);
    text += Concat('\n', name, ':');
    for (const std::string& value : values)
      text += Concat(&value == values.data() ? "" : ",", value);
  }
  return text;
}

}  // namespace

std::string SharedKeyStringToSign(const std::string& account, const SharedKeyRequest& request) {
  std::string text = Concat(request.method, '\n');
  for (const char* name : {"Content-Encoding", "Content-Language"}) {
    text += Concat(HeaderOf(request, name), '\n');
  }
  if (request.content_length != 0) text += Concat(request.content_length);
  text += '\n';
  // In place of Date stands x-ms-date.
  for (const char* name : {"Content-MD5", "Content-Type", "Date", "If-Modified-Since", "If-Match",
                           "If-None-Match", "If-Unmodified-Since", "Range"}) {
    text += Concat(HeaderOf(request, name), '\n');
  }
  return Concat(text, SharedKeyHeaders(request.headers), SharedKeyResource(account, request));
}

std::string SharedKeyAuthorization(const std::string& account, const Secret& key,
                                   const SharedKeyRequest& request) {
  const std::string signature = HmacSha256(key.Reveal(), SharedKeyStringToSign(account, request));
  return Concat("SharedKey ", account, ':', Base64Encode(signature));
}

}  // namespace fetchd::objstore
