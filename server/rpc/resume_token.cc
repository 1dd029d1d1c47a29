#include "rpc/resume_token.h"

#include <span>
#include <string_view>

#include "base/crc32c.h"
#include "base/strings.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kNumberSize = 8;
constexpr std::size_t kCrcSize = 4;

void AppendBigEndian(std::uint64_t value, std::size_t size, std::string& out) {
  for (std::size_t i = size; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xff);
}

std::uint64_t ReadBigEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::uint32_t CheckSum(std::string_view bytes, std::string_view scope) {
  const std::uint32_t of_bytes = ExtendCrc32c(0, std::as_bytes(std::span(bytes)));
  return ExtendCrc32c(of_bytes, std::as_bytes(std::span(scope)));
}

}  // namespace

std::string EncodeResumeToken(std::int64_t sequence, const std::string& scope) {
  std::string bytes(1, kVersion);
  AppendBigEndian(static_cast<std::uint64_t>(sequence), kNumberSize, bytes);
  AppendBigEndian(CheckSum(bytes, scope), kCrcSize, bytes);
  return HexEncode(bytes);
}

absl::StatusOr<std::int64_t> DecodeResumeToken(const std::string& token, const std::string& scope) {
  const auto bytes = HexDecode(token);
  const bool whole =
      bytes && bytes->size() == 1 + kNumberSize + kCrcSize && bytes->front() == kVersion;
  if (whole) {
    const std::string_view view = *bytes;
    const auto sequence = static_cast<std::int64_t>(ReadBigEndian(view.substr(1, kNumberSize)));
    const std::uint32_t sum = CheckSum(view.substr(0, 1 + kNumberSize), scope);
    const bool intact = sum == ReadBigEndian(view.substr(1 + kNumberSize));
    if (intact && sequence >= 0) return sequence;
  }
  return InvalidField("resume_token",
                      "not a resume token; use one from a WatchJobs event as it is");
}

}  // namespace fetchd::rpc
