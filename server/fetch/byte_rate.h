// Limits on bytes a second.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace fetchd::fetch {

/// What several readers may take together. Thread-safe; first come, first served.
class ByteRate {
 public:
  /// Takes `bytes` that were read at `now`, at `bytes_per_sec`; nullopt = no limit now. Returns
  /// when whoever read them may read on: a quarter of a second may be saved up.
  SteadyTime Take(std::uint64_t bytes, std::optional<std::uint64_t> bytes_per_sec, SteadyTime now);
  bool IsPaid(SteadyTime now) const;  ///< Nothing is owed: a new one would be like this one.

 private:
  mutable std::mutex mutex_;
  SteadyTime next_at_{};  ///< When all that was taken is paid for. Guarded by mutex_.
};

/// A limit of its own for each tenant. Thread-safe.
class TenantByteRates {
 public:
  /// What all transfers of a tenant take from, at least until what they took is paid for.
  std::shared_ptr<ByteRate> For(const std::string& tenant, SteadyTime now);

 private:
  std::mutex mutex_;  ///< Guards all below.
  std::map<std::string, std::shared_ptr<ByteRate>> rates_;
  std::size_t forget_at_ = 64;  ///< Entries at which those that nobody holds go.
};

/// A limit by the time of day: "10MiB", "off", or "08:00=2MiB 18:30=off", each from its time (UTC)
/// on, the last one of a day until the first of the next.
class BandwidthSchedule {
 public:
  BandwidthSchedule() = default;  ///< No limit.
  /// INVALID_ARGUMENT saying what was expected.
  static absl::StatusOr<BandwidthSchedule> Parse(std::string_view text);

  /// nullopt = none.
  std::optional<std::uint64_t> At(WallTime time) const;
  std::string ToString() const;

 private:
  struct Entry {
    int minute = 0;  ///< Of the day.
    std::optional<std::uint64_t> bytes_per_sec;
  };
  std::vector<Entry> entries_;  ///< By minute.
};

}  // namespace fetchd::fetch
