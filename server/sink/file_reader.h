// Reads a published file back.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/blocking_pool.h"
#include "sink/file_tree.h"
#include "sink/sink.h"

namespace fetchd::sink {

class FileReader final : public Reader {
 public:
  /// Blocks. Errors as Destinations::OpenForRead.
  static absl::StatusOr<std::unique_ptr<Reader>> Open(const FileTree& tree, std::string path,
                                                      std::uint64_t offset,
                                                      runtime::BlockingPool& pool);
  std::uint64_t size_bytes() const override { return size_bytes_; }
  Task<absl::StatusOr<std::size_t>> Read(Buffer& into) override;

 private:
  FileReader(UniqueFd fd, std::string path, std::uint64_t size_bytes, std::uint64_t offset,
             runtime::BlockingPool& pool)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        size_bytes_(size_bytes),
        offset_(offset),
        pool_(pool) {}

  const UniqueFd fd_;
  const std::string path_;
  const std::uint64_t size_bytes_;
  std::uint64_t offset_;
  runtime::BlockingPool& pool_;
};

}  // namespace fetchd::sink
