#include "fetch/shared_origins.h"

#include <algorithm>

#include "base/strings.h"

namespace fetchd::fetch {
namespace {

/// Of a rate, until something was allotted.
constexpr double kFirstPart = 1.0 / 16;

std::string TransfersKey(const Origin& origin) { return Concat("transfers ", origin.ToString()); }
std::string RateKey(const Origin& origin) { return Concat("rate ", origin.ToString()); }

}  // namespace

double PartOfRate(const Allotments& allotments, const std::string& key) {
  const std::size_t parts = allotments.Of(key, kPartsOfRate);
  if (parts == 0) return kFirstPart;
  return static_cast<double>(std::min(parts, kPartsOfRate)) / static_cast<double>(kPartsOfRate);
}

void WantPartOfRate(Allotments& allotments, const std::string& key) {
  if (allotments.Of(key, kPartsOfRate) > 0) return;
  allotments.Want(key, kPartsOfRate, kPartsOfRate);
}

std::size_t SharedOrigins::TransfersOf(const Origin& origin, std::size_t limit) {
  return promised_.Of(TransfersKey(origin), limit);
}

void SharedOrigins::WantTransfers(const Origin& origin, std::size_t limit) {
  // How many jobs there are nobody knows.
  allotments_.Want(TransfersKey(origin), limit, limit);
}

double SharedOrigins::RateOf(const Origin& origin) const {
  return PartOfRate(allotments_, RateKey(origin));
}

void SharedOrigins::WantRate(const Origin& origin) { WantPartOfRate(allotments_, RateKey(origin)); }

void SharedOrigins::Held(const Origin& origin, bool circuit, Duration left) {
  exchange_.Announce(origin, circuit, left);
}

void SharedOrigins::AddUses(std::vector<SharedUse>& uses) {
  for (const OriginPacer::OriginState& state : pacer_->List()) {
    if (state.transfers == 0) continue;
    const OriginLimits& limits = state.limits;
    if (limits.max_transfers.value_or(0) > 0) {
      uses.push_back(
          {TransfersKey(state.origin), *limits.max_transfers, state.transfers, state.transfers});
    }
    if (limits.requests_per_sec || limits.bytes_per_sec) {
      uses.push_back({RateKey(state.origin), kPartsOfRate, 0, kPartsOfRate});
    }
  }
}

}  // namespace fetchd::fetch
