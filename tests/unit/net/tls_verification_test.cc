// Certificates, good and bad, each served by a real TLS server.
#include <functional>
#include <string>
#include <vector>

#include "unit/net/tls_fixture.h"

namespace fetchd::net {
namespace {

using std::chrono::hours;
using testing::Certificate;
using testing::CertificateSpec;

CertificateSpec GoodTest() { return {.common_name = "leaf", .names = {"DNS:good.test"}}; }

CertificateSpec Authority(const std::string& name) {
  return {.common_name = name, .authority = true};
}

template <typename Change>
CertificateSpec With(CertificateSpec spec, Change change) {
  change(spec);
  return spec;
}

/// A root that the client trusts, and one that it does not.
struct Pki {
  testing::TempFolder folder;
  Certificate root = Certificate::SelfSigned(Authority("Root"));
  Certificate stranger = Certificate::SelfSigned(Authority("Stranger"));
  std::shared_ptr<TlsContexts> contexts;

  Pki() {
    testing::HideSystemTrustStore();
    const testing::CertificateFiles files = root.Write(folder.path(), "root");
    contexts = *TlsContexts::Create({{"", {files.certificate.string()}}});
  }
};

/// What a server shows: its own certificate first.
using Chain = std::vector<Certificate>;

class ServedCertificateTest : public TlsFixture {
 protected:
  static void SetUpTestSuite() { pki_ = new Pki; }
  static void TearDownTestSuite() { delete pki_; }

  Dialled DialTo(const Chain& chain, const std::string& host) {
    resolver_.Set(host, {"127.0.0.1"});
    std::vector<const Certificate*> above;
    for (std::size_t i = 1; i < chain.size(); ++i) above.push_back(&chain[i]);
    Serve(chain.front().Write(pki_->folder.path(), "server", above));
    UseContexts(pki_->contexts);
    return Dial(host);
  }

  static Pki* pki_;
};

Pki* ServedCertificateTest::pki_ = nullptr;

struct GoodCertificate {
  std::string name;
  std::function<Chain(const Pki&)> chain;
  std::string host = "good.test";
};

class GoodCertificateTest : public ServedCertificateTest,
                            public ::testing::WithParamInterface<GoodCertificate> {};

TEST_P(GoodCertificateTest, IsAccepted) {
  const Dialled stream = DialTo(GetParam().chain(*pki_), GetParam().host);

  EXPECT_TRUE(stream.ok()) << stream.status();
}

/// `leaf` below an intermediate authority below the trusted root.
Chain Below(const Pki& pki, const CertificateSpec& intermediate, const CertificateSpec& leaf) {
  const Certificate middle = pki.root.Issue(intermediate);
  return {middle.Issue(leaf), middle};
}

INSTANTIATE_TEST_SUITE_P(
    All, GoodCertificateTest,
    ::testing::Values(
        GoodCertificate{"FromTheRoot",
                        [](const Pki& pki) { return Chain{pki.root.Issue(GoodTest())}; }},
        GoodCertificate{"Rsa2048",
                        [](const Pki& pki) {
                          return Chain{pki.root.Issue(With(GoodTest(), [](auto& spec) {
                            spec.key = CertificateSpec::Key::kRsa2048;
                          }))};
                        }},
        GoodCertificate{
            "BelowAnIntermediate",
            [](const Pki& pki) { return Below(pki, Authority("Intermediate"), GoodTest()); }},
        GoodCertificate{"ChainWithItsRoot",
                        [](const Pki& pki) { return Chain{pki.root.Issue(GoodTest()), pki.root}; }},
        GoodCertificate{"WithinTheNameConstraints",
                        [](const Pki& pki) {
                          return Below(pki,
                                       With(Authority("Constrained"),
                                            [](auto& spec) {
                                              spec.name_constraints =
                                                  "critical,permitted;DNS:good.test";
                                            }),
                                       GoodTest());
                        }},
        GoodCertificate{"Wildcard",
                        [](const Pki& pki) {
                          return Chain{pki.root.Issue(
                              {.common_name = "leaf", .names = {"DNS:*.good.test"}})};
                        },
                        "www.good.test"},
        GoodCertificate{"AddressByItsIpName",
                        [](const Pki& pki) {
                          return Chain{
                              pki.root.Issue({.common_name = "leaf", .names = {"IP:127.0.0.1"}})};
                        },
                        "127.0.0.1"}),
    [](const auto& each) { return each.param.name; });

struct BadCertificate {
  std::string name;
  std::function<Chain(const Pki&)> chain;
  std::string check;
  std::string says;
  std::string host = "good.test";
};

class BadCertificateTest : public ServedCertificateTest,
                           public ::testing::WithParamInterface<BadCertificate> {};

TEST_P(BadCertificateTest, IsRefusedByName) {
  const Dialled stream = DialTo(GetParam().chain(*pki_), GetParam().host);

  ExpectRefused(stream, GetParam().check, GetParam().says);
}

/// One certificate from the trusted root, good but for `change`.
template <typename Change>
std::function<Chain(const Pki&)> Leaf(Change change) {
  return [change](const Pki& pki) { return Chain{pki.root.Issue(With(GoodTest(), change))}; };
}

/// A good certificate below an intermediate that is good but for `change`.
template <typename Change>
std::function<Chain(const Pki&)> BelowChanged(Change change) {
  return [change](const Pki& pki) {
    return Below(pki, With(Authority("Intermediate"), change), GoodTest());
  };
}

std::function<Chain(const Pki&)> Named(std::vector<std::string> names) {
  return Leaf([names](auto& spec) { spec.names = names; });
}

INSTANTIATE_TEST_SUITE_P(
    Time, BadCertificateTest,
    ::testing::Values(
        BadCertificate{"Expired", Leaf([](auto& spec) {
                         spec.valid_until = -hours(1);
                         spec.valid_from = -hours(2);
                       }),
                       "EXPIRED", "the certificate has expired"},
        BadCertificate{"NotYetValid", Leaf([](auto& spec) { spec.valid_from = hours(1); }),
                       "NOT_YET_VALID", "not valid yet"},
        BadCertificate{"ExpiredIntermediate", BelowChanged([](auto& spec) {
                         spec.valid_until = -hours(1);
                         spec.valid_from = -hours(2);
                       }),
                       "EXPIRED", "the authority's certificate \"CN=Intermediate\" has expired"}),
    [](const auto& each) { return each.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Name, BadCertificateTest,
    ::testing::Values(
        BadCertificate{"WrongHost", Named({"DNS:other.test"}), "WRONG_HOST",
                       "does not name good.test"},
        BadCertificate{"CommonNameOnly", Leaf([](auto& spec) {
                         spec.names.clear();
                         spec.common_name = "good.test";
                       }),
                       "COMMON_NAME_ONLY", "a common name does not count"},
        BadCertificate{"CommonNameBesidesOtherNames", Leaf([](auto& spec) {
                         spec.names = {"DNS:other.test"};
                         spec.common_name = "good.test";
                       }),
                       "WRONG_HOST", "does not name good.test"},
        BadCertificate{"PartialWildcard", Named({"DNS:g*.test"}), "WRONG_HOST", "good.test"},
        BadCertificate{"WildcardForItsOwnDomain", Named({"DNS:*.good.test"}), "WRONG_HOST",
                       "good.test"},
        BadCertificate{"WildcardTwoLabelsDeep", Named({"DNS:*.good.test"}), "WRONG_HOST",
                       "a.b.good.test", "a.b.good.test"},
        BadCertificate{"WildcardForATopLevelDomain", Named({"DNS:*.test"}), "WRONG_HOST",
                       "good.test"},
        BadCertificate{"NameCutByANul", Named({std::string("DNS:good.test\0.evil.test", 24)}),
                       "WRONG_HOST", "good.test"},
        BadCertificate{"AddressAsADnsName", Named({"DNS:127.0.0.1"}), "WRONG_HOST", "127.0.0.1",
                       "127.0.0.1"},
        BadCertificate{"OutsideThePermittedNames", BelowChanged([](auto& spec) {
                         spec.name_constraints = "critical,permitted;DNS:allowed.test";
                       }),
                       "NAME_CONSTRAINTS", "may not sign for this name"},
        BadCertificate{"AmongTheExcludedNames", BelowChanged([](auto& spec) {
                         spec.name_constraints = "critical,excluded;DNS:good.test";
                       }),
                       "NAME_CONSTRAINTS", "may not sign for this name"}),
    [](const auto& each) { return each.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Issuer, BadCertificateTest,
    ::testing::Values(
        BadCertificate{"SelfSigned",
                       [](const Pki&) { return Chain{Certificate::SelfSigned(GoodTest())}; },
                       "SELF_SIGNED", "self-signed"},
        BadCertificate{"UnknownRoot",
                       [](const Pki& pki) { return Chain{pki.stranger.Issue(GoodTest())}; },
                       "UNKNOWN_ISSUER", "\"CN=Stranger\""},
        BadCertificate{"UnknownRootWithAHostileName",
                       [](const Pki&) {
                         const std::string name = "evil\n\"" + std::string(50, 'x');
                         return Chain{Certificate::SelfSigned(Authority(name)).Issue(GoodTest())};
                       },
                       "UNKNOWN_ISSUER", R"("CN=evil\0A\"xxx)"},
        BadCertificate{
            "UnknownRootThatIsSent",
            [](const Pki& pki) { return Chain{pki.stranger.Issue(GoodTest()), pki.stranger}; },
            "UNKNOWN_ISSUER", "the chain ends in \"CN=Stranger\""},
        BadCertificate{"MissingIntermediate",
                       [](const Pki& pki) {
                         return Chain{Below(pki, Authority("Intermediate"), GoodTest())[0]};
                       },
                       "UNKNOWN_ISSUER",
                       "\"CN=Intermediate\" did, and the server sent no intermediate"},
        BadCertificate{"UntrustedIntermediate",
                       [](const Pki& pki) {
                         const Certificate middle = pki.stranger.Issue(Authority("Intermediate"));
                         return Chain{middle.Issue(GoodTest()), middle};
                       },
                       "UNKNOWN_ISSUER", "\"CN=Stranger\" did"},
        BadCertificate{
            "LeafAsAuthority",
            [](const Pki& pki) { return Below(pki, {.common_name = "Intermediate"}, GoodTest()); },
            "NOT_A_CA", "\"CN=Intermediate\" may not sign certificates"},
        BadCertificate{"AuthorityThatMaySignListsOnly", BelowChanged([](auto& spec) {
                         spec.authority_key_usage = "critical,cRLSign";
                       }),
                       "NOT_A_CA", "may not sign certificates"},
        BadCertificate{"AuthorityBelowTheLastOne",
                       [](const Pki& pki) {
                         const Certificate last = pki.root.Issue(
                             With(Authority("Last"), [](auto& spec) { spec.path_length = 0; }));
                         const Certificate beyond = last.Issue(Authority("Beyond"));
                         return Chain{beyond.Issue(GoodTest()), beyond, last};
                       },
                       "NOT_A_CA", "\"CN=Last\" may not sign for other authorities"}),
    [](const auto& each) { return each.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Strength, BadCertificateTest,
    ::testing::Values(
        BadCertificate{"WeakKey",
                       Leaf([](auto& spec) { spec.key = CertificateSpec::Key::kRsa1024; }),
                       "WEAK_KEY", "the key of the certificate is too short"},
        BadCertificate{"WeakIntermediateKey",
                       BelowChanged([](auto& spec) { spec.key = CertificateSpec::Key::kRsa1024; }),
                       "WEAK_KEY", "\"CN=Intermediate\" is too short"},
        BadCertificate{"Sha1Signature",
                       Leaf([](auto& spec) { spec.digest = CertificateSpec::Digest::kSha1; }),
                       "WEAK_SIGNATURE", "broken hash"},
        BadCertificate{"Sha1SignatureOfTheIntermediate", BelowChanged([](auto& spec) {
                         spec.digest = CertificateSpec::Digest::kSha1;
                       }),
                       "WEAK_SIGNATURE", "\"CN=Intermediate\""},
        BadCertificate{"WrongSignature", Leaf([](auto& spec) { spec.wrong_signature = true; }),
                       "BAD_SIGNATURE", "the signature on the certificate is wrong"},
        BadCertificate{"WrongSignatureOfTheIntermediate",
                       BelowChanged([](auto& spec) { spec.wrong_signature = true; }),
                       "BAD_SIGNATURE", "\"CN=Intermediate\""},
        BadCertificate{"ForClientsOnly",
                       Leaf([](auto& spec) { spec.extended_key_usage = "clientAuth"; }),
                       "WRONG_PURPOSE", "not for TLS servers"},
        BadCertificate{"UnknownCriticalExtension",
                       Leaf([](auto& spec) { spec.unknown_critical_extension = true; }), "OTHER",
                       "unhandled critical extension"}),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace fetchd::net
