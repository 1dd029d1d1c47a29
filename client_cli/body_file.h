// Where a body goes on this machine.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd::cli {

/// A file that appears whole, or a stream that was open already.
///   file:    written to "<path>.part" beside it, renamed over it by Commit(); destroyed before,
///   the .part goes,
///            or stays when it is kept for another run. `path` is untouched until then.
///   stream:  a descriptor (standard output), or a path that is no regular file (/dev/null, a
///   pipe).
/// Blocking. INTERNAL with the system's words on I/O errors.
class BodyFile {
 public:
  static BodyFile ForDescriptor(int fd);
  /// With `keep_partial`, goes on after the bytes of a .part that is there, and leaves it on
  /// failure. ALREADY_EXISTS while another process writes the same .part.
  static absl::StatusOr<BodyFile> Open(const std::string& given, bool keep_partial);
  BodyFile(BodyFile&& other) noexcept;
  BodyFile& operator=(BodyFile&&) = delete;
  ~BodyFile();

  std::uint64_t offset() const { return offset_; }  ///< Bytes that are there.
  absl::Status Write(std::string_view bytes);
  /// Hands the bytes that Open() found to `visit`.
  absl::Status ReadBack(const std::function<void(std::string_view)>& visit) const;
  absl::Status Commit();
  /// The partial file is worthless: it goes even when it was to be kept.
  void Discard() { keep_partial_ = false; }

 private:
  BodyFile(int fd, std::string path, bool keep_partial);
  int fd_;
  std::string path_;  ///< Empty: a stream.
  bool owns_fd_ = true;
  bool keep_partial_ = false;
  std::uint64_t offset_ = 0;
};

}  // namespace fetchd::cli
