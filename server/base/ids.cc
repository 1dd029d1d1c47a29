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
constexpr std::string_view kPrefix = "jobs/";

// Writes the lowest 5 * count bits of `value`, the highest first.
void AppendDigits(std::string& out, std::uint64_t value, unsigned count) {
  for (unsigned i = count; i-- > 0;) out.push_back(kBase32Digits[value >> (5 * i) & 31]);
}

}  // namespace

JobId JobId::Generate(WallTime now, std::mt19937_64& random) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  const auto since_epoch = duration_cast<milliseconds>(now.time_since_epoch()).count();
  std::string text;
  text.reserve(kLength);
  AppendDigits(text, static_cast<std::uint64_t>(since_epoch) & 0xffff'ffff'ffff, kTimeLength);
  AppendDigits(text, random(), 8);
  AppendDigits(text, random(), 8);
  return JobId(std::move(text));
}

absl::StatusOr<JobId> JobId::Parse(std::string_view text) {
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  // 26 digits are 130 bits: the first may hold three of its five.
  const bool valid = text.size() == kLength && text[0] <= '7' &&
                     text.find_first_not_of(kBase32Digits) == std::string_view::npos;
  if (!valid) {
    return absl::InvalidArgumentError(
        "not a job id: write \"jobs/<id>\" or \"<id>\", an id being 26 lower-case letters and "
        "digits "
        "as returned when the job was created");
  }
  return JobId(std::string(text));
}

}  // namespace fetchd
