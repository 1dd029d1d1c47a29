#include "base/ids.h"

#include <gtest/gtest.h>

#include <set>

namespace fetchd {
namespace {

using std::chrono::milliseconds;

TEST(JobIdTest, StartsWithTheTimeAsUlid) {
  std::mt19937_64 random(1);
  // The example of the ULID specification: 1469918176385 ms is 01ARYZ6S41.
  const JobId id = JobId::Generate(WallTime(milliseconds(1469918176385)), random);
  EXPECT_EQ(id.str().size(), 26U);
  EXPECT_EQ(id.str().substr(0, 10), "01aryz6s41");
  EXPECT_EQ(id.name(), "jobs/" + id.str());
}

TEST(JobIdTest, SortsByCreation) {
  std::mt19937_64 random(1);
  JobId previous = JobId::Generate(WallTime(milliseconds(1)), random);
  for (std::int64_t at = 2; at < 100'000'000'000; at *= 3) {
    const JobId next = JobId::Generate(WallTime(milliseconds(at)), random);
    EXPECT_LT(previous, next);
    previous = next;
  }
}

TEST(JobIdTest, DiffersWithinOneMillisecond) {
  std::mt19937_64 random(1);
  std::set<JobId> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(JobId::Generate(WallTime(), random));
  EXPECT_EQ(ids.size(), 1000U);
}

TEST(JobIdTest, ParsesIdAndResourceName) {
  std::mt19937_64 random(1);
  const JobId id = JobId::Generate(WallTime(), random);
  EXPECT_EQ(*JobId::Parse(id.str()), id);
  EXPECT_EQ(*JobId::Parse(id.name()), id);
  EXPECT_EQ(std::hash<JobId>()(*JobId::Parse(id.name())), std::hash<JobId>()(id));
}

TEST(JobIdTest, RefusesWhatGenerateNeverMakes) {
  for (const char* text :
       {"", "jobs/", "01aryz6s41", "jobs/jobs/01aryz6s41tsv4rrffq69g5fav",
        "01ARYZ6S41TSV4RRFFQ69G5FAV", "81aryz6s41tsv4rrffq69g5fav", "01aryz6s41tsv4rrffq69g5fai",
        "01aryz6s41tsv4rrffq69g5fava", "../aryz6s41tsv4rrffq69g5fav"}) {
    EXPECT_EQ(JobId::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(BatchIdTest, HasACollectionOfItsOwn) {
  const std::string id = "01h2xcejqtf2nbrexx3vqjhp41";

  EXPECT_EQ(BatchId::Parse(id)->name(), "batches/" + id);
  EXPECT_EQ(BatchId::Parse("batches/" + id)->str(), id);
  EXPECT_FALSE(BatchId::Parse("jobs/" + id).ok());
  EXPECT_FALSE(JobId::Parse("batches/" + id).ok());
  EXPECT_TRUE(BatchId::ParseName("batches/" + id).ok());
  EXPECT_FALSE(BatchId::ParseName(id).ok());
  EXPECT_TRUE(BatchId().empty());
}

}  // namespace
}  // namespace fetchd
