// A value that cannot be printed by accident.
#pragma once

#include <string>
#include <utility>

namespace fetchd {

/// Holds a credential. There is no operator<<, no conversion and no ToString: only Reveal() gives
/// the value, at the place that puts it on the wire or into the store.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& Reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string value_;
};

inline constexpr char kRedacted[] = "[redacted]";

}  // namespace fetchd
