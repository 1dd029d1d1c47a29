// What every jobs::Store does for the sinks' notes. Beside store_conformance.h.
#pragma once

#include "support/store_conformance.h"

namespace fetchd::jobs {

class SinkNoteConformance : public StoreConformance {
 protected:
  Claim RunningJob() {
    EXPECT_TRUE(Await(store().Create(harness_.NewJob("https://origin.test/a"))).ok());
    auto claims = Await(store().ClaimReady(1, {}));
    EXPECT_EQ(claims->size(), 1U);
    return claims->front();
  }
  std::vector<SinkNote> Abandoned(SinkNote after = {}, int limit = 100) {
    return *Await(store().AbandonedSinkNotes(std::move(after), limit));
  }
  std::vector<SinkNote> NotesOf(const JobId& id) { return *Await(store().SinkNotesOf(id)); }
  absl::Status Keep(SinkNote note, std::int64_t fence) {
    return Await(store().KeepSinkNote(std::move(note), fence));
  }
  void Cancel(const JobId& id) { EXPECT_TRUE(Await(store().Update(id, CancelRequested())).ok()); }
};

TEST_P(SinkNoteConformance, ANoteReplacesTheOneBeforeOfItsDestinationAlone) {
  const Claim claim = RunningJob();
  const JobId& id = claim.job.id;

  EXPECT_EQ(Keep({id, "s3://b/one", "first"}, claim.fence), absl::OkStatus());
  EXPECT_EQ(Keep({id, "s3://b/two", "other"}, claim.fence), absl::OkStatus());
  EXPECT_EQ(Keep({id, "s3://b/one", "second"}, claim.fence), absl::OkStatus());

  EXPECT_THAT(NotesOf(id), ::testing::ElementsAre(SinkNote{id, "s3://b/one", "second"},
                                                  SinkNote{id, "s3://b/two", "other"}));
}

TEST_P(SinkNoteConformance, NotesOfADestinationAreThoseOfAllJobs) {
  std::vector<SinkNote> there;
  for (int i = 0; i < 2; ++i) {
    const Claim claim = RunningJob();
    there.push_back({claim.job.id, "s3://b/k", "x"});
    ASSERT_EQ(Keep(there.back(), claim.fence), absl::OkStatus());
    ASSERT_EQ(Keep({claim.job.id, "s3://b/other", "y"}, claim.fence), absl::OkStatus());
  }

  EXPECT_THAT(*Await(store().SinkNotesAt("s3://b/k")), ::testing::UnorderedElementsAreArray(there));
}

TEST_P(SinkNoteConformance, WhoHasNotTheClaimWritesNone) {
  const Claim claim = RunningJob();
  const JobId& id = claim.job.id;

  EXPECT_TRUE(absl::IsAborted(Keep({id, "s3://b/k", "x"}, claim.fence - 1)));
  Cancel(id);
  EXPECT_TRUE(absl::IsAborted(Keep({id, "s3://b/k", "x"}, claim.fence)));
  EXPECT_THAT(NotesOf(id), ::testing::IsEmpty());
}

TEST_P(SinkNoteConformance, OnlyTheNoteThatIsMeantIsDropped) {
  const Claim claim = RunningJob();
  const JobId& id = claim.job.id;
  const SinkNote note{id, "s3://b/k", "now"};
  ASSERT_EQ(Keep(note, claim.fence), absl::OkStatus());

  EXPECT_EQ(Await(store().DropSinkNote({id, "s3://b/k", "earlier"})), absl::OkStatus());
  EXPECT_THAT(NotesOf(id), ::testing::ElementsAre(note));
  EXPECT_EQ(Await(store().DropSinkNote(note)), absl::OkStatus());
  EXPECT_THAT(NotesOf(id), ::testing::IsEmpty());
  EXPECT_EQ(Await(store().DropSinkNote(note)), absl::OkStatus());
}

TEST_P(SinkNoteConformance, NotesOfJobsThatEndedOrAreGoneAreAbandoned) {
  std::vector<JobId> ids;
  for (int i = 0; i < 3; ++i) {
    const Claim claim = RunningJob();
    ids.push_back(claim.job.id);
    ASSERT_EQ(Keep({claim.job.id, "s3://b/k", "x"}, claim.fence), absl::OkStatus());
  }
  EXPECT_THAT(Abandoned(), ::testing::IsEmpty());

  Cancel(ids[0]);
  Cancel(ids[2]);
  EXPECT_EQ(Await(store().Delete(ids[2])), absl::OkStatus());

  const std::vector<SinkNote> abandoned = Abandoned();
  EXPECT_THAT(abandoned, ::testing::UnorderedElementsAre(SinkNote{ids[0], "s3://b/k", "x"},
                                                         SinkNote{ids[2], "s3://b/k", "x"}));
  EXPECT_THAT(Abandoned({}, 1), ::testing::ElementsAre(abandoned[0]));
  EXPECT_THAT(Abandoned(abandoned[0]), ::testing::ElementsAre(abandoned[1]));
}

}  // namespace fetchd::jobs
