#include "sink/part_plan.h"

#include <gtest/gtest.h>

#include "sink/upload_note.h"

namespace fetchd::sink {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;

TEST(PartPlanTest, PartsOfAKnownLengthAreEqual) {
  const PartPlan plan = PartPlan::For(8 * kMiB, 100 * kMiB);
  EXPECT_EQ(plan.SizeOf(1), 8 * kMiB);
  EXPECT_EQ(plan.SizeOf(13), 8 * kMiB);
  EXPECT_EQ(plan.EndOf(13), 104 * kMiB);
}

TEST(PartPlanTest, TenThousandPartsSuffice) {
  for (const std::uint64_t total : {kTiB, 5 * kTiB, 80'000 * kMiB, 80'000 * kMiB + 1}) {
    EXPECT_GE(PartPlan::For(8 * kMiB, total).EndOf(kMaxParts), total);
  }
  EXPECT_EQ(PartPlan::For(8 * kMiB, 80'000 * kMiB).SizeOf(1), 8 * kMiB);
  EXPECT_EQ(PartPlan::For(8 * kMiB, 80'000 * kMiB + 1).SizeOf(1), 9 * kMiB);
  EXPECT_GE(PartPlan::For(8 * kMiB, std::nullopt).EndOf(kMaxParts), kTiB);
}

TEST(PartPlanTest, PartsOfAnUnknownLengthGrow) {
  const PartPlan plan = PartPlan::For(8 * kMiB, std::nullopt);
  EXPECT_EQ(plan.SizeOf(384), 8 * kMiB);
  EXPECT_EQ(plan.SizeOf(385), 16 * kMiB);
  EXPECT_EQ(plan.EndOf(385), (384 * 8 + 16) * kMiB);
}

TEST(PartPlanTest, AnOffsetIsInOnePart) {
  for (const bool grows : {false, true}) {
    const PartPlan plan(1000, grows);
    for (int number = 1; number < 1200; ++number) {
      EXPECT_EQ(plan.PartAt(plan.EndOf(number - 1)), number);
      EXPECT_EQ(plan.PartAt(plan.EndOf(number) - 1), number);
    }
  }
}

TEST(UploadNoteTest, IsReadAsItWasWritten) {
  const UploadNote note{.stage = UploadNote::Stage::kOpen,
                        .plan = PartPlan(8 * kMiB, true),
                        .begun_at = WallTime(std::chrono::seconds(1'700'000'000)),
                        .id = "2~a b+/=",
                        .own_etags = "d41d8-2,d41d8"};

  const std::optional<UploadNote> read = UploadNote::Parse(note.ToString());

  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->stage, note.stage);
  EXPECT_EQ(read->plan, note.plan);
  EXPECT_EQ(read->begun_at, note.begun_at);
  EXPECT_EQ(read->id, note.id);
  EXPECT_EQ(read->own_etags, note.own_etags);
  EXPECT_EQ(UploadNote::Parse(UploadNote{.id = "x"}.ToString())->own_etags, "");
}

TEST(UploadNoteTest, WhatIsNoneIsNone) {
  for (const char* text :
       {"", "open", "open 1 1", "open 0 0 0 - id", "open x 0 0 id", "shut 1 0 0 id",
        "open 1 0 -1 - id", "open 99999999999999999999 0 0 - id",
        "open 9223372036854775808 1 0 - id", "open 1 0 18446744073709551615 - id"}) {
    EXPECT_FALSE(UploadNote::Parse(text).has_value()) << text;
  }
}

TEST(UploadNoteTest, ThePlanOfWhatIsReadHasAnEnd) {
  // The largest that is taken: 2^63 - 1 over 27 times 10,000.
  const auto note = UploadNote::Parse("open 34160637173536 1 9223372036 - id");

  ASSERT_TRUE(note.has_value());
  EXPECT_GT(note->plan.EndOf(kMaxParts), note->plan.EndOf(kMaxParts - 1));
  EXPECT_EQ(note->plan.PartAt(note->plan.EndOf(kMaxParts) - 1), kMaxParts);
  EXPECT_FALSE(UploadNote::Parse("open 34160637173537 1 0 - id").has_value());
  EXPECT_FALSE(UploadNote::Parse("open 1 1 9223372037 - id").has_value());
}

}  // namespace
}  // namespace fetchd::sink
