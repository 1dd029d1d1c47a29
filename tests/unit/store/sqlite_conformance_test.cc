#include "sqlite_files.h"
#include "support/store_conformance.h"

namespace fetchd::jobs {

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance,
                         ::testing::Values(StoreBackendCase{
                             "File", [] { return std::make_unique<store::SqliteFiles>(); }}),
                         [](const auto& info) { return info.param.name; });

}  // namespace fetchd::jobs
