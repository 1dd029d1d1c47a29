#include "app/config_values.h"

#include <array>
#include <charconv>
#include <chrono>
#include <limits>
#include <optional>
#include <string_view>

#include "base/byte_size.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

absl::Status Wrong(const std::string& expected, const std::string& example) {
  return absl::InvalidArgumentError(Concat("expects ", expected, ", such as ", example));
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array kTimeUnits{Unit{"d", 86'400'000'000'000},
                                Unit{"h", 3'600'000'000'000},
                                Unit{"m", 60'000'000'000},
                                Unit{"s", 1'000'000'000},
                                Unit{"ms", 1'000'000},
                                Unit{"us", 1'000},
                                Unit{"ns", 1}};

template <std::size_t N>
std::optional<std::uint64_t> FactorOf(const std::array<Unit, N>& units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

std::string_view TakeWhile(std::string_view& text, std::string_view allowed) {
  const std::string_view taken =
      text.substr(0, std::min(text.find_first_not_of(allowed), text.size()));
  text.remove_prefix(taken.size());
  return taken;
}

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz";

/// Sum of number and unit pairs; nullopt for anything else.
std::optional<std::uint64_t> ParseNanos(std::string_view text) {
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  std::uint64_t total = 0;
  while (!text.empty()) {
    const auto number = ParseDecimal(TakeWhile(text, kDigits));
    const auto factor = FactorOf(kTimeUnits, TakeWhile(text, kLetters));
    if (!number || !factor) return std::nullopt;
    const auto nanos = Multiply(*number, *factor);
    if (!nanos || __builtin_add_overflow(total, *nanos, &total)) return std::nullopt;
  }
  if (total > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return std::nullopt;
  return total;
}

}  // namespace

absl::StatusOr<std::string> ReadText(const YAML::Node& node) {
  if (!node.IsScalar()) return Wrong("text", "\"a b\"");
  return node.Scalar();
}

absl::StatusOr<bool> ReadBool(const YAML::Node& node) {
  if (node.IsScalar() && node.Scalar() == "true") return true;
  if (node.IsScalar() && node.Scalar() == "false") return false;
  return absl::InvalidArgumentError("expects true or false");
}

absl::StatusOr<std::uint64_t> ReadNumber(const YAML::Node& node, std::uint64_t min,
                                         std::uint64_t max) {
  const auto number = node.IsScalar() ? ParseDecimal(node.Scalar()) : std::nullopt;
  if (number && *number >= min && *number <= max) return *number;
  return absl::InvalidArgumentError(Concat("expects a whole number from ", min, " to ", max));
}

absl::StatusOr<double> ReadRate(const YAML::Node& node) {
  constexpr double kMin = 0.001, kMax = 1'000'000;
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (whole && rate >= kMin && rate <= kMax) return rate;
  return Wrong("a number from 0.001 to 1000000", "0.5 or 20");
}

absl::StatusOr<std::uint64_t> ReadSize(const YAML::Node& node) {
  const auto size = node.IsScalar() ? ParseByteSize(node.Scalar()) : std::nullopt;
  if (!size) return Wrong("a size in bytes", "1048576, 64KiB, 256MiB or 1GiB");
  return *size;
}

absl::StatusOr<Duration> ReadDuration(const YAML::Node& node) {
  const auto nanos = node.IsScalar() ? ParseNanos(node.Scalar()) : std::nullopt;
  if (!nanos) return Wrong("a duration with its unit", "250ms, 25s, 1m30s or 1h");
  return Duration(static_cast<std::int64_t>(*nanos));
}

absl::StatusOr<std::vector<std::string>> ReadTextList(const YAML::Node& node) {
  if (!node.IsSequence()) return Wrong("a list", "[127.0.0.1/32, \"*.corp.example\"]");
  std::vector<std::string> items;
  for (const YAML::Node& item : node) {
    ASSIGN_OR_RETURN(std::string text, ReadText(item));
    items.push_back(std::move(text));
  }
  return items;
}

absl::StatusOr<rpc::Roles> ReadRoles(const YAML::Node& node) {
  const absl::Status wrong = absl::InvalidArgumentError("expects a list of submit, read and admin");
  if (!node || !node.IsSequence() || node.size() == 0) return wrong;
  rpc::Roles roles;
  for (const YAML::Node& item : node) {
    const auto role = item.IsScalar() ? rpc::ParseRole(item.Scalar()) : std::nullopt;
    if (!role) return wrong;
    roles.Add(*role);
  }
  return roles;
}

std::string WriteText(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string WriteBool(bool value) { return value ? "true" : "false"; }

std::string WriteSize(std::uint64_t bytes) { return FormatByteSize(bytes); }

std::string WriteDuration(Duration duration) {
  const auto nanos = static_cast<std::uint64_t>(duration.count());
  if (nanos == 0) return "0";
  for (const Unit& unit : kTimeUnits) {
    if (nanos % unit.factor == 0) return Concat(nanos / unit.factor, unit.name);
  }
  return Concat(nanos, "ns");
}

std::string WriteTextList(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ", ";
    out += WriteText(item);
  }
  return out + ']';
}

}  // namespace fetchd::app
