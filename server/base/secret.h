// A value that cannot be printed by accident, and that leaves nothing in memory when it goes.
#pragma once

#include <string>

namespace fetchd {

/// Overwrites all that `text` has room for, in a way that no compiler leaves out, and empties it.
void Cleanse(std::string& text);

/// Holds a credential. There is no operator<<, no conversion and no ToString: only Reveal() gives
/// the value, at the place that puts it on the wire or into the store. What goes out of use is
/// overwritten: by destruction, by another value, and where it was moved from.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value);  ///< A short one is overwritten in the parameter, too.
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { Cleanse(value_); }

  const std::string& Reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string value_;
};

/// Overwrites a text that holds secrets on the way, such as what is sealed, at the end of a scope.
class CleansedAtEnd {
 public:
  explicit CleansedAtEnd(std::string& text) : text_(text) {}
  ~CleansedAtEnd() { Cleanse(text_); }
  CleansedAtEnd(const CleansedAtEnd&) = delete;
  CleansedAtEnd& operator=(const CleansedAtEnd&) = delete;

 private:
  std::string& text_;
};

inline constexpr char kRedacted[] = "[redacted]";

}  // namespace fetchd
