// Digests whose state is kept and gone on with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <random>

#include "base/big_endian.h"
#include "base/crc32c.h"
#include "base/digest.h"
#include "base/strings.h"

namespace fetchd {
namespace {

const std::vector<DigestAlgorithm> kAll = {DigestAlgorithm::kSha256, DigestAlgorithm::kSha384,
                                           DigestAlgorithm::kSha512, DigestAlgorithm::kMd5,
                                           DigestAlgorithm::kCrc32c};

std::span<const std::byte> TextBytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string Random(std::size_t size) {
  std::mt19937 random(11);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

Digester After(std::string_view text, std::vector<DigestAlgorithm> algorithms = kAll) {
  Digester digester(std::move(algorithms));
  digester.Update(TextBytes(text));
  return digester;
}

/// `saved` with a checksum that fits, as a program would have written it.
std::string Signed(std::string saved) {
  PutBigEndian(ExtendCrc32c(0, TextBytes(saved)), saved);
  return saved;
}

TEST(DigestStateTest, GoesOnFromEverySplit) {
  const std::string body = Random(600);
  const std::vector<Digest> whole = After(body).Finish();
  for (std::size_t split = 0; split <= body.size(); ++split) {
    std::optional<Digester> second = Digester::Load(After(body.substr(0, split)).Save());

    ASSERT_TRUE(second) << split;
    EXPECT_EQ(second->size_bytes(), split);
    EXPECT_EQ(second->algorithms(), kAll);
    second->Update(TextBytes(body).subspan(split));
    EXPECT_EQ(second->Finish(), whole) << split;
  }
}

TEST(DigestStateTest, GoesOnAgainAndAgain) {
  const std::string body = Random(2'000);
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    Digester digester(kAll);
    for (std::size_t at = 0; at < body.size();) {
      const std::size_t size = std::min<std::size_t>(random() % 200, body.size() - at);
      digester.Update(TextBytes(body).subspan(at, size));
      digester = *Digester::Load(digester.Save());
      at += size;
    }
    ASSERT_EQ(digester.Finish(), After(body).Finish()) << round;
  }
}

TEST(DigestStateTest, SavingLeavesTheDigestAsItWas) {
  Digester digester = After("ab");
  EXPECT_EQ(digester.Save(), digester.Save());
  digester.Update(TextBytes("c"));
  EXPECT_EQ(digester.Finish(), After("abc").Finish());
}

// Beyond the 32 bits, and the 29, in which a hash might count: 513 MiB, of which the count alone is
// taken on trust. OpenSSL's own interface says what is right.
TEST(DigestStateTest, CountsBeyondThirtyTwoBitsOfLength) {
  const std::string block(std::size_t{1} << 20, 'x');
  Digester digester({DigestAlgorithm::kSha256});
  EVP_MD_CTX* expected = EVP_MD_CTX_new();
  ASSERT_EQ(EVP_DigestInit_ex(expected, EVP_sha256(), nullptr), 1);
  for (int i = 0; i < 513; ++i) {
    digester.Update(TextBytes(block));
    ASSERT_EQ(EVP_DigestUpdate(expected, block.data(), block.size()), 1);
  }
  digester = *Digester::Load(digester.Save());
  std::string bytes(32, '\0');
  ASSERT_EQ(EVP_DigestFinal_ex(expected, reinterpret_cast<unsigned char*>(bytes.data()), nullptr),
            1);
  EVP_MD_CTX_free(expected);

  EXPECT_EQ(digester.Finish().at(0).bytes, bytes);
}

// The format is a promise to later versions: these bytes are read for ever.
TEST(DigestStateTest, TheFormatIsFixed) {
  EXPECT_EQ(HexEncode(After("abc", {DigestAlgorithm::kSha256, DigestAlgorithm::kCrc32c}).Save()),
            "46444701"  // "FDG", version 1
            "0000000000000003"
            "02"  // bytes hashed, algorithms
            "06"
            "736861323536"
            "23"  // "sha256", length of its state
            "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19"
            "616263"
            "06"
            "637263333263"
            "04"
            "364b3fb7"  // "crc32c"
            "742dbe09");
}

TEST(DigestStateTest, DamageAnywhereIsFound) {
  const std::string saved = After(Random(100)).Save();
  ASSERT_TRUE(Digester::Load(saved));
  for (std::size_t i = 0; i < saved.size(); ++i) {
    EXPECT_FALSE(Digester::Load(saved.substr(0, i))) << i;
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = saved;
      damaged[i] = static_cast<char>(damaged[i] ^ 1 << bit);
      EXPECT_FALSE(Digester::Load(damaged)) << i << '.' << bit;
    }
  }
  EXPECT_FALSE(Digester::Load(saved + '\0'));
  EXPECT_FALSE(Digester::Load(""));
}

const std::string kHeadOfThree("FDG\x01\0\0\0\0\0\0\0\x03", 12);

TEST(DigestStateTest, WhatAnotherProgramWroteInTheFormatIsRead) {
  EXPECT_TRUE(Digester::Load(Signed(kHeadOfThree + std::string("\x01\x06"
                                                               "crc32c\x04"
                                                               "1234",
                                                               13))));
}

struct UnknownCase {
  const char* name;
  std::string saved;
};
void PrintTo(const UnknownCase& c, std::ostream* out) { *out << c.name; }

class UnknownStateTest : public ::testing::TestWithParam<UnknownCase> {};

TEST_P(UnknownStateTest, IsNone) { EXPECT_FALSE(Digester::Load(Signed(GetParam().saved))); }

INSTANTIATE_TEST_SUITE_P(
    All, UnknownStateTest,
    ::testing::Values(UnknownCase{"Empty", ""}, UnknownCase{"OtherMagic", "GDF\x01"},
                      UnknownCase{"LaterVersion", std::string("FDG\x02\0\0\0\0\0\0\0\x03\0", 13)},
                      UnknownCase{"NoCount", kHeadOfThree},
                      UnknownCase{"UnknownAlgorithm",
                                  kHeadOfThree + std::string("\x01\x04sha1\x01x", 8)},
                      UnknownCase{"FewerThanCounted", kHeadOfThree + std::string("\x02\x06"
                                                                                 "crc32c\x04"
                                                                                 "1234",
                                                                                 13)},
                      UnknownCase{"StateTooShort", kHeadOfThree + std::string("\x01\x06"
                                                                              "crc32c\x03"
                                                                              "123",
                                                                              12)},
                      UnknownCase{"StateTooLong", kHeadOfThree + std::string("\x01\x06"
                                                                             "crc32c\x05"
                                                                             "12345",
                                                                             14)},
                      UnknownCase{"LengthBeyondTheEnd", kHeadOfThree + std::string("\x01\x06"
                                                                                   "crc32c\x7f"
                                                                                   "1234",
                                                                                   13)},
                      UnknownCase{"MoreBehind", kHeadOfThree + std::string("\x01\x06"
                                                                           "crc32c\x04"
                                                                           "12345",
                                                                           14)}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fetchd
