// Sinks on a real directory, driven by one event loop.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "runtime/blocking_pool.h"
#include "runtime/task_group.h"
#include "sink/destinations.h"

namespace fetchd::sink {

class SinkTest : public ::testing::Test {
 protected:
  SinkTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fetchd-sink-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    Reopen();
  }
  ~SinkTest() override { std::filesystem::remove_all(root_); }

  void Reopen(FileCalls& calls = SystemFileCalls()) {
    auto opened = Destinations::Open(root_, clock_, pool_, loop_.get_executor(), calls);
    EXPECT_TRUE(opened.ok()) << opened.status();
    destinations_ = *std::move(opened);
  }

  template <typename T>
  static Task<absl::Status> Keep(Task<T> task, std::optional<T>* out) {
    out->emplace(co_await std::move(task));
    co_return absl::OkStatus();
  }

  /// Runs `task` to its end.
  template <typename T>
  T Await(Task<T> task) {
    std::optional<T> result;
    runtime::TaskGroup group(loop_.get_executor());
    group.Spawn("test", Keep(std::move(task), &result));
    loop_.restart();
    loop_.run();
    return *std::move(result);
  }

  static std::span<const std::byte> Bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
  }

  JobId NewJob() { return JobId::Generate(clock_.WallNow(), random_); }

  std::unique_ptr<Sink> Make(const std::string& path, const JobId& job,
                             OverwritePolicy overwrite = OverwritePolicy::kAlways) {
    return *destinations_->MakeSink({Destination::Kind::kFile, path, {}},
                                    {.job = job, .overwrite = overwrite});
  }

  /// A whole transfer.
  absl::Status Store(const std::string& path, const JobId& job, std::string_view text,
                     OverwritePolicy overwrite = OverwritePolicy::kAlways) {
    const std::unique_ptr<Sink> sink = Make(path, job, overwrite);
    RETURN_IF_ERROR(Await(sink->Open(0)).status());
    RETURN_IF_ERROR(Await(sink->Write(Bytes(text))));
    return Await(sink->Commit()).status();
  }

  std::optional<std::string> Content(const std::string& path) const {
    std::ifstream file(root_ / path, std::ios::binary);
    if (!file) return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  void Put(const std::string& path, std::string_view text) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }

  /// Every name in the tree that is no directory.
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (!entry.is_directory()) {
        files.push_back(std::filesystem::relative(entry.path(), root_).string());
      }
    }
    return files;
  }

  asio::io_context loop_{1};
  RealClock clock_;
  runtime::BlockingPool pool_{4};
  std::mt19937_64 random_{7};
  BufferPool buffers_{std::size_t{64} << 20};
  std::filesystem::path root_;
  std::unique_ptr<Destinations> destinations_;
};

}  // namespace fetchd::sink
