#include "cli/top_screen.h"

#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <langinfo.h>
#include <ncurses.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <string>
#include <string_view>

namespace fetchd::cli {
namespace {

/// After Escape alone: keys that begin with it come at once.
constexpr int kEscapeMilliseconds = 25;
constexpr short kAlertPair = 1;
constexpr short kTitlePair = 2;
constexpr int kDelete = 0x7f;
/// A terminal that was told to stop its output takes none: the second Ctrl-C does not wait for it.
constexpr int kLastWordMilliseconds = 100;

attr_t AttributesOf(TopLine::Style style, bool color) {
  switch (style) {
    case TopLine::Style::kPlain:
      return A_NORMAL;
    case TopLine::Style::kTitle:
      return A_BOLD | (color ? static_cast<attr_t>(COLOR_PAIR(kTitlePair)) : A_NORMAL);
    case TopLine::Style::kHeader:
      return A_UNDERLINE;
    case TopLine::Style::kSelected:
      return A_REVERSE;
    case TopLine::Style::kAlert:
      return A_BOLD | (color ? static_cast<attr_t>(COLOR_PAIR(kAlertPair)) : A_REVERSE);
    case TopLine::Style::kDim:
      return color ? A_DIM : A_NORMAL;
  }
  return A_NORMAL;
}

TopScreen::Input KeyOf(int key) {
  switch (key) {
    case KEY_UP:
      return TopKey::kUp;
    case KEY_DOWN:
      return TopKey::kDown;
    case KEY_PPAGE:
      return TopKey::kPageUp;
    case KEY_NPAGE:
      return TopKey::kPageDown;
    case KEY_HOME:
      return TopKey::kHome;
    case KEY_END:
      return TopKey::kEnd;
    case '\t':
      return TopKey::kTab;
    case '\n':
    case '\r':
    case KEY_ENTER:
      return TopKey::kEnter;
    case 0x1b:
      return TopKey::kEscape;
    case KEY_BACKSPACE:
    case '\b':
    case kDelete:
      return TopKey::kErase;
    default:
      break;
  }
  if (key >= 0x20 && key < kDelete) return static_cast<char>(key);
  return std::monostate();
}

/// Of terminfo, without the pauses for terminals of old: "" where this terminal has no such thing.
std::string Capability(const char* name) {
  const char* found = tigetstr(name);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): terminfo says so that it is no string.
  if (found == nullptr || found == reinterpret_cast<const char*>(-1)) return "";
  std::string text = found;
  for (std::size_t at; (at = text.find("$<")) != std::string::npos;) {
    const std::size_t end = text.find('>', at);
    text.erase(at, end == std::string::npos ? end : end + 1 - at);
  }
  return text;
}

/// Gives the terminal back, without ncurses, which another thread is in.
void Leave(const termios& before, const std::string& farewell) {
  tcsetattr(STDIN_FILENO, TCSANOW, &before);
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&output, 1, kLastWordMilliseconds) == 1 && (output.revents & POLLOUT) != 0) {
    [[maybe_unused]] const auto written = write(STDOUT_FILENO, farewell.data(), farewell.size());
  }
}

/// True when reads say that there is no more, or fail.
bool InputEnded() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (poll(&input, 1, 0) != 1) return false;
  if ((input.revents & POLLIN) == 0) return true;
  int waiting = 0;
  return ioctl(STDIN_FILENO, FIONREAD, &waiting) != 0 || waiting == 0;
}

}  // namespace

void UseUtf8() {
  const auto is_utf8 = [] { return std::string_view(nl_langinfo(CODESET)) == "UTF-8"; };
  setlocale(LC_CTYPE, "");
  if (!is_utf8()) setlocale(LC_CTYPE, "C.UTF-8");
}

TopScreen::TopScreen(bool color, Interrupt& interrupt)
    : interrupt_(interrupt), screen_(nullptr), color_(color) {
  termios before{};
  const bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
  screen_ = newterm(nullptr, stdout, stdin);
  if (!ok()) return;
  set_term(screen_);
  if (is_terminal) {
    // Its colours, the cursor, the keypad, the other screen.
    interrupt_.SetLastAct([before, farewell = Capability("sgr0") + Capability("cnorm") +
                                              Capability("rmkx") +
                                              Capability("rmcup")] { Leave(before, farewell); });
  }
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, true);
  set_escdelay(kEscapeMilliseconds);
  curs_set(0);
  color_ = color_ && has_colors();
  if (!color_) return;
  start_color();
  use_default_colors();
  init_pair(kAlertPair, COLOR_YELLOW, -1);
  init_pair(kTitlePair, COLOR_CYAN, -1);
}

TopScreen::~TopScreen() {
  if (!ok()) return;
  endwin();
  interrupt_.SetLastAct({});
  delscreen(screen_);
}

std::size_t TopScreen::width() const { return static_cast<std::size_t>(getmaxx(stdscr)); }
std::size_t TopScreen::height() const { return static_cast<std::size_t>(getmaxy(stdscr)); }

void TopScreen::Show(const std::vector<TopLine>& lines) {
  werase(stdscr);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    wattrset(stdscr, static_cast<int>(AttributesOf(lines[i].style, color_)));
    wmove(stdscr, static_cast<int>(i), 0);
    waddnstr(stdscr, lines[i].text.c_str(), -1);
  }
  wattrset(stdscr, A_NORMAL);
  wrefresh(stdscr);
}

TopScreen::Input TopScreen::Wait(std::chrono::milliseconds timeout) {
  wtimeout(stdscr, static_cast<int>(timeout.count()));
  const int key = wgetch(stdscr);
  if (key == ERR && InputEnded()) return Ended();
  return key == ERR || key == KEY_RESIZE ? Input() : KeyOf(key);
}

}  // namespace fetchd::cli
