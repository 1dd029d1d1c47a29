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

struct JobKind {
  static constexpr std::string_view kNoun = "job";
  static constexpr std::string_view kCollection = "jobs/";
};
struct BatchKind {
  static constexpr std::string_view kNoun = "batch";
  static constexpr std::string_view kCollection = "batches/";
};

/// A resource's id: 26 characters of Crockford base32 in lower case (a ULID: 48 bits of
/// milliseconds, then 80 random bits), so that ids sort by creation. Its resource name is
/// "<collection>/<id>" (AIP-122). A default one is empty: none.
template <typename Kind>
class ResourceId {
 public:
  ResourceId() = default;
  static ResourceId Generate(WallTime now, std::mt19937_64& random);
  /// Accepts "<id>" and the resource name. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<ResourceId> Parse(std::string_view text);
  /// The resource name alone.
  static absl::StatusOr<ResourceId> ParseName(std::string_view name);

  bool empty() const { return text_.empty(); }
  const std::string& str() const { return text_; }
  std::string name() const { return std::string(Kind::kCollection) + text_; }
  friend auto operator<=>(const ResourceId&, const ResourceId&) = default;

 private:
  explicit ResourceId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

extern template class ResourceId<JobKind>;
extern template class ResourceId<BatchKind>;

using JobId = ResourceId<JobKind>;
using BatchId = ResourceId<BatchKind>;

}  // namespace fetchd

template <typename Kind>
struct std::hash<fetchd::ResourceId<Kind>> {
  std::size_t operator()(const fetchd::ResourceId<Kind>& id) const noexcept {
    return std::hash<std::string>()(id.str());
  }
};
