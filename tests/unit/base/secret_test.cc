#include "base/secret.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace fetchd {
namespace {

constexpr char kShort[] = "hunter2-short";  // In the object itself: 15 bytes fit.

/// The bytes of an object, to be looked at when it is gone.
class Storage {
 public:
  void* place() { return bytes_.data(); }
  bool Holds(std::string_view text) const {
    return std::string_view(bytes_.data(), bytes_.size()).contains(text);
  }

 private:
  alignas(Secret) std::array<char, sizeof(Secret)> bytes_{};
};

TEST(SecretTest, AShortOneLeavesNothingWhenItGoes) {
  Storage storage;
  auto* const secret = new (storage.place()) Secret(kShort);
  ASSERT_TRUE(storage.Holds("hunter2")) << "else this test sees nothing";

  secret->~Secret();

  EXPECT_FALSE(storage.Holds("hunter2"));
}

TEST(SecretTest, AShortOneLeavesNothingWhereItWasMovedFrom) {
  Storage storage;
  auto* const secret = new (storage.place()) Secret(kShort);

  const Secret constructed(std::move(*secret));

  EXPECT_FALSE(storage.Holds("hunter2"));
  EXPECT_EQ(constructed.Reveal(), kShort);
  *secret = constructed;
  ASSERT_TRUE(storage.Holds("hunter2"));
  Secret assigned("another");
  assigned = std::move(*secret);
  EXPECT_FALSE(storage.Holds("hunter2"));
  EXPECT_EQ(assigned.Reveal(), kShort);
  secret->~Secret();
}

TEST(SecretTest, AnotherValueLeavesNothingOfTheFirst) {
  Storage storage;
  auto* const secret = new (storage.place()) Secret(kShort);

  *secret = Secret("x");

  EXPECT_FALSE(storage.Holds("unter2"));
  EXPECT_EQ(secret->Reveal(), "x");
  secret->~Secret();
}

TEST(SecretTest, IsAValue) {
  Secret secret("value");
  const Secret copy = secret;
  Secret& same = secret;

  secret = same;

  EXPECT_EQ(secret, copy);
  EXPECT_TRUE(Secret().empty());
  secret = Secret();
  EXPECT_TRUE(secret.empty());
  EXPECT_EQ(copy.Reveal(), "value");
}

TEST(CleanseTest, OverwritesWhatIsBehindTheEndToo) {
  std::string text(100, 's');
  const char* const bytes = text.data();
  text.resize(10);

  Cleanse(text);

  EXPECT_TRUE(text.empty());
  EXPECT_EQ(std::string_view(bytes, 100).find('s'), std::string_view::npos);
}

TEST(CleanseTest, AtTheEndOfAScope) {
  std::string text = "on the way";
  {
    const CleansedAtEnd end(text);
  }
  EXPECT_TRUE(text.empty());
}

}  // namespace
}  // namespace fetchd
