#include "store/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Key(char c) { return std::string(Sealer::kKeyBytes, c); }
std::string Line(char c) { return Concat(HexEncode(Key(c)), '\n'); }

TEST(KeyRingTest, TheFirstKeySealsAndTheOthersOpen) {
  const KeyRing old(Sealer(Key('a')));
  const std::string sealed = *old.Seal("secret", "job-1");
  const auto ring = KeyRing::Parse(Line('b') + Line('a'));
  ASSERT_TRUE(ring.ok()) << ring.status();

  EXPECT_EQ(*ring->Open(old.key_id(), sealed, "job-1"), "secret");
  EXPECT_EQ(ring->key_id(), Sealer(Key('b')).key_id());
  EXPECT_EQ(*Sealer(Key('b')).Open(*ring->Seal("new", "job-1"), "job-1"), "new");
  EXPECT_TRUE(ring->Has(old.key_id()));
  EXPECT_FALSE(old.Has(ring->key_id()));
}

TEST(KeyRingTest, WhatNoKeyOpensIsDataLossWithTheKeyThatIsMissing) {
  const KeyRing ring(Sealer(Key('a')));
  const Sealer other(Key('b'));

  const absl::Status status = ring.Open(other.key_id(), *other.Seal("s", "c"), "c").status();

  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(MessageOf(status), HasSubstr(other.key_id()));
}

TEST(KeyRingTest, KeysAreWrittenInManyWays) {
  const std::string id = Sealer(Key('\xfb')).key_id();
  // Base64 of it has '+' and '/', or in that of URLs '-' and '_'.
  std::string standard = Base64Encode(Key('\xfb')), of_urls = standard;
  for (char& c : of_urls) c = c == '+' ? '-' : c == '/' ? '_' : c;
  ASSERT_NE(standard, of_urls);
  for (const std::string& text :
       {Key('\xfb'), HexEncode(Key('\xfb')), Line('\xfb'), standard, standard + "\r\n", of_urls,
        of_urls.substr(0, of_urls.find('=')), Concat("# ours\n\n  ", standard, " \n\n")}) {
    const auto ring = KeyRing::Parse(text);
    ASSERT_TRUE(ring.ok()) << text << ring.status();
    EXPECT_EQ(ring->key_id(), id) << text;
  }
}

TEST(KeyRingTest, WhatIsNoKeyIsRefusedByItsLineAndNotRepeated) {
  struct Case {
    std::string text;
    const char* why;
  };
  std::string many;
  for (char c = 'a'; c < 'a' + 17; ++c) many += Line(c);
  for (const auto& [text, why] :
       {Case{"", "no key"}, Case{"# nothing\n", "no key"},
        Case{Line('a') + "canary\n", "line 2 is no key"}, Case{Key('a') + "x", "line 1 is no key"},
        Case{HexEncode(Key('a')).substr(2), "line 1 is no key"},
        Case{Base64Encode(std::string(33, 'k')), "line 1 is no key"},
        Case{Line('a') + Line('b') + Line('a'), "line 3 has a key that is there already"},
        Case{many, "line 17 is more than 16"}, Case{std::string(8193, '\n'), "8192"}}) {
    const absl::Status status = KeyRing::Parse(text).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << text;
    EXPECT_THAT(MessageOf(status), AllOf(HasSubstr(why), Not(HasSubstr("canary"))));
  }
}

}  // namespace
}  // namespace fetchd::store
