// A directory with a job database in it, removed when the test ends.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "base/check.h"
#include "store/sqlite_store.h"
#include "support/store_harness.h"

namespace fetchd::store {

class SqliteFiles final : public jobs::StoreBackend {
 public:
  SqliteFiles() {
    std::string pattern = Root() / "fetchd-store-XXXXXX";
    FETCHD_CHECK(mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
  }
  ~SqliteFiles() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory() const { return directory_; }
  std::filesystem::path database() const { return directory_ / "jobs.db"; }
  std::filesystem::path key_file() const { return directory_ / "key"; }

  absl::StatusOr<std::unique_ptr<jobs::Store>> Open(Clock& clock,
                                                    runtime::BlockingPool& pool) override {
    return SqliteStore::Open({.path = database(),
                              .key_file = key_file(),
                              .keys = keys,
                              .keys_from = "these keys",
                              .on_sealing_anew = on_sealing_anew,
                              .stop_asked = stop_asked,
                              .commits = &commits},
                             clock, pool);
  }

  /// Everything that is on the disk, in one string.
  std::string AllBytes() const {
    std::string bytes;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      std::ifstream file(entry.path(), std::ios::binary);
      bytes.append(std::istreambuf_iterator<char>(file), {});
    }
    return bytes;
  }

  std::optional<KeyRing> keys;  ///< Instead of those of the file.
  SqliteConfig::OnSealingAnew on_sealing_anew;
  SqliteConfig::StopAsked stop_asked;
  CommitMeter commits;

 private:
  // In memory when there is room: what these tests ask of fsync is that it is called.
  static std::filesystem::path Root() {
    constexpr std::uintmax_t kEnoughBytes = 256 << 20;
    const std::filesystem::path memory = "/dev/shm";
    std::error_code error;
    const std::filesystem::space_info space = std::filesystem::space(memory, error);
    const bool fits = !error && space.available > kEnoughBytes;
    return fits ? memory : std::filesystem::temp_directory_path();
  }

  std::filesystem::path directory_;
};

}  // namespace fetchd::store
