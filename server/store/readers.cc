#include "store/readers.h"

#include <utility>

namespace fetchd::store {

absl::StatusOr<std::unique_ptr<Database>> Readers::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Database> database = std::move(idle_.back());
      idle_.pop_back();
      return database;
    }
  }
  ASSIGN_OR_RETURN(Database database, Database::Open(path_, Database::Mode::kReadOnly));
  return std::make_unique<Database>(std::move(database));
}

void Readers::Return(std::unique_ptr<Database> database) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(database));
}

}  // namespace fetchd::store
