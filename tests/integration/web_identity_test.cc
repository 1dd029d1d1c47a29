// WebIdentityCredentials against a real token service: that of Ceph's gateway, which asks a
// provider for the key of a token and checks it.
#include "base/hash.h"
#include "base/strings.h"
#include "base/url_text.h"
#include "integration/objstore_fixture.h"
#include "objstore/remote_credentials.h"
#include "objstore/sigv4.h"
#include "support/identity_provider.h"
#include "support/process.h"
#include "support/radosgw.h"

namespace fetchd::testing {
namespace {

using objstore::AwsCredentials;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAudience[] = "fetchd-test";

class WebIdentityTest : public ::testing::Test {
 protected:
  WebIdentityTest() {
    static int roles = 0;
    role_ = Concat("writer-", ++roles);
    Register();
    Radosgw::Shared().MakeRole(role_, provider_.url().substr(std::string_view("http://").size()),
                               kAudience);
  }

  absl::StatusOr<AwsCredentials> Exchange(const std::string& token, const std::string& role) {
    const std::filesystem::path file = folder_.path() / "token";
    WriteFile(file.string(), token + "\n");
    auto& shard = stack_.runtime().shard(0);
    objstore::WebIdentityCredentials credentials(
        {file, "arn:aws:iam:::role/" + role, "fetchd", *Url::Parse(Radosgw::Shared().HttpUrl())},
        {stack_.client().ForShard(0), stack_.runtime().blocking(), clock_, [] { return 0.5; }});
    return runtime::RunBlocking(shard.executor(), credentials.Fetch());
  }
  StoreOptions OptionsWith(const AwsCredentials& keys) const {
    StoreOptions options;
    options.endpoint = Radosgw::Shared().HttpUrl();
    options.access_key = keys.access_key_id;
    options.secret_key = keys.secret_access_key.Reveal();
    options.session_token = keys.session_token.Reveal();
    options.config.path_style = true;
    return options;
  }

  IdentityProvider provider_;
  std::string role_;  ///< Trusts it.
  RealClock clock_;

 private:
  /// The provider, at the gateway: an administrator does that once.
  void Register() {
    const std::string body =
        Concat("Action=CreateOpenIDConnectProvider&Version=2010-05-08&Url=",
               PercentEncode(provider_.url(), UrlPart::kText), "&ClientIDList.member.1=", kAudience,
               "&ThumbprintList.member.1=", provider_.Thumbprint());
    http::Request request = RequestFor(Radosgw::Shared().HttpUrl() + "/");
    request.method = "POST";
    request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
    request.body = Lend(body);
    objstore::SignableRequest signable{"POST", "/", "", request.headers,
                                       *HashHex(HashAlgorithm::kSha256, body)};
    signable.headers.push_back({"host", request.url.host_header()});
    const objstore::SigV4 sigv4({"us-east-1", "iam"}, clock_.WallNow());
    const objstore::SigningKey key{Radosgw::kAccessKey, Secret(Radosgw::kSecretKey), Secret()};
    for (http::Header& header : sigv4.SignHeaders(signable, key)) {
      request.headers.push_back(std::move(header));
    }
    EXPECT_EQ(stack_.Send(std::move(request), {}, {}).http_status, 200);
  }

  HttpStack stack_{{.shards = 1}};
  TempFolder folder_;
};

TEST_F(WebIdentityTest, ATokenIsChangedForKeysThatTheStoreTakes) {
  const auto keys = Exchange(provider_.Token(kAudience, std::chrono::minutes(10)), role_);

  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_FALSE(keys->session_token.empty());
  EXPECT_GT(keys->expires_at, clock_.WallNow() + std::chrono::minutes(50));
  EXPECT_LT(keys->expires_at, clock_.WallNow() + std::chrono::minutes(70));
  StoreSession session(OptionsWith(*keys));
  session.MakeBucket("of-a-role");
  const std::string body = "written by a role";
  ASSERT_TRUE(session.Run(session.store().Put({"of-a-role", "key"}, Lend(body), {}, {})).ok());
  EXPECT_EQ(session.Read({"of-a-role", "key"}).value_or(""), body);
}

TEST_F(WebIdentityTest, ATokenThatIsNotGoodIsRefusedAndNotRepeated) {
  const IdentityProvider other;
  const std::string good = provider_.Token(kAudience, std::chrono::minutes(10));
  for (const std::string& token :
       {provider_.Token(kAudience, -std::chrono::seconds(30)),
        provider_.Token("another", std::chrono::minutes(10)),
        other.Token(kAudience, std::chrono::minutes(10)),
        good.substr(0, good.rfind('.') + 1) + std::string(342, 'A'), std::string("no token")}) {
    const auto keys = Exchange(token, role_);

    EXPECT_TRUE(absl::IsPermissionDenied(keys.status())) << keys.status();
    EXPECT_THAT(MessageOf(keys.status()), HasSubstr("AccessDenied"));
    EXPECT_THAT(MessageOf(keys.status()), Not(HasSubstr(token)));
  }
}

TEST_F(WebIdentityTest, ARoleThatIsNotThereIsRefused) {
  const auto keys = Exchange(provider_.Token(kAudience, std::chrono::minutes(10)), "nobody");

  EXPECT_FALSE(keys.ok());
}

}  // namespace
}  // namespace fetchd::testing
