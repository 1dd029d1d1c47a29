// Limits of origins that several processes keep together: transfers, rates, and whom to leave
// alone.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "fetch/allotments.h"
#include "fetch/cool_down_exchange.h"
#include "fetch/origin_pacer.h"
#include "fetch/promised_slots.h"

namespace fetchd::fetch {

/// A rate is divided into so many parts.
inline constexpr std::size_t kPartsOfRate = 1000;
/// Of a limit on a rate, what is this process's: above 0, at most 1.
double PartOfRate(const Allotments& allotments, const std::string& key);
/// This process uses some of it now.
void WantPartOfRate(Allotments& allotments, const std::string& key);

/// What the pacer is allotted. Thread-safe. Outlives the pacer.
class SharedOrigins final : public OriginShares, public AllotmentUser {
 public:
  SharedOrigins(Allotments& allotments, PromisedSlots& promised, CoolDownExchange& exchange)
      : allotments_(allotments), promised_(promised), exchange_(exchange) {}
  /// Before Allotments::Run().
  void Serve(OriginPacer& pacer) { pacer_ = &pacer; }

  std::size_t TransfersOf(const Origin& origin, std::size_t limit) override;
  void WantTransfers(const Origin& origin, std::size_t limit) override;
  double RateOf(const Origin& origin) const override;
  void WantRate(const Origin& origin) override;
  void Held(const Origin& origin, bool circuit, Duration left) override;

  void AddUses(std::vector<SharedUse>& uses) override;
  void Reconsider(const std::string&) override {}  // The pacer asks each time.

 private:
  Allotments& allotments_;
  PromisedSlots& promised_;
  CoolDownExchange& exchange_;
  OriginPacer* pacer_ = nullptr;
};

}  // namespace fetchd::fetch
