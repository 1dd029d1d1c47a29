// What is given back to the heap is looked at: a program of its own, for it replaces operator
// delete.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/credentials.h"
#include "base/secret.h"

namespace {

// Longer than what a string holds in itself.
constexpr std::string_view kMark = "canary-that-is-longer-than-a-short-string";

std::atomic<int> found{0};  // Blocks that were given back with the mark in them.

void GiveBack(void* block) {
  if (block != nullptr) {
    const std::string_view bytes(static_cast<const char*>(block), malloc_usable_size(block));
    if (bytes.find(kMark) != std::string_view::npos) found.fetch_add(1);
  }
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* const block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { GiveBack(block); }
void operator delete(void* block, std::size_t) noexcept { GiveBack(block); }

namespace fetchd {
namespace {

TEST(SecretMemoryTest, AStringLeavesWhatItHeld) {
  found = 0;
  {
    const std::string text(kMark);
  }
  EXPECT_EQ(found, 1) << "else the tests below see nothing";
}

TEST(SecretMemoryTest, ASecretLeavesNothing) {
  Secret made{std::string(kMark)};
  found = 0;
  {
    Secret copy = made;
    Secret moved = std::move(copy);
    copy = moved;
    moved = Secret("another, which is long enough to be on the heap itself");
    made = copy;
  }
  made = Secret();
  EXPECT_EQ(found, 0);
}

TEST(SecretMemoryTest, NorDoCredentialsThatHoldOne) {
  Secret made{std::string(kMark)};
  found = 0;
  {
    std::vector<Credentials> all;
    for (int i = 0; i < 3; ++i)
      all.emplace_back(BearerCredentials{made});  // They move as it grows.
    all.emplace_back(BasicCredentials{"name", made});
    all.front() = std::monostate();
    std::optional<Credentials> one = all.back();
    one = DigestCredentials{"name", made};
  }
  EXPECT_EQ(found, 0);
}

TEST(SecretMemoryTest, NorWhatIsCleansedAtTheEnd) {
  found = 0;
  {
    std::string text(kMark);
    const CleansedAtEnd end(text);
  }
  EXPECT_EQ(found, 0);
}

}  // namespace
}  // namespace fetchd
