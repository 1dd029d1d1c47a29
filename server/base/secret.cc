#include "base/secret.h"

#include <openssl/crypto.h>

#include <utility>

namespace fetchd {

void Cleanse(std::string& text) {
  // Up to the capacity nothing moves; behind the end may be what was there before.
  text.resize(text.capacity());
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

// A string that is moved keeps its bytes when they are few enough to be in the object itself.

Secret::Secret(std::string value) : value_(std::move(value)) { Cleanse(value); }

Secret::Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { Cleanse(other.value_); }

Secret& Secret::operator=(const Secret& other) { return *this = Secret(other); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  Cleanse(value_);
  value_ = std::move(other.value_);
  Cleanse(other.value_);
  return *this;
}

}  // namespace fetchd
