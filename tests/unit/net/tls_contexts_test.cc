// What a trust profile may say, and how it is told when it says nonsense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "net/tls.h"
#include "support/certificates.h"
#include "support/process.h"

namespace fetchd::net {
namespace {

using ::testing::AllOf;
using testing::Certificate;
using ::testing::HasSubstr;

class TlsContextsTest : public ::testing::Test {
 protected:
  TlsContextsTest() { testing::HideSystemTrustStore(); }

  std::string File(const std::string& name, const std::string& content) {
    testing::WriteFile(folder_.path() / name, content);
    return (folder_.path() / name).string();
  }
  /// The error for a profile called "corp".
  static std::string ErrorOf(const TlsProfile& profile) {
    const absl::Status status = TlsContexts::Create({{"corp", profile}}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(MessageOf(status), HasSubstr("TLS profile \"corp\": "));
    return MessageOf(status);
  }

  const testing::TempFolder folder_;
  const Certificate client_ = Certificate::SelfSigned({.common_name = "client"});
  const testing::CertificateFiles files_ = client_.Write(folder_.path(), "client");
  const std::string certificate_ = files_.certificate.string();
  const std::string key_ = files_.key.string();
};

TEST_F(TlsContextsTest, DefaultProfileIsAlwaysThere) {
  const auto contexts = TlsContexts::Create({{"extra", {}}});

  ASSERT_TRUE(contexts.ok()) << contexts.status();
  EXPECT_TRUE((*contexts)->Has(""));
  EXPECT_TRUE((*contexts)->Has("extra"));
  EXPECT_FALSE((*contexts)->Has("missing"));
}

TEST_F(TlsContextsTest, UnknownProfileHasNoClients) {
  const auto contexts = TlsContexts::Create({});

  EXPECT_TRUE(absl::IsInvalidArgument(
      (*contexts)->NewClient({.profile = "missing", .host = "a.test", .port = 443}, {}).status()));
}

TEST_F(TlsContextsTest, FilesThatCannotBeReadAreNamed) {
  const std::string missing = "/nonexistent/x.pem";
  const std::string why = missing + ": No such file or directory";

  EXPECT_THAT(ErrorOf({.ca_file = missing}), HasSubstr("ca_file " + why));
  EXPECT_THAT(ErrorOf({.certificate_file = missing, .key_file = key_}),
              HasSubstr("certificate_file " + why));
  EXPECT_THAT(ErrorOf({.certificate_file = certificate_, .key_file = missing}),
              HasSubstr("key_file " + why));
}

TEST_F(TlsContextsTest, FilesThatHoldSomethingElseAreNamed) {
  const std::string text = File("text.pem", "not PEM\n");

  EXPECT_THAT(ErrorOf({.ca_file = text}),
              HasSubstr("ca_file " + text + ": holds no certificate in PEM"));
  EXPECT_THAT(ErrorOf({.certificate_file = text, .key_file = key_}),
              HasSubstr("certificate_file " + text + ": is no usable certificate in PEM"));
  EXPECT_THAT(ErrorOf({.certificate_file = certificate_, .key_file = text}),
              HasSubstr("key_file " + text + ": is no private key in PEM"));
}

TEST_F(TlsContextsTest, KeyOfAnotherCertificateIsRefused) {
  const auto other = Certificate::SelfSigned({}).Write(folder_.path(), "other");
  const auto rsa = Certificate::SelfSigned({.key = testing::CertificateSpec::Key::kRsa2048})
                       .Write(folder_.path(), "rsa");

  for (const auto& key : {other.key, rsa.key}) {
    EXPECT_THAT(ErrorOf({.certificate_file = certificate_, .key_file = key.string()}),
                HasSubstr("is not the key of the certificate in " + certificate_));
  }
}

TEST_F(TlsContextsTest, EncryptedKeyIsRefusedInsteadOfAskingForItsPassphrase) {
  const std::string encrypted = File("encrypted.key", client_.KeyPem("secret"));

  EXPECT_THAT(ErrorOf({.certificate_file = certificate_, .key_file = encrypted}),
              HasSubstr(encrypted + ": is encrypted"));
}

TEST_F(TlsContextsTest, CertificateAndKeyComeTogether) {
  EXPECT_THAT(ErrorOf({.certificate_file = certificate_}), HasSubstr("are given together"));
  EXPECT_THAT(ErrorOf({.key_file = key_}), HasSubstr("are given together"));
}

TEST_F(TlsContextsTest, WeakClientCertificateIsRefused) {
  const auto weak = Certificate::SelfSigned({.key = testing::CertificateSpec::Key::kRsa1024})
                        .Write(folder_.path(), "weak");

  EXPECT_THAT(
      ErrorOf({.certificate_file = weak.certificate.string(), .key_file = weak.key.string()}),
      HasSubstr("key too small"));
}

TEST_F(TlsContextsTest, PinIsTheBase64OfASha256) {
  EXPECT_TRUE(CheckPin(client_.Pin()).ok());
  EXPECT_TRUE(TlsContexts::Create({{"corp", {.pins = {client_.Pin()}}}}).ok());

  for (const char* bad :
       {"", "abc", "sha256//AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}) {
    EXPECT_THAT(ErrorOf({.pins = {bad}}),
                AllOf(HasSubstr(bad), HasSubstr("is no pin"), HasSubstr("SHA-256")));
  }
}

}  // namespace
}  // namespace fetchd::net
