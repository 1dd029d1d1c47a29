#include "base/hash.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd {
namespace {

TEST(HashHexTest, KnowsItsAlgorithms) {
  EXPECT_EQ(HashHex(HashAlgorithm::kSha256, ""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HashHex(HashAlgorithm::kMd5, "abc"), "900150983cd24fb0d6963f7d28e17f72");
}

// RFC 4231 4.2, 4.3 and 4.7 (a key that is longer than a block).
TEST(HmacSha256Test, IsThatOfTheRfc) {
  EXPECT_EQ(HexEncode(HmacSha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(HexEncode(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(HexEncode(HmacSha256(std::string(131, '\xaa'),
                                 "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(EqualInConstantTimeTest, IsEquality) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("secret", "secret"));
  for (const char* other : {"", "Secret", "secreT", "secre", "secrets"}) {
    EXPECT_FALSE(EqualInConstantTime("secret", other)) << other;
  }
}

}  // namespace
}  // namespace fetchd
