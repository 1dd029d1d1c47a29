#include "rpc/convert_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fetchd/v1/fetch_service.pb.h"
#include "rpc/batch_watch.h"
#include "rpc/convert_job.h"
#include "rpc/convert_time.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr WallTime kBatchTime{std::chrono::hours(1000)};
constexpr char kBatchName[] = "batches/01h2xcejqtf2nbrexx3vqjhp41";

std::string FieldNamedBy(const absl::Status& status) {
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  const auto violation = GetField(status);
  return violation ? violation->field : "";
}

TEST(ConvertBatchTest, ABatchReadsBackAsItWasGiven) {
  v1::Batch in;
  in.set_display_name("nightly");
  in.mutable_defaults()->set_destination("file:{path}");
  in.mutable_defaults()->set_overwrite(v1::Job::OVERWRITE_NEVER);
  in.mutable_defaults()->set_priority(-100);
  in.mutable_defaults()->set_tenant("acme");
  (*in.mutable_defaults()->mutable_labels())["team"] = "a";
  *in.mutable_defaults()->mutable_deadline() = ToProto(kBatchTime + std::chrono::hours(1));
  in.set_state(v1::Batch::FAILED);  // Output only.

  const auto batch = FromProto(in, kBatchTime);

  ASSERT_TRUE(batch.ok()) << batch.status();
  const v1::Batch out = ToProto(*batch);
  EXPECT_EQ(out.display_name(), "nightly");
  EXPECT_EQ(out.defaults().SerializeAsString(), in.defaults().SerializeAsString());
  EXPECT_EQ(out.state(), v1::Batch::OPEN);
  EXPECT_EQ(out.etag(), "1");
}

TEST(ConvertBatchTest, WhatIsWrongIsNamed) {
  v1::Batch title;
  title.set_display_name("a\nb");
  EXPECT_EQ(FieldNamedBy(FromProto(title, kBatchTime).status()), "display_name");
  v1::Batch priority;
  priority.mutable_defaults()->set_priority(101);
  EXPECT_EQ(FieldNamedBy(FromProto(priority, kBatchTime).status()), "defaults.priority");
  v1::Batch tenant;
  tenant.mutable_defaults()->set_tenant("Of Nobody");
  EXPECT_EQ(FieldNamedBy(FromProto(tenant, kBatchTime).status()), "defaults.tenant");
  v1::Batch deadline;
  *deadline.mutable_defaults()->mutable_deadline() = ToProto(kBatchTime);
  EXPECT_EQ(FieldNamedBy(FromProto(deadline, kBatchTime).status()), "defaults.deadline");
  for (const char* const name :
       {"", "jobs/01h2xcejqtf2nbrexx3vqjhp41", "batches/x", "01h2xcejqtf2nbrexx3vqjhp41"}) {
    EXPECT_EQ(FieldNamedBy(ParseBatchName(name, "name").status()), "name") << name;
  }
  EXPECT_EQ(ParseBatchName(kBatchName, "name")->name(), kBatchName);
}

TEST(ConvertBatchTest, CountersErrorsAndActionAreShown) {
  jobs::Batch batch;
  batch.sealed = true;
  batch.action = jobs::BatchAction::kRetryAll;
  batch.counters = {.queued = {1, 10}, .failed = {2, 20}};
  const jobs::BatchErrors errors{{absl::StatusCode::kNotFound, "HTTP_STATUS", 404},
                                 2,
                                 {{JobId(), 7, "http://a/\xff", "gone"}}};

  const v1::Batch out = ToProto(batch, {errors});

  EXPECT_EQ(out.state(), v1::Batch::RUNNING);
  EXPECT_EQ(out.pending_action(), v1::Batch::RETRY_ALL);
  EXPECT_EQ(out.counters().found().objects(), 3u);
  EXPECT_EQ(out.counters().found().bytes(), 30u);
  EXPECT_EQ(out.counters().failed().bytes(), 20u);
  EXPECT_EQ(out.errors(0).http_status(), 404);
  EXPECT_EQ(out.errors(0).samples(0).entry(), 7);
  EXPECT_EQ(out.errors(0).samples(0).job(), "");
  EXPECT_EQ(out.errors(0).samples(0).url(), "http://a/\xc3\xbf");
}

TEST(ConvertBatchTest, TheBatchFillsInWhatAJobLeavesOut) {
  const jobs::JobDefaults defaults{"file:{path}", jobs::Overwrite::kNever,       7,
                                   "acme",        {{"team", "a"}, {"run", "1"}}, kBatchTime};
  v1::Job empty;
  FillIn(defaults, empty);
  EXPECT_EQ(empty.destination(), "file:{path}");
  EXPECT_EQ(empty.overwrite(), v1::Job::OVERWRITE_NEVER);
  EXPECT_EQ(empty.priority(), 7);
  EXPECT_EQ(empty.tenant(), "acme");
  EXPECT_EQ(empty.labels_size(), 2);
  EXPECT_TRUE(empty.has_deadline());

  v1::Job full;
  full.set_destination("discard:");
  full.set_overwrite(v1::Job::OVERWRITE_ALWAYS);
  full.set_priority(1);
  full.set_tenant("own");
  (*full.mutable_labels())["team"] = "own";
  *full.mutable_deadline() = ToProto(kBatchTime + std::chrono::hours(2));
  FillIn(defaults, full);
  EXPECT_EQ(full.destination(), "discard:");
  EXPECT_EQ(full.overwrite(), v1::Job::OVERWRITE_ALWAYS);
  EXPECT_EQ(full.priority(), 1);
  EXPECT_EQ(full.tenant(), "own");
  EXPECT_EQ(full.labels().at("team"), "own");
  EXPECT_EQ(full.labels().at("run"), "1");
  EXPECT_EQ(full.deadline().seconds(), ToProto(kBatchTime + std::chrono::hours(2)).seconds());
}

TEST(ConvertBatchTest, AJobOfABatchThatNamesNoTenantIsTheDefaultTenants) {
  v1::Job job;

  FillIn(jobs::JobDefaults(), job);

  EXPECT_EQ(job.tenant(), "default");
}

TEST(ConvertBatchTest, AJobOfABatchNeedsItsNumberAndANumberItsBatch) {
  v1::Job job;
  job.mutable_spec()->add_urls("http://a/");
  job.set_batch(kBatchName);
  EXPECT_EQ(FieldNamedBy(FromProto(job, kBatchTime).status()), "batch_entry");
  job.set_batch_entry(3);
  const auto read = FromProto(job, kBatchTime);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->batch.name(), kBatchName);
  EXPECT_EQ(ToProto(*read, std::nullopt).batch(), kBatchName);
  EXPECT_EQ(ToProto(*read, std::nullopt).batch_entry(), 3);
  job.clear_batch();
  EXPECT_EQ(FieldNamedBy(FromProto(job, kBatchTime).status()), "batch_entry");
  job.set_batch("batches/x");
  EXPECT_EQ(FieldNamedBy(FromProto(job, kBatchTime).status()), "batch");
}

struct UrlCase {
  const char* url;
  const char* kept;
};

TEST(RefusedEntryTest, KeepsNoPassword) {
  const UrlCase cases[] = {
      {"http://user:secret@host/a", "http://host/a"},
      {"http://user:sec@ret@host/a@b", "http://host/a@b"},
      {"user:secret@host", "host"},
      {"http:///?q=a@b", "http:///?q=a@b"},
      {"ftp://host/a", "ftp://host/a"},
      {"", ""},
  };
  for (const UrlCase& test : cases) {
    v1::CreateJobRequest request;
    request.mutable_job()->mutable_spec()->add_urls(test.url);
    request.mutable_job()->set_batch_entry(4);
    request.set_request_id("r");

    const jobs::BatchEntry entry =
        RefusedEntry(request, BatchId(), absl::InvalidArgumentError("no"));

    EXPECT_EQ(entry.url, test.kept);
    EXPECT_EQ(entry.entry, 4);
    EXPECT_EQ(ToProto(entry).error().message(), "no");
  }
}

TEST(RefusedEntryTest, WhatIsLongIsCut) {
  v1::CreateJobRequest request;
  request.mutable_job()->mutable_spec()->add_urls("http://a/" + std::string(100'000, 'x'));
  request.mutable_job()->set_destination("file:" + std::string(100'000, 'x'));
  request.set_request_id(std::string(1000, 'x'));

  const jobs::BatchEntry entry = RefusedEntry(request, BatchId(), absl::InvalidArgumentError("no"));

  EXPECT_EQ(entry.url.size(), 8192u);
  EXPECT_EQ(entry.destination.size(), 8192u);
  EXPECT_EQ(entry.request_id.size(), 128u);
}

TEST(RefusedEntryTest, ErrorsOfTheMomentAreNoRefusals) {
  EXPECT_TRUE(IsRefusal(absl::InvalidArgumentError("")));
  EXPECT_TRUE(IsRefusal(absl::PermissionDeniedError("")));
  EXPECT_TRUE(IsRefusal(absl::AlreadyExistsError("")));
  EXPECT_FALSE(IsRefusal(absl::UnavailableError("")));
  EXPECT_FALSE(IsRefusal(absl::ResourceExhaustedError("")));
  EXPECT_FALSE(IsRefusal(absl::NotFoundError("")));
  EXPECT_FALSE(IsRefusal(absl::FailedPreconditionError("")));
}

TEST(BatchWatchSpecTest, IsChecked) {
  v1::WatchBatchesRequest request;
  EXPECT_EQ(FieldNamedBy(FromProto(request, Anybody()).status()), "names");
  request.add_names(kBatchName);
  EXPECT_EQ(FromProto(request, Anybody())->interval, std::chrono::milliseconds(250));
  for (const Duration interval :
       {Duration(std::chrono::milliseconds(49)), Duration(std::chrono::seconds(11))}) {
    *request.mutable_interval() = ToProto(interval);
    EXPECT_EQ(FieldNamedBy(FromProto(request, Anybody()).status()), "interval");
  }
  request.clear_interval();
  request.add_names("jobs/x");
  EXPECT_EQ(FieldNamedBy(FromProto(request, Anybody()).status()), "names[1]");
  request.set_names(1, kBatchName);
  for (int i = 0; i < 99; ++i) request.add_names(kBatchName);
  EXPECT_EQ(FieldNamedBy(FromProto(request, Anybody()).status()), "names");
}

}  // namespace
}  // namespace fetchd::rpc
