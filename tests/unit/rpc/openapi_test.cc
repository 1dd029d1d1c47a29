#include "rpc/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "rpc/json_routes.h"

namespace fetchd::rpc {
namespace {

namespace json = boost::json;

/// The document in docs/ is of no certain version: it would change with each release.
constexpr char kAnyVersion[] = "v1";

TEST(OpenApiTest, DocumentIsUpToDate) {
  const std::string path = FETCHD_OPENAPI_DOCUMENT;
  const std::string document = OpenApiDocument(kAnyVersion);
  if (std::getenv("FETCHD_WRITE_DOCS") != nullptr) std::ofstream(path) << document;
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();

  EXPECT_EQ(text.str(), document) << "FETCHD_WRITE_DOCS=1 with this test writes " << path;
}

void CollectReferences(const json::value& value, std::set<std::string>& references) {
  if (value.is_array()) {
    for (const json::value& child : value.get_array()) CollectReferences(child, references);
  }
  if (!value.is_object()) return;
  for (const auto& [key, child] : value.get_object()) {
    if (key == "$ref") references.insert(child.as_string().c_str());
    CollectReferences(child, references);
  }
}

TEST(OpenApiTest, EveryReferenceLeadsSomewhere) {
  const json::value document = json::parse(OpenApiDocument(kAnyVersion));
  std::set<std::string> references;
  CollectReferences(document, references);

  EXPECT_GT(references.size(), 30U);
  for (const std::string& reference : references) {
    ASSERT_TRUE(reference.starts_with("#/")) << reference;
    json::error_code error;
    EXPECT_NE(document.find_pointer(reference.substr(1), error), nullptr) << reference;
  }
}

TEST(OpenApiTest, EveryRouteIsThere) {
  const json::value document = json::parse(OpenApiDocument(kAnyVersion));
  std::size_t operations = 0;
  for (const auto& [path, verbs] : document.at("paths").as_object()) {
    operations += verbs.as_object().size();
  }

  EXPECT_EQ(operations, JsonRoutes().size());
}

}  // namespace
}  // namespace fetchd::rpc
