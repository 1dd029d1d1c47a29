// The disk under the real job database: in memory, and it forgets what was not flushed.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "simulation/dice.h"
#include "simulation/power.h"

namespace fetchd::simulation {

/// While it exists, every SQLite database of the process that is opened lies here: it is SQLite's
/// default VFS. Thread-safe, for the store writes on a thread of its own. Only the locks and the
/// shared memory of connections in one process are there, which is all that fetchd allows.
class SqliteDisk {
 public:
  /// File contents by path.
  using Image = std::map<std::string, std::string>;

  explicit SqliteDisk(Power& power);
  ~SqliteDisk();
  SqliteDisk(const SqliteDisk&) = delete;
  SqliteDisk& operator=(const SqliteDisk&) = delete;

  Image Read() const;
  /// Everything in it is durable. No database is open.
  void Reset(const Image& image);
  /// Of each write that was not flushed: it is there, or is not, or breaks off at a sector. No
  /// database is open.
  void LosePower(Dice& dice);

  struct File;
  struct Handle;

 private:
  friend struct DiskCalls;
  struct Registration;

  Power& power_;
  mutable std::mutex mutex_;  ///< Guards all below, and what is in the files.
  std::map<std::string, std::shared_ptr<File>> files_;
  std::unique_ptr<Registration> registration_;
};

}  // namespace fetchd::simulation
