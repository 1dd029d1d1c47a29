#include "base/ids.h"

#include <array>
#include <chrono>

#include "base/strings.h"

namespace fetchd {
namespace {

constexpr std::string_view kBase32Digits =
    "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford: no i, l, o, u.
constexpr std::size_t kLength = 26;
constexpr std::size_t kTimeLength = 10;

// Writes the lowest 5 * count bits of `value`, the highest first.
void AppendDigits(std::string& out, std::uint64_t value, unsigned count) {
  for (unsigned i = count; i-- > 0;) out.push_back(kBase32Digits[value >> (5 * i) & 31]);
}

}  // namespace

template <typename Kind>
ResourceId<Kind> ResourceId<Kind>::Generate(WallTime now, std::mt19937_64& random) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  const auto since_epoch = duration_cast<milliseconds>(now.time_since_epoch()).count();
  std::string text;
  text.reserve(kLength);
  AppendDigits(text, static_cast<std::uint64_t>(since_epoch) & 0xffff'ffff'ffff, kTimeLength);
  AppendDigits(text, random(), 8);
  AppendDigits(text, random(), 8);
  return ResourceId(std::move(text));
}

template <typename Kind>
absl::StatusOr<ResourceId<Kind>> ResourceId<Kind>::Parse(std::string_view text) {
  if (text.starts_with(Kind::kCollection)) text.remove_prefix(Kind::kCollection.size());
  // 26 digits are 130 bits: the first may hold three of its five.
  const bool valid = text.size() == kLength && text[0] <= '7' &&
                     text.find_first_not_of(kBase32Digits) == std::string_view::npos;
  if (!valid) {
    return absl::InvalidArgumentError(
        Concat("not a ", Kind::kNoun, " id: write \"", Kind::kCollection,
               "<id>\" or \"<id>\", an id being 26 lower-case letters and digits as returned when "
               "the ",
               Kind::kNoun, " was created"));
  }
  return ResourceId(std::string(text));
}

template <typename Kind>
absl::StatusOr<ResourceId<Kind>> ResourceId<Kind>::ParseName(std::string_view name) {
  auto id = Parse(name);
  if (id.ok() && name.starts_with(Kind::kCollection)) return id;
  return absl::InvalidArgumentError(Concat("not a ", Kind::kNoun, "'s name; they look like ",
                                           Kind::kCollection, "01h2xcejqtf2nbrexx3vqjhp41"));
}

template class ResourceId<JobKind>;
template class ResourceId<BatchKind>;

}  // namespace fetchd
