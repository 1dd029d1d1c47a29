// Identifiers of different kinds are different types.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace fetchd {

/// A job's id: 26 characters of Crockford base32 in lower case (a ULID: 48 bits of milliseconds,
/// then 80 random bits), so that ids sort by creation. Its resource name is "jobs/<id>" (AIP-122).
class JobId {
 public:
  JobId() = default;
  static JobId Generate(WallTime now, std::mt19937_64& random);
  /// Accepts "<id>" and "jobs/<id>". INVALID_ARGUMENT otherwise.
  static absl::StatusOr<JobId> Parse(std::string_view text);

  const std::string& str() const { return text_; }
  std::string name() const { return "jobs/" + text_; }
  friend auto operator<=>(const JobId&, const JobId&) = default;

 private:
  explicit JobId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace fetchd

template <>
struct std::hash<fetchd::JobId> {
  std::size_t operator()(const fetchd::JobId& id) const noexcept {
    return std::hash<std::string>()(id.str());
  }
};
