#include "postgres_backend.h"
#include "support/store_batch_conformance.h"
#include "support/store_conformance.h"
#include "support/store_deadline_conformance.h"
#include "support/store_note_conformance.h"

namespace fetchd::jobs {
namespace {

StoreBackendCase Server() {
  return {"Server", [] { return std::make_unique<store::PostgresBackend>(); }};
}

std::string NameOf(const ::testing::TestParamInfo<StoreBackendCase>& info) {
  return info.param.name;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgres, StoreConformance, ::testing::Values(Server()), NameOf);
INSTANTIATE_TEST_SUITE_P(Postgres, StoreBatches, ::testing::Values(Server()), NameOf);
INSTANTIATE_TEST_SUITE_P(Postgres, StoreDeadlines, ::testing::Values(Server()), NameOf);
INSTANTIATE_TEST_SUITE_P(Postgres, SinkNoteConformance, ::testing::Values(Server()), NameOf);

}  // namespace fetchd::jobs
