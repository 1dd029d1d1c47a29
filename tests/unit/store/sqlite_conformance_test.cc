#include "sqlite_files.h"
#include "support/memory_store.h"
#include "support/store_batch_conformance.h"
#include "support/store_conformance.h"
#include "support/store_deadline_conformance.h"
#include "support/store_note_conformance.h"

namespace fetchd::jobs {
namespace {

class Memory final : public StoreBackend {
 public:
  absl::StatusOr<std::unique_ptr<Store>> Open(Clock& clock, runtime::BlockingPool&) override {
    return std::make_unique<testing::MemoryStore>(clock);
  }
};

StoreBackendCase File() {
  return {"File", [] { return std::make_unique<store::SqliteFiles>(); }};
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance, ::testing::Values(File()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(
    All, StoreBatches,
    ::testing::Values(File(),
                      StoreBackendCase{"Memory", [] { return std::make_unique<Memory>(); }}),
    [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(
    All, StoreDeadlines,
    ::testing::Values(File(),
                      StoreBackendCase{"Memory", [] { return std::make_unique<Memory>(); }}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    All, SinkNoteConformance,
    ::testing::Values(File(),
                      StoreBackendCase{"Memory", [] { return std::make_unique<Memory>(); }}),
    [](const auto& info) { return info.param.name; });

}  // namespace fetchd::jobs
