#include "app/callers_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"

namespace fetchd::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHash[] = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

TEST(CallersFileTest, SaysWhoIsKnownByWhat) {
  const auto callers =
      ParseCallers(Concat(R"(
tokens:
  - {sha256: )",
                          kHash, R"(, principal: ci, tenant: builds, roles: [submit, read]}
certificates:
  - {uri: "spiffe://example.org/ci", principal: mesh, tenant: builds, roles: [read]}
  - {dns: ops.example.org, principal: ops, roles: [admin]}
)"),
                   "callers.yaml");

  ASSERT_TRUE(callers.ok()) << callers.status();
  ASSERT_EQ(callers->tokens.size(), 1u);
  EXPECT_EQ(HexEncode(callers->tokens[0].sha256), kHash);
  EXPECT_EQ(callers->tokens[0].principal,
            (rpc::Principal{"ci", "builds", {rpc::Role::kSubmit, rpc::Role::kRead}}));
  EXPECT_EQ(callers->certificates.at("uri:spiffe://example.org/ci").name, "mesh");
  EXPECT_EQ(callers->certificates.at("dns:ops.example.org"),
            (rpc::Principal{"ops", "default", {rpc::Role::kAdmin}}));
}

TEST(CallersFileTest, AnEmptyOneKnowsNobody) {
  EXPECT_TRUE(ParseCallers("", "c")->tokens.empty());
  EXPECT_TRUE(ParseCallers("tokens:\ncertificates: []\n", "c")->certificates.empty());
}

struct BadFile {
  const char* name;
  const char* yaml;
  const char* problem;
};
void PrintTo(const BadFile& file, std::ostream* out) { *out << file.name; }

class BadCallersFile : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadCallersFile, IsRefusedWithItsLineAndWithoutItsValues) {
  const std::string yaml = GetParam().yaml;
  const std::size_t at = yaml.find("HASH");
  const auto callers =
      ParseCallers(at == std::string::npos ? yaml : std::string(yaml).replace(at, 4, kHash), "c");

  ASSERT_FALSE(callers.ok());
  EXPECT_THAT(MessageOf(callers.status()), HasSubstr(GetParam().problem));
  EXPECT_THAT(MessageOf(callers.status()), Not(HasSubstr(kHash)));
}

INSTANTIATE_TEST_SUITE_P(
    Files, BadCallersFile,
    ::testing::Values(
        BadFile{"NotYaml", "tokens: [", "c:"}, BadFile{"NoMap", "- a", "c:1: expects a map"},
        BadFile{"UnknownList", "tokens: []\nusers: []", "c:2: unknown key \"users\""},
        BadFile{"NoList", "tokens: {a: b}", "c:1: expects a list"},
        BadFile{"UnknownKey",
                "tokens:\n  - {sha256: HASH, principal: a, tenant: b, roles: [read], rols: x}",
                "c:2: unknown key \"rols\""},
        BadFile{"AToken", "tokens:\n  - {sha256: fetchd_secret, principal: a, tenant: b}",
                "c:2: sha256: expects the hash of a token"},
        BadFile{"NoPrincipal", "tokens:\n  - {sha256: HASH, tenant: b, roles: [read]}",
                "c:2: principal: is missing"},
        BadFile{"NoTenant", "tokens:\n  - {sha256: HASH, principal: a, roles: [read]}",
                "c:2: tenant: is missing"},
        BadFile{"BadTenant",
                "tokens:\n  - {sha256: HASH, principal: a, tenant: B C, roles: [read]}",
                "c:2: tenant: is 1 to 63"},
        BadFile{"NoRoles", "tokens:\n  - {sha256: HASH, principal: a, tenant: b}",
                "c:2: roles: expects a list of submit, read and admin"},
        BadFile{"EmptyRoles", "tokens:\n  - {sha256: HASH, principal: a, tenant: b, roles: []}",
                "c:2: roles: expects a list"},
        BadFile{"UnknownRole", "tokens:\n  - {sha256: HASH, principal: a, tenant: b, roles: [x]}",
                "c:2: roles: expects a list"},
        BadFile{"Twice",
                "certificates:\n  - {dns: x, principal: a, tenant: b, roles: [read]}\n"
                "  - {dns: x, principal: c, tenant: d, roles: [read]}",
                "c:3: this name is there twice"},
        BadFile{"KeyTwice",
                "certificates:\n  - {dns: x, principal: a, tenant: b, roles: [read],\n"
                "     roles: [admin]}",
                "c:3: \"roles\" is there twice"},
        BadFile{"ListTwice", "tokens: []\ntokens: []", "c:2: \"tokens\" is there twice"},
        BadFile{"BothNames",
                "certificates:\n  - {dns: x, uri: y, principal: a, tenant: b, roles: [read]}",
                "c:2: expects uri or dns"},
        BadFile{"Control", "tokens:\n  - {sha256: HASH, principal: \"a\\nb\", tenant: b}",
                "c:2: principal: expects a line of text"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(CallersFileTest, ATokenIsKnownOnce) {
  const std::string entry =
      Concat("  - {sha256: ", kHash, ", principal: a, tenant: b, roles: [read]}\n");

  EXPECT_THAT(MessageOf(ParseCallers("tokens:\n" + entry + entry, "c").status()),
              HasSubstr("c:3: sha256: is there twice"));
}

}  // namespace
}  // namespace fetchd::app
