#include "sink/part_name.h"

#include <algorithm>
#include <climits>
#include <limits>

#include "base/strings.h"

namespace fetchd::sink {
namespace {

constexpr std::string_view kSuffix = ".fetchd-part";
constexpr std::size_t kJobIdSize = 26;
constexpr std::size_t kMostDigits = std::numeric_limits<std::int64_t>::digits10 + 1;
constexpr std::size_t kMaxBasename = NAME_MAX - 2 - kJobIdSize - kSuffix.size();
constexpr std::size_t kMaxBasenameWithRun = kMaxBasename - 1 - kMostDigits;

// "<name>.<run>" -> "<name>"; any other as it is.
std::string_view WithoutRun(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return name;
  const std::string_view run = name.substr(dot + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool is_run =
      !run.empty() && run.size() <= kMostDigits && std::ranges::all_of(run, is_digit);
  return is_run ? name.substr(0, dot) : name;
}

}  // namespace

std::string PartFileName(std::string_view basename, const JobId& job, std::int64_t run) {
  const std::size_t most = run > 0 ? kMaxBasenameWithRun : kMaxBasename;
  std::string name = Concat('.', basename.substr(0, most), '.', job.str());
  if (run > 0) name += Concat('.', run);
  return name + std::string(kSuffix);
}

std::optional<JobId> JobOfPartFile(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(kSuffix)) return std::nullopt;
  name.remove_suffix(kSuffix.size());
  name = WithoutRun(name);
  if (name.size() < kJobIdSize + 2 || name[name.size() - kJobIdSize - 1] != '.') {
    return std::nullopt;
  }
  auto job = JobId::Parse(name.substr(name.size() - kJobIdSize));
  if (!job.ok()) return std::nullopt;
  return *std::move(job);
}

}  // namespace fetchd::sink
