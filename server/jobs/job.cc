#include "jobs/job.h"

#include <array>
#include <utility>

#include "base/url.h"

namespace fetchd::jobs {
namespace {

constexpr auto kStateNames = std::to_array<std::pair<State, const char*>>({
    {State::kQueued, "QUEUED"},
    {State::kRunning, "RUNNING"},
    {State::kWaiting, "WAITING"},
    {State::kInterrupted, "INTERRUPTED"},
    {State::kSucceeded, "SUCCEEDED"},
    {State::kFailed, "FAILED"},
    {State::kCancelled, "CANCELLED"},
    {State::kPaused, "PAUSED"},
});

}  // namespace

bool IsTenantName(std::string_view name) {
  constexpr std::size_t kLongest = 63;
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kLongest && alphanumeric(name.front()) &&
         std::ranges::all_of(
             name, [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

std::string OriginOfUrl(const FetchSpec& spec, std::size_t index) {
  if (index >= spec.urls.size()) return std::string();
  const auto url = Url::ParseSource(spec.urls[index], UrlOptions{.ipv4_forms = Ipv4Forms::kWhatwg});
  return url.ok() ? url->origin().ToString() : std::string();
}

std::string OriginOfNext(const Job& job) { return OriginOfUrl(job.spec, job.urls.next); }

const char* StateName(State state) {
  for (const auto& [value, name] : kStateNames) {
    if (value == state) return name;
  }
  return "UNKNOWN";
}

std::optional<State> ParseState(std::string_view name) {
  for (const auto& [value, text] : kStateNames) {
    if (name == text) return value;
  }
  return std::nullopt;
}

bool IsTerminal(State state) {
  return state == State::kSucceeded || state == State::kFailed || state == State::kCancelled;
}

bool IsClaimable(State state) {
  return state == State::kQueued || state == State::kWaiting || state == State::kInterrupted;
}

const char* AttemptOutcomeName(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::kSucceeded:
      return "SUCCEEDED";
    case AttemptOutcome::kFailed:
      return "FAILED";
    case AttemptOutcome::kPutOff:
      return "PUT_OFF";
    case AttemptOutcome::kInterrupted:
      return "INTERRUPTED";
    case AttemptOutcome::kCancelled:
      return "CANCELLED";
  }
  return "UNKNOWN";
}

}  // namespace fetchd::jobs
