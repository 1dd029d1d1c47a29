#include "fetch/declared_digests.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/strings.h"

namespace fetchd::fetch {
namespace {

constexpr int kWholeBody = 200;
constexpr int kPartOfIt = 206;

/// Appends the digest that `base64` stands for, if it is one.
void Add(std::string_view algorithm, std::string_view base64, std::vector<Digest>& digests) {
  auto digest = Digest::Parse(Concat(algorithm, '-', base64));
  if (digest.ok()) digests.push_back(*std::move(digest));
}

/// "sha-512=:<base64>:, sha-256=:<base64>:": a dictionary of byte sequences (RFC 8941 3.2).
void AddDictionary(std::string_view value, std::vector<Digest>& digests) {
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    std::string_view member = TrimWhitespace(value.substr(0, comma));
    value.remove_prefix(std::min(comma + 1, value.size()));
    member = TrimWhitespace(member.substr(0, member.find(';')));
    const std::size_t begin = member.find("=:");
    if (begin == std::string_view::npos || member.size() < begin + 3 || !member.ends_with(':')) {
      continue;
    }
    const std::string_view name = member.substr(0, begin);
    const std::string_view base64 = member.substr(begin + 2, member.size() - begin - 3);
    if (name == "sha-256") Add("sha256", base64, digests);
    if (name == "sha-512") Add("sha512", base64, digests);
  }
}

struct PlainField {
  std::string_view name;
  std::string_view algorithm;
};
constexpr std::array<PlainField, 3> kPlainFields = {{{"content-md5", "md5"},
                                                     {"x-amz-checksum-sha256", "sha256"},
                                                     {"x-amz-checksum-crc32c", "crc32c"}}};

}  // namespace

std::vector<Digest> DeclaredDigests(int status, const http::Headers& headers) {
  std::vector<Digest> digests;
  if (status != kWholeBody && status != kPartOfIt) return digests;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers.at(i);
    if (EqualsIgnoreCase(name, "repr-digest")) AddDictionary(value, digests);
    if (status != kWholeBody) continue;
    if (EqualsIgnoreCase(name, "content-digest")) AddDictionary(value, digests);
    for (const PlainField& field : kPlainFields) {
      // S3's "<base64>-<number>" is a hash of the parts' hashes, and no base64.
      if (EqualsIgnoreCase(name, field.name)) Add(field.algorithm, value, digests);
    }
  }
  return digests;
}

}  // namespace fetchd::fetch
