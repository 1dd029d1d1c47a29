#include "base/trace_context.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "base/strings.h"

namespace fetchd {
namespace {

constexpr std::size_t kTraceparentBytes = 55;
constexpr std::size_t kMaxMembers = 32;
constexpr std::size_t kLongMemberBytes = 128;
constexpr std::size_t kMaxKeyBytes = 256;
constexpr std::size_t kMaxTenantBytes = 241;
constexpr std::size_t kMaxSystemBytes = 14;
constexpr std::size_t kMaxValueBytes = 256;
constexpr std::size_t kMaxRequestIdBytes = 128;
constexpr std::string_view kOfRequestIds = "._-:/+=@";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

bool IsLowerHex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); });
}
bool IsZeros(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '0'; });
}
bool IsId(std::string_view text) { return IsLowerHex(text) && !IsZeros(text); }

std::string_view Stripped(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool AreKeyCharacters(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return IsLower(c) || IsDigit(c) || c == '_' || c == '-' || c == '*' || c == '/';
  });
}

/// "vendor", or "tenant@vendor": the tenant may begin with a digit.
bool IsKey(std::string_view key) {
  const std::size_t at = key.find('@');
  if (at == std::string_view::npos) {
    return !key.empty() && key.size() <= kMaxKeyBytes && IsLower(key.front()) &&
           AreKeyCharacters(key);
  }
  const std::string_view tenant = key.substr(0, at);
  const std::string_view vendor = key.substr(at + 1);
  return !tenant.empty() && tenant.size() <= kMaxTenantBytes &&
         (IsLower(tenant.front()) || IsDigit(tenant.front())) && AreKeyCharacters(tenant) &&
         !vendor.empty() && vendor.size() <= kMaxSystemBytes && IsLower(vendor.front()) &&
         AreKeyCharacters(vendor);
}

bool IsValue(std::string_view value) {
  return !value.empty() && value.size() <= kMaxValueBytes && value.back() != ' ' &&
         std::ranges::all_of(value,
                             [](char c) { return c >= 0x20 && c < 0x7f && c != ',' && c != '='; });
}

std::size_t BytesOf(const std::vector<std::string_view>& members) {
  std::size_t bytes = members.empty() ? 0 : members.size() - 1;
  for (const std::string_view member : members) bytes += member.size();
  return bytes;
}

/// So that they fit: long ones go first, from the end, then the last ones.
void Shorten(std::vector<std::string_view>& members) {
  for (std::size_t i = members.size(); i-- > 0 && BytesOf(members) > kMaxTracestateBytes;) {
    if (members[i].size() > kLongMemberBytes) {
      members.erase(members.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  while (BytesOf(members) > kMaxTracestateBytes) members.pop_back();
}

/// Adds the members of one field; false when one is wrong.
bool AddMembers(std::string_view value, std::set<std::string_view>& keys,
                std::vector<std::string_view>& members) {
  while (true) {
    const std::size_t comma = value.find(',');
    // Spaces inside a value are its own, but not at its end.
    const std::string_view member = Stripped(value.substr(0, comma));
    if (!member.empty()) {
      const std::size_t equals = member.find('=');
      if (equals == std::string_view::npos || !IsKey(member.substr(0, equals)) ||
          !IsValue(member.substr(equals + 1)) || !keys.insert(member.substr(0, equals)).second) {
        return false;
      }
      members.push_back(member);
    }
    if (comma == std::string_view::npos) return true;
    value.remove_prefix(comma + 1);
  }
}

std::uint64_t RandomWord() {
  thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return random();
}

std::string Hex(std::uint64_t word) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, word >>= 4U) {
    *digit = kDigits[word & 0xfU];
  }
  return text;
}

}  // namespace

std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  text = Stripped(text);
  if (text.size() < kTraceparentBytes) return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace_id = text.substr(3, 32);
  const std::string_view parent_id = text.substr(36, 16);
  const std::string_view flags = text.substr(53, 2);
  const bool in_form = IsLowerHex(version) && version != "ff" && text[2] == '-' &&
                       text[35] == '-' && text[52] == '-' && IsId(trace_id) && IsId(parent_id) &&
                       IsLowerHex(flags);
  if (!in_form) return std::nullopt;
  const bool longer = text.size() > kTraceparentBytes;
  if (longer && (version == "00" || text[kTraceparentBytes] != '-')) return std::nullopt;
  TraceContext trace;
  trace.trace_id = trace_id;
  trace.parent_id = parent_id;
  trace.sampled = std::string_view("13579bdf").find(flags[1]) != std::string_view::npos;
  return trace;
}

std::string JoinTracestate(std::span<const std::string_view> values) {
  std::set<std::string_view> keys;
  std::vector<std::string_view> members;
  for (const std::string_view value : values) {
    if (!AddMembers(value, keys, members)) return std::string();
  }
  if (members.size() > kMaxMembers) return std::string();
  Shorten(members);
  std::string text;
  for (const std::string_view member : members) text += Concat(text.empty() ? "" : ",", member);
  return text;
}

std::string FormatTraceparent(const TraceContext& trace, std::string_view span_id) {
  if (trace.trace_id.empty()) return std::string();
  return Concat("00-", trace.trace_id, '-', span_id, trace.sampled ? "-01" : "-00");
}

bool IsRequestId(std::string_view text) {
  return !text.empty() && text.size() <= kMaxRequestIdBytes &&
         std::ranges::all_of(text, [](char c) {
           return IsDigit(c) || IsLower(c) || IsUpper(c) ||
                  kOfRequestIds.find(c) != std::string_view::npos;
         });
}

std::string RandomTraceId() { return Hex(RandomWord()) + Hex(RandomWord() | 1U); }

std::string RandomSpanId() { return Hex(RandomWord() | 1U); }

}  // namespace fetchd
