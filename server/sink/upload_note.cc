#include "sink/upload_note.h"

#include <array>
#include <chrono>
#include <limits>

#include "base/strings.h"

namespace fetchd::sink {
namespace {

using Stage = UploadNote::Stage;
using std::chrono::seconds;

constexpr std::array kStages = {std::pair{Stage::kBeginning, std::string_view("begin")},
                                std::pair{Stage::kOpen, std::string_view("open")},
                                std::pair{Stage::kNone, std::string_view("none")}};

/// Beyond these the arithmetic of plans and times ends: 10,000 parts that grow 27-fold, and
/// nanoseconds since 1970. No upload is there.
constexpr std::uint64_t kMostPartBytes =
    std::numeric_limits<std::int64_t>::max() / (std::uint64_t{27} * kMaxParts);
constexpr std::uint64_t kLastSecond =
    std::chrono::floor<seconds>(WallTime::max().time_since_epoch()).count();

/// Cuts off what stands before the next space; nullopt when there is none.
std::optional<std::string_view> NextWord(std::string_view& text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(space + 1);
  return word;
}

std::optional<std::uint64_t> NextNumber(std::string_view& text) {
  const std::optional<std::string_view> word = NextWord(text);
  return word ? ParseDecimal(*word) : std::nullopt;
}

}  // namespace

// "<stage> <part bytes> <grows> <seconds> <own ETags, or -> <id>"
std::string UploadNote::ToString() const {
  std::string_view name;
  for (const auto& [each, text] : kStages) {
    if (each == stage) name = text;
  }
  const auto at = std::chrono::duration_cast<seconds>(begun_at.time_since_epoch()).count();
  return Concat(name, ' ', plan.first_bytes(), ' ', plan.grows() ? 1 : 0, ' ', at, ' ',
                own_etags.empty() ? "-" : own_etags, ' ', id);
}

std::optional<UploadNote> UploadNote::Parse(std::string_view text) {
  const std::optional<std::string_view> name = NextWord(text);
  const std::optional<std::uint64_t> part_bytes = NextNumber(text);
  const std::optional<std::uint64_t> grows = NextNumber(text);
  const std::optional<std::uint64_t> at = NextNumber(text);
  const std::optional<std::string_view> own = NextWord(text);
  if (!own || !at || !grows || !part_bytes) return std::nullopt;
  if (*part_bytes == 0 || *part_bytes > kMostPartBytes || *at > kLastSecond) return std::nullopt;
  for (const auto& [stage, stage_name] : kStages) {
    if (*name != stage_name) continue;
    return UploadNote{stage, PartPlan(*part_bytes, *grows != 0),
                      WallTime(seconds(static_cast<std::int64_t>(*at))), std::string(text),
                      *own == "-" ? std::string() : std::string(*own)};
  }
  return std::nullopt;
}

}  // namespace fetchd::sink
