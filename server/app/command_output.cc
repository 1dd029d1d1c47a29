#include "app/command_output.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/duration_text.h"
#include "base/strings.h"

extern char** environ;

namespace fetchd::app {
namespace {

constexpr std::size_t kMaxOutput = std::size_t{64} << 10;
constexpr std::size_t kMaxError = 1024;  // Of stderr, in the message.

class Pipe {
 public:
  Pipe() { FETCHD_CHECK(pipe2(ends_.data(), O_CLOEXEC) == 0); }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void CloseRead() { Close(ends_[0]); }
  void CloseWrite() { Close(ends_[1]); }

 private:
  static void Close(int& end) {
    if (end >= 0) close(std::exchange(end, -1));
  }
  std::array<int, 2> ends_{};
};

/// Waits for one of `wanted`, of which those below 0 are none; false when the time is over.
bool PollUntil(std::span<pollfd> wanted, const Clock& clock, SteadyTime deadline) {
  constexpr std::chrono::milliseconds kLongest = std::chrono::hours(1);
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock.Now());
    if (left.count() <= 0) return false;
    const auto wait = static_cast<int>(std::min(left, kLongest).count());
    if (poll(wanted.data(), wanted.size(), wait) > 0) return true;
  }
}

/// A process group of its own; killed and waited for at the latest when this goes.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    if (pid_ < 0) return;
    kill(-pid_, SIGKILL);
    Wait(0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  /// The status of waitpid; nullopt when it goes on at `deadline`. One that has closed its output
  /// ends as a rule at once.
  std::optional<int> WaitUntil(const Clock& clock, SteadyTime deadline) {
    constexpr int kPauseMs = 10;
    while (true) {
      if (const std::optional<int> status = Wait(WNOHANG)) return status;
      if (clock.Now() >= deadline) return std::nullopt;
      poll(nullptr, 0, kPauseMs);
    }
  }

 private:
  /// nullopt: it goes on, which only WNOHANG tells.
  std::optional<int> Wait(int options) {
    constexpr int kLost = W_EXITCODE(255, 0);  // Somebody else has waited for it.
    int status = 0;
    pid_t ended = 0;
    do ended = waitpid(pid_, &status, options);
    while (ended < 0 && errno == EINTR);
    if (ended == 0) return std::nullopt;
    pid_ = -1;
    return ended < 0 ? kLost : status;
  }

  pid_t pid_;
};

/// The result of posix_spawnp. Signals that this process blocks or handles are as by default.
int Spawn(const std::vector<std::string>& command, const Pipe& out, const Pipe& err, pid_t& pid) {
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write_end(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write_end(), STDERR_FILENO);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  const int error =
      posix_spawnp(&pid, command.front().c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/// Appends what is there; false at the end. Behind `limit` bytes only whether there was more
/// counts.
bool ReadSome(int fd, std::string& into, std::size_t limit) {
  std::array<char, 4096> block;
  const ssize_t got = read(fd, block.data(), block.size());
  if (got < 0) return errno == EINTR;
  const std::size_t room = limit + 1 - std::min(into.size(), limit + 1);
  into.append(block.data(), std::min(room, static_cast<std::size_t>(got)));
  explicit_bzero(block.data(), block.size());
  return got > 0;
}

struct Output {
  std::string out, err;
};

/// False: the time is over.
bool ReadAll(Pipe& out, Pipe& err, const Clock& clock, SteadyTime deadline, Output& output) {
  while (out.read_end() >= 0 || err.read_end() >= 0) {
    std::array<pollfd, 2> wanted{{{out.read_end(), POLLIN, 0}, {err.read_end(), POLLIN, 0}}};
    if (!PollUntil(wanted, clock, deadline)) return false;
    if (wanted[0].revents != 0 && !ReadSome(out.read_end(), output.out, kMaxOutput)) {
      out.CloseRead();
    }
    if (wanted[1].revents != 0 && !ReadSome(err.read_end(), output.err, kMaxError)) {
      err.CloseRead();
    }
  }
  return true;
}

/// In one line.
std::string Shown(std::string err) {
  const bool cut = err.size() > kMaxError;
  err.resize(std::min(err.size(), kMaxError));
  while (!err.empty() && (err.back() == '\n' || err.back() == ' ')) err.pop_back();
  std::ranges::replace_if(err, [](char c) { return HasControl({&c, 1}); }, ' ');
  if (err.empty()) return " and wrote nothing to stderr";
  return Concat(": ", err, cut ? "..." : "");
}

absl::Status Failed(const std::vector<std::string>& command, std::string_view what) {
  return absl::FailedPreconditionError(Concat(command.front(), ' ', what));
}

}  // namespace

absl::StatusOr<Secret> CommandOutput(const std::vector<std::string>& command, Duration timeout,
                                     const Clock& clock) {
  const SteadyTime deadline = clock.Now() + timeout;
  Pipe out, err;
  pid_t pid = -1;
  const int error = Spawn(command, out, err, pid);
  if (error != 0) return Failed(command, Concat("cannot be run: ", std::strerror(error)));
  Child child(pid);
  out.CloseWrite();
  err.CloseWrite();
  Output output;
  const CleansedAtEnd end(output.out);
  output.out.reserve(kMaxOutput + 1);  // So that it leaves no copies as it grows.
  const bool read = ReadAll(out, err, clock, deadline, output);
  const std::optional<int> status = read ? child.WaitUntil(clock, deadline) : std::nullopt;
  if (!status) {
    return Failed(command,
                  Concat("did not end within ", FormatSeconds(timeout), Shown(output.err)));
  }
  if (WIFSIGNALED(*status)) {
    return Failed(command, Concat("was ended by signal ", WTERMSIG(*status), Shown(output.err)));
  }
  if (WEXITSTATUS(*status) != 0) {
    return Failed(command, Concat("ended with ", WEXITSTATUS(*status), Shown(output.err)));
  }
  if (output.out.size() > kMaxOutput) return Failed(command, "printed more than 64 KiB");
  return Secret(output.out);
}

}  // namespace fetchd::app
