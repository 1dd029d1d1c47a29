// Who is let in, method by method.
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <set>

#include "callers_fixture.h"
#include "rpc/auth_methods.h"

namespace fetchd::app {
namespace {

using testing::CallMethod;
using testing::EveryMethod;
using ::testing::HasSubstr;
using testing::MethodDescriptor;
using ::testing::Not;

const rpc::MethodRule* RuleOf(const MethodDescriptor& method) {
  const auto* const found = std::ranges::find_if(rpc::kMethodRules, [&](const auto& rule) {
    return rule.service == method.service()->name() && rule.method == method.name();
  });
  return found == rpc::kMethodRules.end() ? nullptr : found;
}

TEST(MethodRulesTest, EveryMethodHasOneAndThereIsNoOther) {
  for (const MethodDescriptor* method : EveryMethod()) {
    EXPECT_NE(RuleOf(*method), nullptr) << method->full_name();
  }
  EXPECT_EQ(EveryMethod().size(), rpc::kMethodRules.size());
}

TEST(MethodRulesTest, ANameStandsForOneMethod) {
  std::set<std::string_view> names;
  for (const rpc::MethodRule& rule : rpc::kMethodRules) names.insert(rule.method);

  EXPECT_EQ(names.size(), rpc::kMethodRules.size());
}

TEST(MethodRulesTest, WhatNeedsMoreThanReadingIsAudited) {
  for (const rpc::MethodRule& rule : rpc::kMethodRules) {
    if (rule.role == rpc::Role::kSubmit) EXPECT_TRUE(rule.audited) << rule.method;
    if (rule.role == rpc::Role::kRead) EXPECT_FALSE(rule.audited) << rule.method;
  }
}

class AdmissionTest : public CallersFixture {};

TEST_F(AdmissionTest, NoMethodIsOpenToACallerWithoutAToken) {
  for (const MethodDescriptor* method : EveryMethod()) {
    const auto outcome = CallMethod(channel_, *method, "", "");

    EXPECT_EQ(outcome.status.error_code(), grpc::StatusCode::UNAUTHENTICATED)
        << method->full_name();
    EXPECT_EQ(ReasonOf(outcome.status), "TOKEN_MISSING") << method->full_name();
    EXPECT_TRUE(outcome.responses.empty()) << method->full_name();
  }
}

TEST_F(AdmissionTest, NoMethodIsOpenToAnUnknownTokenNorTellsIt) {
  for (const MethodDescriptor* method : EveryMethod()) {
    const auto outcome = CallMethod(channel_, *method, "", "canary-5a3f");

    EXPECT_EQ(outcome.status.error_code(), grpc::StatusCode::UNAUTHENTICATED)
        << method->full_name();
    EXPECT_THAT(outcome.AllText(), Not(HasSubstr("canary-5a3f"))) << method->full_name();
  }
}

TEST_F(AdmissionTest, EveryMethodNeedsItsRole) {
  for (const MethodDescriptor* method : EveryMethod()) {
    const rpc::MethodRule* rule = RuleOf(*method);
    ASSERT_NE(rule, nullptr) << method->full_name();
    const std::string without = rule->role == rpc::Role::kSubmit ? "reader-token"
                                : rule->role == rpc::Role::kRead ? "submitter-token"
                                                                 : "mine-token";

    const auto outcome = CallMethod(channel_, *method, "", without);

    EXPECT_EQ(outcome.status.error_code(), grpc::StatusCode::PERMISSION_DENIED)
        << method->full_name();
    EXPECT_EQ(ReasonOf(outcome.status), "ROLE_MISSING") << method->full_name();
  }
}

TEST_F(AdmissionTest, AnAdminHasEveryRole) {
  for (const MethodDescriptor* method : EveryMethod()) {
    if (method->name() == "Drain" || method->name() == "WatchJobs") continue;  // These do it.

    const auto outcome = CallMethod(channel_, *method, "", "admin-token");

    EXPECT_NE(outcome.status.error_code(), grpc::StatusCode::PERMISSION_DENIED)
        << method->full_name();
    EXPECT_NE(outcome.status.error_code(), grpc::StatusCode::UNAUTHENTICATED)
        << method->full_name();
  }
}

TEST_F(AdmissionTest, AFieldThatIsNoOneBearerTokenIsRefused) {
  for (const auto& values : std::vector<std::vector<std::string>>{
           {"mine-token"}, {"Basic bWluZQ=="}, {"Bearer "}, {"Bearer mine-token", "Bearer x"}}) {
    grpc::ClientContext context;
    for (const std::string& value : values) context.AddMetadata("authorization", value);
    v1::ListJobsResponse response;

    const grpc::Status status = fetch_->ListJobs(&context, v1::ListJobsRequest(), &response);

    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << values.front();
  }
}

TEST_F(AdmissionTest, TheSchemeIsReadInAnyCase) {
  grpc::ClientContext context;
  context.AddMetadata("authorization", "bearer mine-token");
  v1::ListJobsResponse response;

  EXPECT_TRUE(fetch_->ListJobs(&context, v1::ListJobsRequest(), &response).ok());
}

TEST_F(AdmissionTest, ACallerWhoIsTakenOutOfTheFileIsOutWithoutARestart) {
  WriteCallers({{"theirs", "theirs", "submit, read"}});
  v1::ListJobsResponse response;

  // The file is looked at once a second; there is no event for it. Who asks so often is also
  // refused for that.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  grpc::Status status;
  do {
    status = fetch_->ListJobs(As("mine").get(), v1::ListJobsRequest(), &response);
  } while (status.error_code() != grpc::StatusCode::UNAUTHENTICATED &&
           std::chrono::steady_clock::now() < deadline);

  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(fetch_->ListJobs(As("theirs").get(), v1::ListJobsRequest(), &response).ok());
}

TEST_F(AdmissionTest, HealthIsAnybodysAndReflectionNobodys) {
  const auto call = [this](const std::string& path) {
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(channel_);
    const grpc::Slice empty;
    const grpc::ByteBuffer request(&empty, 1);
    const auto answer = stub.PrepareUnaryCall(&context, path, request, &queue);
    answer->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    answer->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return status.error_code();
  };

  EXPECT_EQ(call("/grpc.health.v1.Health/Check"), grpc::StatusCode::OK);
  EXPECT_EQ(call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(AdmissionTest, KeysOfTokensThatOthersCouldWriteAreRefused) {
  const std::filesystem::path keys = directory_ / "jwks.json";
  std::ofstream(keys) << R"({"keys":[]})";
  std::filesystem::permissions(keys, std::filesystem::perms(0666));
  StopServer();
  const LoadedConfig loaded = LoadConfig(
      {.settings = {"data_dir=" + (directory_ / "data").string(), "grpc.listen=127.0.0.1:0",
                    "admin.listen=off", "callers.jwt.keys=" + keys.string(), "callers.jwt.issuer=i",
                    "callers.jwt.audience=a", "log.level=error"}});
  ASSERT_THAT(loaded.errors, ::testing::IsEmpty());

  const auto started = Application::Start(loaded.config, "1.2.3");

  EXPECT_THAT(MessageOf(started.status()),
              ::testing::AllOf(HasSubstr("callers.jwt.keys"), HasSubstr("chmod go-w")));
}

}  // namespace
}  // namespace fetchd::app
