#include "fetch/mirrors.h"

#include <algorithm>
#include <string>
#include <tuple>

#include "base/check.h"
#include "base/signed_url.h"
#include "base/strings.h"

namespace fetchd::fetch {
namespace {

/// One failure says little of an origin.
constexpr int kFailing = 2;

/// Smaller is better.
auto RankOf(const UrlFacts& facts) {
  return std::tuple(facts.refused, facts.on_hold, facts.failing);
}

bool IsClearlyFaster(const UrlFacts& later, const UrlFacts& earlier) {
  return earlier.bytes_per_sec > 0 && later.bytes_per_sec >= kClearlyFaster * earlier.bytes_per_sec;
}

bool IsStrong(const Digest& digest) {
  switch (digest.algorithm) {
    case DigestAlgorithm::kSha256:
    case DigestAlgorithm::kSha384:
    case DigestAlgorithm::kSha512:
      return true;
    case DigestAlgorithm::kMd5:
    case DigestAlgorithm::kCrc32c:
      return false;
  }
  return false;
}

/// The last error of url `index`; null when it never failed.
const jobs::UrlNote* FailureOf(const jobs::UrlMemory& memory, std::size_t index) {
  const bool failed = index < memory.notes.size() && !memory.notes[index].error.ok();
  return failed ? &memory.notes[index] : nullptr;
}

bool MayPass(const jobs::UrlMemory& memory, std::size_t index) {
  const jobs::UrlNote* note = FailureOf(memory, index);
  return note != nullptr && !note->refused;
}

/// Of which url the error is that of all.
std::size_t TellingUrl(const jobs::UrlMemory& memory, std::size_t last) {
  if (MayPass(memory, last)) return last;
  for (std::size_t i = 0; i < memory.notes.size(); ++i) {
    if (MayPass(memory, i)) return i;
  }
  return FailureOf(memory, 0) != nullptr ? 0 : last;
}

/// What the job has kept is of no use at url `chosen`, and the origin that it waits for is free
/// again before long.
bool LosesMoreThanTime(const jobs::Job& job, std::size_t chosen, OriginPacer& pacer,
                       const UrlOptions& options) {
  if (job.checkpoint.bytes == 0) return false;
  const absl::StatusOr<Url> there = Url::ParseSource(job.spec.urls[chosen], options);
  const absl::StatusOr<Origin> here = Origin::Parse(jobs::OriginOfNext(job), options);
  if (!there.ok() || !here.ok()) return false;
  return ContinuationOf(job.checkpoint, there->ToString(), job.spec) == Continuation::kNone &&
         pacer.StateOf(*here).hold == Hold::kCoolDown;
}

std::string NameOf(const jobs::FetchSpec& spec, std::size_t index) {
  return Concat("urls[", index, "] ", jobs::OriginOfUrl(spec, index));
}

}  // namespace

std::size_t ChooseUrl(std::span<const UrlFacts> urls, std::size_t first,
                      std::optional<std::uint64_t> body_bytes) {
  FETCHD_CHECK(!urls.empty());
  const bool large = body_bytes.value_or(kLargeBodyBytes) >= kLargeBodyBytes;
  std::size_t chosen = first % urls.size();
  for (std::size_t step = 1; step < urls.size(); ++step) {
    const std::size_t later = (first + step) % urls.size();
    const auto rank = RankOf(urls[later]);
    const auto best = RankOf(urls[chosen]);
    const bool faster = large && rank == best && IsClearlyFaster(urls[later], urls[chosen]);
    if (rank < best || faster) chosen = later;
  }
  return chosen;
}

std::vector<UrlFacts> FactsOf(const jobs::FetchSpec& spec, const jobs::UrlMemory& memory,
                              OriginPacer& pacer, const UrlOptions& options,
                              std::optional<std::size_t> failed) {
  std::vector<UrlFacts> all(spec.urls.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].refused = i < memory.notes.size() && memory.notes[i].refused;
    const absl::StatusOr<Url> url = Url::ParseSource(spec.urls[i], options);
    if (!url.ok()) continue;
    const OriginPacer::OriginState state = pacer.StateOf(url->origin());
    all[i].on_hold = IsOnHold(state.hold);
    all[i].failing = failed == i || state.failures_in_a_row >= kFailing;
    all[i].bytes_per_sec = state.bytes_per_sec.value_or(0);
  }
  return all;
}

std::optional<std::size_t> UrlOffHold(const jobs::Job& job, OriginPacer& pacer,
                                      const UrlOptions& options) {
  if (job.spec.urls.empty()) return std::nullopt;
  const std::vector<UrlFacts> facts = FactsOf(job.spec, job.urls, pacer, options, std::nullopt);
  const std::size_t chosen = ChooseUrl(facts, job.urls.next, job.checkpoint.total_bytes);
  if (facts[chosen].on_hold || facts[chosen].refused) return std::nullopt;
  return LosesMoreThanTime(job, chosen, pacer, options) ? std::nullopt : std::optional(chosen);
}

void NoteFailure(jobs::UrlMemory& memory, std::size_t index, const absl::Status& error,
                 bool refused) {
  if (memory.notes.size() <= index) memory.notes.resize(index + 1);
  memory.notes[index] = {error, refused};
}

bool AnyLeft(const jobs::FetchSpec& spec, const jobs::UrlMemory& memory) {
  const auto refused = std::ranges::count_if(memory.notes, &jobs::UrlNote::refused);
  return static_cast<std::size_t>(refused) < spec.urls.size();
}

absl::Status FinalError(const jobs::FetchSpec& spec, const jobs::UrlMemory& memory,
                        std::size_t last) {
  const std::size_t telling = TellingUrl(memory, last);
  const jobs::UrlNote* note = FailureOf(memory, telling);
  FETCHD_CHECK(note != nullptr);
  std::string others;
  for (std::size_t i = 0; i < memory.notes.size(); ++i) {
    const jobs::UrlNote* other = FailureOf(memory, i);
    if (i == telling || other == nullptr) continue;
    others += Concat(NameOf(spec, i), ": ", MessageOf(other->error), "; ");
  }
  if (others.empty()) return note->error;
  return WithPrefix(note->error, others + NameOf(spec, telling));
}

Continuation ContinuationOf(const jobs::Checkpoint& kept, const std::string& url,
                            const jobs::FetchSpec& spec) {
  const bool provable = !kept.etag.empty() || !kept.last_modified.empty();
  if (!provable || kept.source.empty()) return Continuation::kNone;
  if (kept.url == HideSignatures(url)) return Continuation::kSameUrl;
  if (!kept.total_bytes) return Continuation::kNone;
  if (std::ranges::any_of(spec.digests, IsStrong)) return Continuation::kByDigest;
  // Of a part the length says nothing of the body that it is of.
  return kept.etag.empty() || spec.range ? Continuation::kNone : Continuation::kByEtag;
}

}  // namespace fetchd::fetch
