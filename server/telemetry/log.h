// Structured log: one line an event, with named fields.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "base/time.h"

namespace fetchd::telemetry {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
std::optional<LogLevel> ParseLogLevel(
    std::string_view name);  ///< "debug", "info", "warning", "error".
const char* LogLevelName(LogLevel level);

enum class LogFormat { kLogfmt, kJson };

/// One named value. The key is a literal of [a-z0-9_]. There is none for Secret: Reveal() and
/// think.
class LogField {
 public:
  LogField(std::string_view key, std::string_view value) : key_(key), text_(value), quoted_(true) {}
  LogField(std::string_view key, const std::string& value)
      : LogField(key, std::string_view(value)) {}
  LogField(std::string_view key, const char* value) : LogField(key, std::string_view(value)) {}
  LogField(std::string_view key, bool value) : key_(key), text_(value ? "true" : "false") {}
  template <std::integral Int>
    requires(!std::same_as<Int, bool> && !std::same_as<Int, char>)
  LogField(std::string_view key, Int value) : key_(key), text_(std::to_string(value)) {}
  /// In milliseconds.
  LogField(std::string_view key, Duration value)
      : key_(key),
        text_(
            std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(value).count())) {}
  LogField(std::string_view key, const Secret& value) = delete;

  std::string_view key() const { return key_; }
  const std::string& text() const { return text_; }
  bool is_string() const { return quoted_; }

 private:
  std::string_view key_;
  std::string text_;
  bool quoted_ = false;
};

struct LogConfig {
  LogLevel level = LogLevel::kInfo;  ///< Lines below it are dropped, but for audit lines.
  LogFormat format = LogFormat::kLogfmt;
};

/// Thread-safe; a line is written by one call, so lines never mix. Owner: app.
class Logger {
 public:
  using Write = std::function<void(std::string_view line)>;
  using Now = std::function<WallTime()>;

  explicit Logger(LogConfig config);  ///< To stderr, with the system's time.
  Logger(LogConfig config, Write write, Now now);

  /// From now on; returns the earlier one. A line that is being written may be of either.
  LogLevel SetLevel(LogLevel level) { return level_.exchange(level, std::memory_order_relaxed); }
  LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  bool Writes(LogLevel level) const { return level >= this->level(); }
  void Debug(std::string_view message, std::initializer_list<LogField> fields = {});
  void Info(std::string_view message, std::initializer_list<LogField> fields = {});
  void Warning(std::string_view message, std::initializer_list<LogField> fields = {});
  void Error(std::string_view message, std::initializer_list<LogField> fields = {});
  /// The line "audit", whatever the level: who did what is not for the verbosity to switch off.
  void Audit(std::span<const LogField> fields);

 private:
  void Log(LogLevel level, std::string_view message, std::span<const LogField> fields);
  void WriteLine(LogLevel level, std::string_view message, std::span<const LogField> fields);

  const LogFormat format_;
  std::atomic<LogLevel> level_;
  const Write write_;
  const Now now_;
  std::mutex mutex_;
};

}  // namespace fetchd::telemetry
