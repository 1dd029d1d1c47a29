#include "store/sealer.h"

#include <gtest/gtest.h>

namespace fetchd::store {
namespace {

const std::string kKey(Sealer::kKeyBytes, 'k');

TEST(SealerTest, OpensWhatItSealed) {
  const Sealer sealer(kKey);

  const auto sealed = sealer.Seal("secret", "job-1");

  ASSERT_TRUE(sealed.ok());
  EXPECT_EQ(sealed->find("secret"), std::string::npos);
  EXPECT_EQ(*sealer.Open(*sealed, "job-1"), "secret");
}

TEST(SealerTest, SealsTheSameTextDifferentlyEachTime) {
  const Sealer sealer(kKey);

  EXPECT_NE(*sealer.Seal("secret", "job-1"), *sealer.Seal("secret", "job-1"));
}

TEST(SealerTest, RefusesAnotherContextAnotherKeyAndEveryChangedByte) {
  const Sealer sealer(kKey);
  const std::string sealed = *sealer.Seal("secret", "job-1");

  EXPECT_TRUE(absl::IsDataLoss(sealer.Open(sealed, "job-2").status()));
  const Sealer other(std::string(Sealer::kKeyBytes, 'x'));
  EXPECT_TRUE(absl::IsDataLoss(other.Open(sealed, "job-1").status()));
  EXPECT_NE(other.key_id(), sealer.key_id());
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] ^= 1;
    EXPECT_TRUE(absl::IsDataLoss(sealer.Open(changed, "job-1").status())) << i;
    EXPECT_TRUE(absl::IsDataLoss(sealer.Open(sealed.substr(0, i), "job-1").status())) << i;
  }
}

TEST(SealerTest, NewKeysDiffer) { EXPECT_NE(NewKey()->Reveal(), NewKey()->Reveal()); }

}  // namespace
}  // namespace fetchd::store
