#include "support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "base/check.h"

namespace fetchd::testing {
namespace {

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool CanConnect(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  const bool connected =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

// Nothing signals that a child has begun to listen: it has to be asked again and again.
void WaitBeforeAskingAgain() { poll(nullptr, 0, 10); }

[[noreturn]] void BecomeChild(std::vector<char*> argv, const char* output_file) {
  // A test that crashes must not leave a server behind.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int output = open(output_file, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvp(argv[0], argv.data());
  _exit(127);
}

}  // namespace

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "fetchd-test-XXXXXX").string();
  FETCHD_CHECK(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::uint16_t FreePort() {
  // Below those that the kernel gives to connections and to port 0: between now and the moment when
  // the program listens, another test could be given one of these.
  constexpr int kFirst = 10240, kLast = 32767;
  static std::mt19937 random(std::random_device{}());
  std::uniform_int_distribution<int> ports(kFirst, kLast);
  for (int tries = 0; tries < 1000; ++tries) {
    const sockaddr_in address = Loopback(static_cast<std::uint16_t>(ports(random)));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    close(fd);
    if (bound == 0) return ntohs(address.sin_port);
  }
  FETCHD_CHECK(false && "no free port");
  return 0;
}

bool WaitForListener(std::uint16_t port, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!CanConnect(port)) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    WaitBeforeAskingAgain();
  }
  return true;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::vector<std::string> ReadLines(const std::filesystem::path& path, std::size_t count,
                                   std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    std::istringstream text(ReadFile(path));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    if (lines.size() >= count || std::chrono::steady_clock::now() > deadline) return lines;
    WaitBeforeAskingAgain();
  }
}

void WriteFile(const std::filesystem::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  file.flush();
  FETCHD_CHECK(file.good());
}

Process::Process(std::vector<std::string> argv, std::filesystem::path output_file)
    : output_file_(std::move(output_file)) {
  std::vector<char*> pointers;
  for (std::string& argument : argv) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", 1);
  pid_ = fork();
  FETCHD_CHECK(pid_ >= 0);
  if (pid_ == 0) BecomeChild(std::move(pointers), output_file_.c_str());
}

Process::~Process() {
  if (exit_code_) return;
  Signal(SIGKILL);
  Wait(std::chrono::seconds(10));
}

void Process::Signal(int signal) const {
  if (!exit_code_) kill(pid_, signal);
}

std::optional<int> Process::Wait(std::chrono::milliseconds timeout) {
  if (exit_code_) return exit_code_;
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  FETCHD_CHECK(pidfd >= 0);
  pollfd wait{.fd = pidfd, .events = POLLIN, .revents = 0};
  const int ready = poll(&wait, 1, static_cast<int>(timeout.count()));
  close(pidfd);
  if (ready <= 0) return std::nullopt;
  int status = 0;
  FETCHD_CHECK(waitpid(pid_, &status, 0) == pid_);
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_code_;
}

}  // namespace fetchd::testing
