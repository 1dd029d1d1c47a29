#include <gmock/gmock.h>

#include "fake_service.h"

namespace fetchd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kBody[] = "hello, world";
constexpr char kSha256[] = "09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b";

void SendHead(grpc::ServerWriter<v1::FetchResponse>& writer, std::uint64_t offset,
              const std::string& etag = "\"1\"") {
  v1::FetchResponse response;
  response.mutable_head()->set_http_status(200);
  response.mutable_head()->set_offset(offset);
  response.mutable_head()->set_total_bytes(sizeof kBody - 1);
  v1::Header* header = response.mutable_head()->add_headers();
  header->set_name("ETag");
  header->set_value(etag);
  writer.Write(response);
}

void SendChunk(grpc::ServerWriter<v1::FetchResponse>& writer, std::uint64_t offset,
               const std::string& data) {
  v1::FetchResponse response;
  response.mutable_chunk()->set_offset(offset);
  response.mutable_chunk()->set_data(data);
  writer.Write(response);
}

grpc::Status SendRest(grpc::ServerWriter<v1::FetchResponse>& writer, std::uint64_t offset,
                      const std::string& etag = "\"1\"") {
  SendHead(writer, offset, etag);
  SendChunk(writer, offset, std::string(kBody).substr(offset));
  v1::FetchResponse response;
  response.mutable_end()->set_size_bytes(sizeof kBody - 1);
  writer.Write(response);
  return grpc::Status::OK;
}

class GetTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    service_.fetch = [this](grpc::ServerContext& context, const v1::FetchRequest& request,
                            grpc::ServerWriter<v1::FetchResponse>& writer) {
      requests_.push_back(request);
      return answer_(context, request, writer);
    };
  }
  std::vector<std::uint64_t> Offsets() const {
    std::vector<std::uint64_t> offsets;
    for (const auto& request : requests_) offsets.push_back(request.offset());
    return offsets;
  }

  std::vector<v1::FetchRequest> requests_;
  decltype(FakeFetchService::fetch) answer_ = [](grpc::ServerContext&,
                                                 const v1::FetchRequest& request, auto& writer) {
    return SendRest(writer, request.offset());
  };
};

TEST_F(GetTest, WithoutTerminalTheBodyGoesToStandardOutput) {
  EXPECT_EQ(RunCommand({"get", "http://a/"}), ExitCode::kDone);

  EXPECT_EQ(BodyOut(), kBody);
}

TEST_F(GetTest, FileAppearsWhole) {
  Write("f", "old");

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--sha256", kSha256}),
            ExitCode::kDone);

  EXPECT_EQ(Contents("f"), kBody);
  EXPECT_FALSE(Exists("f.part"));
}

TEST_F(GetTest, FlagsBecomeTheSpec) {
  Write("token", "t0k\n");
  EXPECT_EQ(RunCommand({"get", "--header", "Accept: x/y", "--header", "X-A:b", "http://a/",
                        "--bearer-file", Path("token"), "--max-bytes", "1KiB", "--proxy", "corp"}),
            ExitCode::kDone);

  const v1::FetchSpec& spec = requests_.at(0).spec();
  ASSERT_EQ(spec.headers_size(), 2);
  EXPECT_EQ(spec.headers(0).value(), "x/y");
  EXPECT_EQ(spec.credentials().bearer_token(), "t0k");
  EXPECT_EQ(spec.max_bytes(), 1024u);
  EXPECT_EQ(spec.proxy(), "corp");
}

TEST_F(GetTest, NotModifiedLeavesTheFile) {
  answer_ = [](grpc::ServerContext&, const v1::FetchRequest& request, auto& writer) {
    EXPECT_EQ(request.spec().if_none_match(0), "\"v1\"");
    v1::FetchResponse head, end;
    head.mutable_head()->set_http_status(304);
    writer.Write(head);
    end.mutable_end();
    writer.Write(end);
    return grpc::Status::OK;
  };
  Write("f", "old");
  Write("f.part", "hel");
  Write("etag", "\"v1\"\n");

  for (const bool keep : {false, true}) {
    std::vector<std::string> command = {
        "get",        "http://a/",   "-o",         Path("f"),  "--etag-compare",
        Path("etag"), "--etag-save", Path("etag"), "--sha256", kSha256};
    if (keep) command.emplace_back("--continue");
    EXPECT_EQ(RunCommand(command), ExitCode::kDone);
  }

  EXPECT_EQ(Contents("f"), "old");
  EXPECT_EQ(Contents("etag"), "\"v1\"\n");
  EXPECT_FALSE(Exists("f.part"));
  EXPECT_THAT(err_.str(), HasSubstr("not modified"));
}

TEST_F(GetTest, TheEtagIsSavedOnceTheBodyIsHere) {
  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--etag-save", Path("etag")}),
            ExitCode::kDone);
  EXPECT_EQ(Contents("etag"), "\"1\"\n");

  const std::string wrong(64, '0');
  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--sha256", wrong, "--etag-save",
                        Path("other")}),
            ExitCode::kFetchFailed);
  EXPECT_FALSE(Exists("other"));
  EXPECT_EQ(RunCommand({"get", "http://a/", "--etag-save", Path("no/where")}),
            ExitCode::kFetchFailed);
}

TEST_F(GetTest, ADecodedStreamIsNotGoneOnWith) {
  answer_ = [this](grpc::ServerContext&, const v1::FetchRequest& request, auto& writer) {
    EXPECT_EQ(request.spec().decode(), v1::FetchSpec::DECODE_CONTENT);
    const auto interrupted = StatusWith(grpc::StatusCode::UNAVAILABLE, "draining", "INTERRUPTED");
    if (requests_.size() == 1) return interrupted;
    v1::FetchResponse head;
    head.mutable_head()->set_http_status(200);
    writer.Write(head);
    SendChunk(writer, 0, "hello");
    return interrupted;
  };

  EXPECT_NE(RunCommand({"get", "http://a/", "-o", Path("f"), "--compressed"}), ExitCode::kDone);

  EXPECT_THAT(Offsets(), ElementsAre(0, 0));
  EXPECT_FALSE(Exists("f"));
  EXPECT_EQ(RunCommand({"get", "http://a/", "--compressed", "--continue"}), ExitCode::kUsage);
}

TEST_F(GetTest, ACallerThatWasCutOffBecauseItWasSlowGoesOn) {
  answer_ = [this](grpc::ServerContext&, const v1::FetchRequest& request, auto& writer) {
    if (requests_.size() == 2) return SendRest(writer, request.offset());
    SendHead(writer, 0);
    SendChunk(writer, 0, std::string(kBody).substr(0, 5));
    return StatusWith(grpc::StatusCode::DEADLINE_EXCEEDED, "the caller took nothing",
                      "CALLER_IDLE");
  };

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f")}), ExitCode::kDone);

  EXPECT_THAT(Offsets(), ElementsAre(0, 5));
  EXPECT_EQ(Contents("f"), kBody);
}

TEST_F(GetTest, NothingIsAskedForBehindTheLastByte) {
  answer_ = [](grpc::ServerContext&, const v1::FetchRequest&, auto& writer) {
    SendHead(writer, 0);
    SendChunk(writer, 0, kBody);
    return StatusWith(grpc::StatusCode::UNAVAILABLE, "draining", "INTERRUPTED");
  };

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--sha256", kSha256}),
            ExitCode::kDone);

  EXPECT_EQ(Contents("f"), kBody);
  EXPECT_THAT(Offsets(), ElementsAre(0));
}

TEST_F(GetTest, InterruptedStreamGoesOnAtTheNextByte) {
  answer_ = [](grpc::ServerContext&, const v1::FetchRequest& request, auto& writer) {
    if (request.offset() != 0) return SendRest(writer, request.offset());
    SendHead(writer, 0);
    SendChunk(writer, 0, "hello");
    return StatusWith(grpc::StatusCode::UNAVAILABLE, "draining", "INTERRUPTED");
  };

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--sha256", kSha256}),
            ExitCode::kDone);

  EXPECT_EQ(Contents("f"), kBody);
  EXPECT_THAT(Offsets(), ElementsAre(0, 5));
}

TEST_F(GetTest, CallThatTheClosingServiceCancelsIsMadeAgain) {
  int calls = 0;
  answer_ = [&calls](grpc::ServerContext&, const v1::FetchRequest& request, auto& writer) {
    if (++calls == 3) return SendRest(writer, request.offset());
    if (calls == 2) return grpc::Status(grpc::StatusCode::CANCELLED, "CANCELLED");
    SendHead(writer, 0);
    SendChunk(writer, 0, "hello");
    return StatusWith(grpc::StatusCode::UNAVAILABLE, "draining", "INTERRUPTED");
  };

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--sha256", kSha256}),
            ExitCode::kDone);

  EXPECT_EQ(Contents("f"), kBody);
  EXPECT_THAT(Offsets(), ElementsAre(0, 5, 5));
}

TEST_F(GetTest, TwoVersionsOfABodyAreNeverMixed) {
  answer_ = [](grpc::ServerContext&, const v1::FetchRequest& request, auto& writer) {
    if (request.offset() != 0) return SendRest(writer, request.offset(), "\"2\"");
    SendHead(writer, 0);
    SendChunk(writer, 0, "hello");
    return StatusWith(grpc::StatusCode::UNAVAILABLE, "draining", "INTERRUPTED");
  };

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--continue"}),
            ExitCode::kFetchFailed);

  EXPECT_THAT(err_.str(), HasSubstr("the body changed"));
  EXPECT_FALSE(Exists("f"));
  EXPECT_FALSE(Exists("f.part"));
}

TEST_F(GetTest, WrongDigestLeavesTheOldFileAndNoPart) {
  Write("f", "old");

  const std::string wrong(64, '0');
  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--continue", "--sha256", wrong}),
            ExitCode::kFetchFailed);

  EXPECT_EQ(Contents("f"), "old");
  EXPECT_FALSE(Exists("f.part"));
  EXPECT_THAT(err_.str(), HasSubstr("digest"));
}

TEST_F(GetTest, FailureKeepsThePartOnlyWithContinue) {
  answer_ = [](grpc::ServerContext&, const v1::FetchRequest&, auto& writer) {
    SendHead(writer, 0);
    SendChunk(writer, 0, "hello");
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "HTTP 403");
  };

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f")}), ExitCode::kFetchFailed);
  EXPECT_FALSE(Exists("f.part"));
  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--continue"}),
            ExitCode::kFetchFailed);
  EXPECT_EQ(Contents("f.part"), "hello");
  EXPECT_FALSE(Exists("f"));
}

TEST_F(GetTest, ContinueGoesOnWithThePartAndChecksAllOfIt) {
  Write("f.part", "hello");

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f"), "--continue", "--sha256", kSha256}),
            ExitCode::kDone);

  EXPECT_EQ(Contents("f"), kBody);
  EXPECT_THAT(Offsets(), ElementsAre(5));
}

TEST_F(GetTest, ShortStreamIsAnError) {
  answer_ = [](grpc::ServerContext&, const v1::FetchRequest&, auto& writer) {
    SendHead(writer, 0);
    SendChunk(writer, 0, "hello");
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f")}), ExitCode::kFetchFailed);

  EXPECT_FALSE(Exists("f"));
}

TEST_F(GetTest, InterruptCancelsTheCall) {
  bool cancelled = false;
  answer_ = [&](grpc::ServerContext& context, const v1::FetchRequest&, auto& writer) {
    SendHead(writer, 0);
    interrupt_.Trigger();
    while (!context.IsCancelled()) SendChunk(writer, 0, "");
    cancelled = true;
    return grpc::Status::CANCELLED;
  };

  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", Path("f")}), ExitCode::kInterrupted);

  server_->Shutdown();
  EXPECT_TRUE(cancelled);
  EXPECT_FALSE(Exists("f"));
  EXPECT_FALSE(Exists("f.part"));
}

TEST_F(GetTest, TimeoutEndsTheFetch) {
  answer_ = [](grpc::ServerContext& context, const v1::FetchRequest&, auto& writer) {
    while (!context.IsCancelled()) SendChunk(writer, 0, "");
    return grpc::Status::CANCELLED;
  };

  EXPECT_EQ(RunCommand({"get", "http://a/", "--timeout", "50ms"}), ExitCode::kTimeout);
}

TEST_F(GetTest, UnreachableServiceSaysWhichOne) {
  server_->Shutdown();

  EXPECT_EQ(RunCommand({"get", "http://a/"}), ExitCode::kUnreachable);

  EXPECT_THAT(err_.str(), HasSubstr("cannot reach " + address_));
}

TEST_F(GetTest, OutputThatIsNoRegularFileIsWrittenDirectly) {
  EXPECT_EQ(RunCommand({"get", "http://a/", "-o", "/dev/null"}), ExitCode::kDone);

  EXPECT_FALSE(std::filesystem::exists("/dev/null.part"));
}

TEST_F(GetTest, WrongUseIsExitCodeTwo) {
  EXPECT_EQ(RunCommand({"get"}), ExitCode::kUsage);
  EXPECT_EQ(RunCommand({"get", "http://a/", "--timeout", "10"}), ExitCode::kUsage);
  EXPECT_EQ(RunCommand({"get", "http://a/", "--sha256", "xyz"}), ExitCode::kUsage);
  EXPECT_EQ(RunCommand({"get", "http://a/", "--user", "me"}), ExitCode::kUsage);
  EXPECT_EQ(RunCommand({"frobnicate"}), ExitCode::kUsage);
}

TEST_F(GetTest, ReadTakesTheBodyOfAJobFromAnOffset) {
  service_.read = [](const v1::ReadBodyRequest& request, auto& writer) {
    EXPECT_EQ(request.name(), "jobs/1");
    v1::ReadBodyResponse response;
    response.set_offset(request.offset());
    response.set_data(std::string(kBody).substr(request.offset()));
    writer.Write(response);
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"read", "1", "--offset", "7"}), ExitCode::kDone);

  EXPECT_EQ(BodyOut(), "world");
}

}  // namespace
}  // namespace fetchd::cli
