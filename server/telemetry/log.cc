#include "telemetry/log.h"

#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <utility>

#include "base/utf8.h"

namespace fetchd::telemetry {
namespace {

std::string Timestamp(WallTime at) {
  const auto since_epoch = at.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch - seconds);
  const std::time_t time = seconds.count();
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 32> date{};
  const std::size_t size = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(millis.count()));
  return std::string(date.data(), size) + fraction.data();
}

/// What a terminal may take for a command (C0, DEL, C1), and what some readers take for the end of
/// a line (U+0085, U+2028, U+2029).
bool IsControl(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0x2028 || point == 0x2029;
}

/// Escapes for a JSON string; logfmt readers take the same escapes.
std::string Quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    if (point.value == '"' || point.value == '\\') {
      out += '\\';
      out += text.front();
    } else if (point.value == '\n') {
      out += "\\n";
    } else if (IsControl(point.value)) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(point.value));
      out += escape.data();
    } else {
      out += text.substr(0, point.size);
    }
    text.remove_prefix(point.size);
  }
  return out + '"';
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    const auto value = point.value;
    if (value == ' ' || value == '"' || value == '=' || value == '\\' || IsControl(value)) {
      return true;
    }
    text.remove_prefix(point.size);
  }
  return false;
}

/// UTF-8 without control characters, whatever its texts are: bytes that are no UTF-8 are taken for
/// ISO-8859-1.
class Line {
 public:
  explicit Line(LogFormat format) : json_(format == LogFormat::kJson) {}

  void Add(std::string_view key, std::string_view text, bool is_string) {
    if (json_) {
      text_ += text_.empty() ? "{" : ",";
      text_ += Quote(key) + ":";
      text_ += is_string ? Quote(ToUtf8(text)) : std::string(text);
    } else {
      if (!text_.empty()) text_ += ' ';
      const std::string shown = ToUtf8(text);
      text_ += std::string(key) + "=";
      text_ += is_string && NeedsQuotes(shown) ? Quote(shown) : shown;
    }
  }
  std::string Finish() && { return std::move(text_) + (json_ ? "}\n" : "\n"); }

 private:
  const bool json_;
  std::string text_;
};

void WriteToStderr(std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
    if (written <= 0) return;  // Nobody is left to tell.
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

const char* LogLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (name == LogLevelName(level)) return level;
  }
  return std::nullopt;
}

Logger::Logger(LogConfig config)
    : Logger(config, WriteToStderr, [] { return std::chrono::system_clock::now(); }) {}

Logger::Logger(LogConfig config, Write write, Now now)
    : format_(config.format),
      level_(config.level),
      write_(std::move(write)),
      now_(std::move(now)) {}

void Logger::Debug(std::string_view message, std::initializer_list<LogField> fields) {
  Log(LogLevel::kDebug, message, fields);
}
void Logger::Info(std::string_view message, std::initializer_list<LogField> fields) {
  Log(LogLevel::kInfo, message, fields);
}
void Logger::Warning(std::string_view message, std::initializer_list<LogField> fields) {
  Log(LogLevel::kWarning, message, fields);
}
void Logger::Error(std::string_view message, std::initializer_list<LogField> fields) {
  Log(LogLevel::kError, message, fields);
}

void Logger::Audit(std::span<const LogField> fields) {
  WriteLine(LogLevel::kInfo, "audit", fields);
}

void Logger::Log(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (Writes(level)) WriteLine(level, message, fields);
}

void Logger::WriteLine(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  Line line(format_);
  line.Add("ts", Timestamp(now_()), true);
  line.Add("level", LogLevelName(level), true);
  line.Add("msg", message, true);
  for (const LogField& field : fields) line.Add(field.key(), field.text(), field.is_string());
  const std::string text = std::move(line).Finish();
  const std::lock_guard lock(mutex_);
  write_(text);
}

}  // namespace fetchd::telemetry
