#include "base/digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd {
namespace {

constexpr std::string_view kAbcSha256 =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// FIPS 180-4, RFC 1321 A.5 and CRC-32C of "abc".
TEST(DigesterTest, ComputesAllAlgorithmsInOnePass) {
  Digester digester({DigestAlgorithm::kCrc32c, DigestAlgorithm::kMd5, DigestAlgorithm::kSha256,
                     DigestAlgorithm::kSha384, DigestAlgorithm::kSha512});
  digester.Update(Bytes("a"));
  digester.Update({});
  digester.Update(Bytes("bc"));
  const std::vector<Digest> digests = digester.Finish();

  ASSERT_EQ(digests.size(), 5U);
  EXPECT_EQ(digests[0].ToHex(), "364b3fb7");
  EXPECT_EQ(digests[1].ToHex(), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(digests[2].ToHex(), kAbcSha256);
  EXPECT_EQ(digests[3].ToHex(),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(digests[4].ToHex(),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST(DigesterTest, MoveKeepsWhatWasRead) {
  Digester first({DigestAlgorithm::kSha256});
  first.Update(Bytes("ab"));
  Digester second = std::move(first);
  second.Update(Bytes("c"));
  EXPECT_EQ(second.Finish().at(0).ToHex(), kAbcSha256);
}

TEST(DigestTest, HexAndSriAreTheSameDigest) {
  const auto hex = Digest::Parse("sha256:" + std::string(kAbcSha256));
  const auto sri = Digest::Parse("sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  ASSERT_TRUE(hex.ok()) << hex.status();
  ASSERT_TRUE(sri.ok()) << sri.status();
  EXPECT_EQ(*hex, *sri);
  EXPECT_EQ(hex->ToSri(), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  EXPECT_EQ(sri->ToHex(), kAbcSha256);
}

TEST(DigestTest, EveryNameRoundTrips) {
  for (const auto algorithm :
       {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384, DigestAlgorithm::kSha512,
        DigestAlgorithm::kMd5, DigestAlgorithm::kCrc32c}) {
    const Digest digest = Digester({algorithm}).Finish().at(0);
    const auto parsed = Digest::Parse(digest.ToSri());
    ASSERT_TRUE(parsed.ok()) << DigestName(algorithm);
    EXPECT_EQ(*parsed, digest);
  }
}

class BadDigestTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BadDigestTest, IsInvalidArgument) {
  EXPECT_EQ(Digest::Parse(GetParam()).status().code(), absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, BadDigestTest,
                         ::testing::Values("", "sha256", "sha256:", "sha256-",
                                           "sha1:a9993e364706816aba3e25717850c26c", "sha256:ba7816",
                                           "md5:900150983cd24fb0d6963f7d28e17f7",
                                           "md5:900150983cd24fb0d6963f7d28e17f7g",
                                           "md5:900150983cd24fb0d6963f7d28e17f7200",
                                           "crc32c-Nks/tw",
                                           "crc32c-Nks/tx==", "crc32c-Nks/ tw=", ":364b3fb7"));

}  // namespace
}  // namespace fetchd
