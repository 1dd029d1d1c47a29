#include "app/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace fetchd::app {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricType;

TEST(MetricsReferenceTest, DocumentIsUpToDate) {
  const std::string path = FETCHD_METRICS_DOCUMENT;
  if (std::getenv("FETCHD_WRITE_DOCS") != nullptr) std::ofstream(path) << MetricsReference();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();

  EXPECT_EQ(text.str(), MetricsReference()) << "FETCHD_WRITE_DOCS=1 with this test writes " << path;
}

TEST(MetricFamiliesTest, NamesFollowPrometheus) {
  std::set<std::string_view> seen;
  for (const MetricFamily& family : AllMetricFamilies()) {
    const std::string_view name = family.name;
    EXPECT_TRUE(seen.insert(name).second) << name;
    EXPECT_TRUE(name.starts_with("fetchd_") || name.starts_with("process_")) << name;
    EXPECT_EQ(name.ends_with("_total"), family.type == MetricType::kCounter) << name;
    const bool is_count = name == "fetchd_store_commit_changes";  // Of changes, not of time.
    if (family.type == MetricType::kHistogram) {
      EXPECT_TRUE(name.ends_with("_seconds") || is_count) << name;
    }
    for (const char c : name) EXPECT_TRUE(c == '_' || std::islower(c) != 0) << name;
  }
}

TEST(MetricFamiliesTest, HelpIsASentence) {
  for (const MetricFamily& family : AllMetricFamilies()) {
    EXPECT_TRUE(family.help.ends_with('.')) << family.name;
    EXPECT_EQ(family.help.find('|'), std::string_view::npos) << family.name;
  }
}

}  // namespace
}  // namespace fetchd::app
