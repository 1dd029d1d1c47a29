// The policy and the URL parser together against tests/corpora.
#include <gtest/gtest.h>

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "egress/policy.h"

namespace fetchd::egress {
namespace {

namespace ip = boost::asio::ip;
namespace json = boost::json;

struct Vector {
  std::string url, form, expect;
  std::string verdict;  ///< Of a denial.
};

json::value ReadJson(const char* path) {
  std::ifstream file(std::string(FETCHD_CORPORA) + path);
  std::stringstream text;
  text << file.rdbuf();
  return json::parse(text.str());
}

std::vector<Vector> ReadVectors() {
  std::vector<Vector> vectors;
  const json::value published = ReadJson("/../../docs/egress-vectors.json");
  for (const json::value& row : published.at("vectors").as_array()) {
    const auto field = [&row](const char* name) { return std::string(row.at(name).as_string()); };
    const bool denied = field("expect") == "deny";
    vectors.push_back(
        {field("url"), field("form"), field("expect"), denied ? field("verdict") : ""});
  }
  return vectors;
}

class SsrfVectorsTest : public ::testing::Test {
 protected:
  // "reject" = not a URL for us, "deny" or "allow" = what the policy says before DNS.
  std::string Judge(const std::string& text, Ipv4Forms forms) const {
    const auto url = Url::Parse(text, {forms});
    if (!url.ok()) return "reject";
    return policy_->JudgeUrl(*url).allowed() ? "allow" : "deny";
  }

  std::string VerdictOf(const std::string& text) const {
    const auto url = Url::Parse(text, {Ipv4Forms::kWhatwg});
    return url.ok() ? VerdictName(policy_->JudgeUrl(*url).verdict) : "no URL";
  }

  const std::vector<Vector> vectors_ = ReadVectors();
  const std::shared_ptr<const Policy> policy_ = *Policy::Create({});
};

TEST_F(SsrfVectorsTest, AreAllThere) { EXPECT_EQ(vectors_.size(), 1270U); }

TEST_F(SsrfVectorsTest, EveryVerdictIsExactWhenAllIpv4FormsAreRead) {
  for (const Vector& vector : vectors_) {
    const std::string verdict = Judge(vector.url, Ipv4Forms::kWhatwg);
    if (vector.expect == "deny") {
      EXPECT_NE(verdict, "allow") << vector.form << ' ' << vector.url;
    } else {
      EXPECT_EQ(verdict, vector.expect) << vector.form << ' ' << vector.url;
    }
  }
}

TEST_F(SsrfVectorsTest, EveryIpLiteralThatTheStandardReadsIsDeniedByThePolicyItself) {
  for (const Vector& vector : vectors_) {
    if (vector.expect != "deny") continue;
    EXPECT_EQ(Judge(vector.url, Ipv4Forms::kWhatwg), "deny") << vector.form << ' ' << vector.url;
  }
}

TEST_F(SsrfVectorsTest, EveryDenialIsForItsOwnReason) {
  for (const Vector& vector : vectors_) {
    if (vector.expect != "deny") continue;
    EXPECT_EQ(VerdictOf(vector.url), vector.verdict) << vector.form << ' ' << vector.url;
  }
}

TEST_F(SsrfVectorsTest, CanonicalFormsOnlyNeverAdmitMoreAndRefuseOddIpv4) {
  const std::vector<std::string> odd = {
      "dotted-hex", "dotted-oct",         "dword-HEX",   "dword-dec",  "dword-hex",
      "dword-oct",  "leading-zero-octet", "mixed-radix", "three-part", "two-part"};
  for (const Vector& vector : vectors_) {
    const std::string verdict = Judge(vector.url, Ipv4Forms::kCanonical);
    if (std::ranges::count(odd, vector.form) != 0) {
      EXPECT_EQ(verdict, "reject") << vector.form << ' ' << vector.url;
    } else if (vector.expect == "allow") {
      EXPECT_EQ(verdict, "allow") << vector.form << ' ' << vector.url;
    } else {
      EXPECT_NE(verdict, "allow") << vector.form << ' ' << vector.url;
    }
  }
}

// First and last address of a block of either family.
std::vector<ip::address> Ends(const std::string& block) {
  if (block.find(':') == std::string::npos) {
    const ip::network_v4 network = ip::make_network_v4(block);
    return {network.network(), network.broadcast()};
  }
  const ip::network_v6 network = ip::make_network_v6(block);
  ip::address_v6::bytes_type last = network.network().to_bytes();
  for (int bit = network.prefix_length(); bit < 128; ++bit) {
    last[bit / 8] = static_cast<unsigned char>(last[bit / 8] | 0x80 >> bit % 8);
  }
  return {network.network(), ip::address_v6(last)};
}

TEST(IanaTest, EveryBlockThatIsNotGloballyReachableIsDeniedAtBothEnds) {
  const auto policy = *Policy::Create({});
  int denied = 0;
  const json::value registry = ReadJson("/iana.json");
  for (const json::value& row : registry.at("rows").as_array()) {
    const json::value& reachable = row.at("globally_reachable");
    if (reachable == "True") continue;
    const std::string block(row.at("block").as_string());
    for (const ip::address& address : Ends(block)) {
      EXPECT_FALSE(policy->JudgeAddress(address, 443).allowed()) << block << ' ' << address;
    }
    ++denied;
  }
  EXPECT_EQ(denied, 37);
}

}  // namespace
}  // namespace fetchd::egress
