// The terminal of `fetchctl top`: ncurses, and nothing else sees it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/interrupt.h"
#include "cli/top_model.h"

struct screen;  // Of ncurses.

namespace fetchd::cli {

/// Takes the terminal when it is made, and gives it back as it was when it goes, however that is:
/// also at the second Ctrl-C. One at a time, on one thread.
class TopScreen {
 public:
  /// ok() is false when nothing is known of the terminal (TERM).
  TopScreen(bool color, Interrupt& interrupt);
  ~TopScreen();
  TopScreen(const TopScreen&) = delete;
  TopScreen& operator=(const TopScreen&) = delete;

  bool ok() const { return screen_ != nullptr; }

  std::size_t width() const;
  std::size_t height() const;
  void Show(const std::vector<TopLine>& lines);

  /// The terminal went away, and nothing will be typed any more.
  struct Ended {};
  /// A key, or a character that was typed; empty when `timeout` passes without one, or the size of
  /// the terminal changed.
  using Input = std::variant<std::monostate, TopKey, char, Ended>;
  Input Wait(std::chrono::milliseconds timeout);

 private:
  Interrupt& interrupt_;
  ::screen* screen_;
  bool color_;
};

/// Gives the process a locale with UTF-8 where there is one: the user's, else C.UTF-8.
void UseUtf8();

}  // namespace fetchd::cli
