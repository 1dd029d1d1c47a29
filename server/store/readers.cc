#include "store/readers.h"

#include <utility>

namespace fetchd::store {

Readers::Place::Place(Readers& readers) : readers_(readers) {
  std::unique_lock lock(readers_.mutex_);
  readers_.freed_.wait(lock, [this] { return readers_.in_use_ < readers_.most_; });
  ++readers_.in_use_;
}

Readers::Place::~Place() {
  {
    const std::lock_guard lock(readers_.mutex_);
    --readers_.in_use_;
  }
  readers_.freed_.notify_one();
}

std::unique_ptr<Database> Readers::TakeKept() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return nullptr;
  std::unique_ptr<Database> database = std::move(idle_.back());
  idle_.pop_back();
  return database;
}

void Readers::DropKept() {
  std::vector<std::unique_ptr<Database>> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(idle_);
}

void Readers::Return(std::unique_ptr<Database> database) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(database));
}

}  // namespace fetchd::store
