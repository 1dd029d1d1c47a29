#include "base/byte_size.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/strings.h"

namespace fetchd {
namespace {

struct SizeUnit {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr std::array kByteUnits{
    SizeUnit{"t", std::uint64_t{1} << 40}, SizeUnit{"g", std::uint64_t{1} << 30},
    SizeUnit{"m", std::uint64_t{1} << 20}, SizeUnit{"k", std::uint64_t{1} << 10}, SizeUnit{"", 1}};

}  // namespace

std::optional<std::uint64_t> ParseByteSize(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<std::uint64_t> number = ParseDecimal(text.substr(0, digits));
  std::string name = AsciiLower(text.substr(digits));
  if (name.ends_with("ib")) name.resize(name.size() - 2);  // "MiB" is "m".
  const auto* const unit = std::ranges::find(kByteUnits, name, &SizeUnit::name);
  if (!number || unit == kByteUnits.end()) return std::nullopt;
  if (*number > std::numeric_limits<std::uint64_t>::max() / unit->bytes) return std::nullopt;
  return *number * unit->bytes;
}

std::string FormatByteSize(std::uint64_t bytes) {
  for (const SizeUnit& unit : kByteUnits) {
    if (bytes == 0 || bytes % unit.bytes != 0 || unit.bytes == 1) continue;
    return Concat(bytes / unit.bytes, static_cast<char>(unit.name[0] - 'a' + 'A'), "iB");
  }
  return Concat(bytes);
}

}  // namespace fetchd
