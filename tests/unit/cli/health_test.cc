#include <gmock/gmock.h>
#include <grpcpp/health_check_service_interface.h>

#include "fake_service.h"

namespace fetchd::cli {
namespace {

using ::testing::HasSubstr;

class HealthTest : public CliTest {
 protected:
  void SetUp() override {
    grpc::EnableDefaultHealthCheckService(true);
    CliTest::SetUp();
  }
  void TearDown() override {
    CliTest::TearDown();
    grpc::EnableDefaultHealthCheckService(false);
  }
};

TEST_F(HealthTest, AServerThatTakesWorkIsExitCodeZero) {
  EXPECT_EQ(RunCommand({"health"}), ExitCode::kDone);

  EXPECT_EQ(out_.str(), "SERVING\n");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(HealthTest, AServerThatDrainsIsNot) {
  server_->GetHealthCheckService()->SetServingStatus(false);

  EXPECT_EQ(RunCommand({"health"}), ExitCode::kUnreachable);

  EXPECT_EQ(out_.str(), "NOT_SERVING\n");
}

TEST_F(HealthTest, AServerThatIsGoneIsToldWithItsAddress) {
  server_->Shutdown();

  EXPECT_EQ(RunCommand({"health", "--request-timeout", "1s"}), ExitCode::kUnreachable);

  EXPECT_THAT(err_.str(), HasSubstr("cannot reach " + address_));
}

TEST_F(HealthTest, AServerWithoutHealthIsAnError) {
  CliTest::TearDown();
  grpc::EnableDefaultHealthCheckService(false);
  CliTest::SetUp();

  EXPECT_EQ(RunCommand({"health"}), ExitCode::kFetchFailed);

  EXPECT_EQ(out_.str(), "");
}

}  // namespace
}  // namespace fetchd::cli
