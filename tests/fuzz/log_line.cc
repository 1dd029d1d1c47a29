// What others say, in the log: nobody writes a line of it, ends one, or speaks to a terminal.
#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "telemetry/log.h"

namespace {

using namespace fetchd;

std::string LineOf(telemetry::LogFormat format, std::string_view text) {
  std::string lines;
  telemetry::Logger log(
      {.format = format}, [&lines](std::string_view line) { lines += line; },
      [] { return WallTime(std::chrono::seconds(1'800'000'000)); });
  log.Info("event", {{"before", 1}, {"text", text}, {"after", "end"}});
  return lines;
}

/// C0 but for the line's end, DEL, and C1, with which terminals are told what to do, too.
void CheckHarmless(std::string_view line) {
  FETCHD_CHECK(line.ends_with('\n'));
  line.remove_suffix(1);
  while (!line.empty()) {
    const CodePoint point = DecodeUtf8(line);
    FETCHD_CHECK(point.size > 0);
    FETCHD_CHECK(point.value >= 0x20 && (point.value < 0x7f || point.value > 0x9f));
    line.remove_prefix(point.size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string line = LineOf(telemetry::LogFormat::kLogfmt, text);
  CheckHarmless(line);
  FETCHD_CHECK(line.find(" msg=event before=1 text=") != std::string::npos);
  FETCHD_CHECK(line.ends_with(" after=end\n"));

  const std::string json = LineOf(telemetry::LogFormat::kJson, text);
  CheckHarmless(json);
  boost::json::error_code error;
  const boost::json::value read = boost::json::parse(json, error);
  FETCHD_CHECK(!error && read.as_object().size() == 6);
  FETCHD_CHECK(read.at("text").as_string() == ToUtf8(text) && read.at("after") == "end");
  return 0;
}
