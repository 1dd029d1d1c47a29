// The URL tests of web-platform-tests: nothing that the WHATWG URL Standard fails is accepted, and
// what is accepted is read as the standard reads it.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>
#include <string>

#include "base/strings.h"
#include "base/url.h"

namespace fetchd {
namespace {

namespace json = boost::json;

json::array ReadCases() {
  std::ifstream file(FETCHD_CORPORA "/wpt_urls.json");
  std::stringstream text;
  text << file.rdbuf();
  return json::parse(text.str()).as_array();
}

std::string Field(const json::object& test, std::string_view name) {
  const json::value* value = test.if_contains(name);
  return value == nullptr ? std::string() : std::string(value->as_string());
}

absl::StatusOr<Url> ParseCase(const json::object& test) {
  const UrlOptions options{Ipv4Forms::kWhatwg};
  const std::string base = Field(test, "base");
  if (base.empty()) return Url::Parse(Field(test, "input"), options);
  ASSIGN_OR_RETURN(const Url base_url, Url::Parse(base, options));
  return base_url.Resolve(Field(test, "input"), options);
}

// Ours has no trailing dot, and writes IPv6 by RFC 5952, which differs from WHATWG in mapped
// addresses.
void ExpectSameHost(const Url& url, std::string whatwg) {
  if (whatwg.ends_with('.')) whatwg.pop_back();
  if (whatwg.starts_with('[')) {
    const auto address = boost::asio::ip::make_address(whatwg.substr(1, whatwg.size() - 2));
    EXPECT_EQ(url.address(), address);
  } else {
    EXPECT_EQ(url.host(), whatwg);
  }
}

TEST(UrlWptTest, AcceptsNothingThatTheStandardFails) {
  int failures = 0;
  for (const json::value& value : ReadCases()) {
    const json::object& test = value.as_object();
    if (!test.contains("failure")) continue;
    ++failures;
    const auto url = ParseCase(test);
    EXPECT_FALSE(url.ok()) << json::serialize(test) << " became " << url->ToString();
  }
  EXPECT_EQ(failures, 193);
}

TEST(UrlWptTest, ReadsWhatItAcceptsAsTheStandardDoes) {
  int accepted = 0;
  for (const json::value& value : ReadCases()) {
    const json::object& test = value.as_object();
    if (test.contains("failure")) continue;
    const auto url = ParseCase(test);
    if (!url.ok()) continue;
    ++accepted;
    SCOPED_TRACE(json::serialize(test));
    const std::string default_port = url->is_https() ? "443" : "80";
    const std::string port = Field(test, "port").empty() ? default_port : Field(test, "port");
    const std::string query = url->query().empty() ? "" : Concat('?', url->query());
    EXPECT_EQ(url->scheme() + ":", Field(test, "protocol"));
    ExpectSameHost(*url, Field(test, "hostname"));
    EXPECT_EQ(Concat(url->port()), port);
    EXPECT_EQ(url->path(), Field(test, "pathname"));
    EXPECT_EQ(query, Field(test, "search"));
  }
  EXPECT_GE(accepted,
            100);  // The rest: userinfo, trimming, backslashes and other leniency that we refuse.
}

}  // namespace
}  // namespace fetchd
