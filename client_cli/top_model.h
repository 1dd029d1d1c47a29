// What `fetchctl top` knows and shows: pure, so that it can be tested without a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fetchd/v1/admin_service.pb.h"
#include "fetchd/v1/fetch_service.pb.h"

namespace fetchd::cli {

/// What the server said at one time.
struct TopSample {
  std::chrono::steady_clock::time_point at;
  std::chrono::system_clock::time_point wall;
  v1::Status status;
  std::vector<v1::Job> jobs;  ///< All that run, then the newest of those that wait.
  std::vector<v1::OriginState> origins;
};

/// What happened a second, between two samples. Nothing is said of the first, nor after a restart
/// of the server, which begins to count anew.
struct TopRates {
  double received_bytes = 0, requests = 0, commits = 0;
  double succeeded = 0, failed = 0;
};
std::optional<TopRates> RatesBetween(const TopSample& earlier, const TopSample& later);

enum class TopKey { kUp, kDown, kPageUp, kPageDown, kHome, kEnd, kTab, kEnter, kEscape, kErase };

/// What a key asks of the server, or of the program.
struct TopAction {
  enum class Kind { kNone, kQuit, kCancel, kPause, kResume };
  Kind kind = Kind::kNone;
  std::string job;
  friend bool operator==(const TopAction&, const TopAction&) = default;
};

struct TopLine {
  enum class Style { kPlain, kTitle, kHeader, kSelected, kAlert, kDim };
  std::string text;  ///< Safe to print, and no wider than was asked for.
  Style style = Style::kPlain;
};

/// Not thread-safe.
class TopModel {
 public:
  explicit TopModel(std::string server) : server_(std::move(server)) {}

  void OnSample(TopSample sample);
  /// The server did not answer: what is known stays, under a banner, until the next sample.
  void OnFailure(std::string error, std::chrono::steady_clock::time_point at);
  /// What came of an action: shown until the next key.
  void OnResult(std::string text) { message_ = std::move(text); }

  TopAction OnKey(TopKey key);
  TopAction OnCharacter(char character);

  /// The whole screen, from top to bottom: at most `height` lines.
  std::vector<TopLine> Draw(std::size_t width, std::size_t height,
                            std::chrono::steady_clock::time_point now);
  /// All that there is, for a place without a screen.
  std::vector<TopLine> DrawOnce(std::size_t width);

  static constexpr std::size_t kLeastWidth = 40, kLeastHeight = 10;

 private:
  enum class View { kJobs, kOrigins };
  enum class Mode { kLook, kFilter, kConfirm, kHelp };
  struct Row {
    std::string key;  ///< The job's name, or the origin.
    std::string text;
    bool dim = false;
  };

  std::vector<TopLine> Head(std::size_t width) const;
  std::string TabsLine(std::size_t rows) const;
  std::vector<Row> Rows(std::size_t width) const;
  std::vector<Row> JobRows(std::size_t width) const;
  std::vector<Row> OriginRows(std::size_t width) const;
  std::string ColumnsLine(std::size_t width) const;
  TopLine Footer(std::size_t width, std::chrono::steady_clock::time_point now) const;
  std::vector<TopLine> Help(std::size_t width) const;
  bool Matches(const std::string& text) const;
  void Move(std::ptrdiff_t by);
  void Select(const std::vector<Row>& rows);
  TopAction OnConfirmed(char character);
  TopAction AskOf(char character);
  const v1::Job* SelectedJob() const;

  const std::string server_;
  std::optional<TopSample> sample_;
  std::optional<TopRates> rates_;
  std::optional<std::chrono::steady_clock::time_point> failing_since_;
  std::string error_, message_;
  View view_ = View::kJobs;
  Mode mode_ = Mode::kLook;
  std::size_t job_order_ = 0, origin_order_ = 0;  ///< Of the tables of orders.
  std::string filter_;
  std::string asked_job_;               ///< Of kConfirm.
  std::map<View, std::string> chosen_;  ///< The key of the row under the bar.
  std::vector<std::string> keys_;       ///< Of the rows that were drawn last, in their order.
  std::size_t index_ = 0;               ///< Of the chosen one, in these.
  std::size_t first_ = 0;               ///< The row at the top.
  std::size_t page_ = 1;                ///< Rows that the screen has room for.
};

}  // namespace fetchd::cli
