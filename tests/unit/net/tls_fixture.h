// A dialer with trust profiles, and TLS servers for it, on one loop.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/dialer.h"
#include "support/certificates.h"
#include "support/manual_clock.h"
#include "support/process.h"
#include "unit/net/fixed_resolver.h"
#include "unit/net/loop.h"
#include "unit/net/tls_server.h"

namespace fetchd::net {

/// The names good.test and other.test are at 127.0.0.1.
class TlsFixture : public ::testing::Test {
 protected:
  using Dialled = absl::StatusOr<std::unique_ptr<Stream>>;

  TlsFixture() {
    testing::HideSystemTrustStore();
    for (const char* host : {"good.test", "other.test"}) resolver_.Set(host, {"127.0.0.1"});
  }
  ~TlsFixture() override { loop_.Stop(); }

  void UseContexts(std::shared_ptr<TlsContexts> contexts) {
    egress::PolicyConfig policy;
    policy.allow = {"127.0.0.0/8"};
    dialer_ = MakeDialer(loop_.executor(), clock_, resolver_, *egress::Policy::Create(policy),
                         std::move(contexts));
  }
  void UseProfiles(std::map<std::string, TlsProfile> profiles) {
    const auto contexts = TlsContexts::Create(std::move(profiles));
    ASSERT_TRUE(contexts.ok()) << contexts.status();
    UseContexts(*contexts);
  }
  TlsServer& Serve(const testing::CertificateFiles& files, const TlsServer::Options& options = {}) {
    servers_.push_back(std::make_unique<TlsServer>(loop_.executor(), files, options));
    loop_.tasks().Spawn("server", servers_.back()->Serve());
    return *servers_.back();
  }
  Dialled Dial(const std::string& host, const std::string& profile = "") {
    DialRequest request{.origin = {"https", host, servers_.back()->port()}, .tls_profile = profile};
    return loop_.Run(dialer_->Dial(request, Deadline::Never(), &record_));
  }
  /// Dials, reads the greeting, closes; true when the session was resumed.
  bool Visit(const std::string& host, const std::string& profile = "") {
    const Dialled stream = Dial(host, profile);
    EXPECT_TRUE(stream.ok()) << stream.status();
    if (!stream.ok()) return false;
    EXPECT_EQ(Read(**stream).second, "hello");
    return record_.tls_resumed;
  }
  std::pair<boost::system::error_code, std::string> Read(Stream& stream) {
    std::string text(100, '\0');
    const IoResult got = loop_.Run(stream.ReadSome(std::as_writable_bytes(std::span(text))));
    text.resize(got.bytes);
    return {got.error, text};
  }
  void ExpectError(const absl::Status& status, absl::StatusCode code, const std::string& reason,
                   const std::string& check, const std::string& says) {
    EXPECT_EQ(status.code(), code) << status;
    const Reason got = GetReason(status).value_or(Reason{});
    EXPECT_EQ(got.reason, reason);
    EXPECT_THAT(got.metadata, ::testing::Contains(std::pair(std::string("check"), check)));
    EXPECT_THAT(MessageOf(status), ::testing::HasSubstr(says));
    EXPECT_EQ(record_.failed_phase, Phase::kTls);
  }
  void ExpectRefused(const Dialled& stream, const std::string& check, const std::string& says) {
    ExpectError(stream.status(), absl::StatusCode::kFailedPrecondition, "TLS_VERIFY_FAILED", check,
                says);
  }

  testing::ManualClock clock_;
  Loop loop_;
  FixedResolver resolver_;
  std::vector<std::unique_ptr<TlsServer>> servers_;  ///< Clients go to the last.
  std::unique_ptr<Dialer> dialer_;
  DialRecord record_;
};

}  // namespace fetchd::net
