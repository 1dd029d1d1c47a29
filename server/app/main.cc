// fetchd: the server.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/application.h"
#include "app/config_loader.h"
#include "app/module_configs.h"
#include "base/strings.h"
#include "runtime/signals.h"

namespace fetchd::app {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;
/// Plus the signal: asked twice to stop, it ends as if the second signal had killed it.
constexpr int kExitBySignal = 128;

struct Options {
  ConfigSources sources;
  bool check_config = false;
  bool print_config = false;
};

/// Signals may come before there is something to stop.
class StopRequest {
 public:
  void Ask() {
    const std::lock_guard lock(mutex_);
    asked_ = true;
    if (application_ != nullptr) application_->RequestStop();
  }
  bool asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  void Attach(Application* application) {
    const std::lock_guard lock(mutex_);
    application_ = application;
    if (asked_ && application != nullptr) application->RequestStop();
  }

 private:
  std::mutex mutex_;
  Application* application_ = nullptr;
  bool asked_ = false;
};

int Fail(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) std::cerr << "fetchd: " << problem << '\n';
  return kExitFailure;
}

int Serve(const Config& config) {
  StopRequest stop;
  runtime::SignalWatcher signals;
  signals.Start([&stop](int count, int signal_number) {
    if (count > 1) _exit(kExitBySignal + signal_number);
    stop.Ask();
  });
  auto application = Application::Start(config, FETCHD_VERSION, [&stop] { return stop.asked(); });
  if (!application.ok()) {
    const int failed = Fail({MessageOf(application.status())});
    return absl::IsCancelled(application.status()) ? 0 : failed;  // As it was asked to.
  }
  std::cout << "fetchd " FETCHD_VERSION " listening on " << (*application)->address() << std::endl;
  stop.Attach(application->get());
  (*application)->Run();
  stop.Attach(nullptr);
  return 0;
}

int Execute(const Options& options) {
  LoadedConfig loaded = LoadConfig(options.sources);
  // Caps are compared only once each of them has been understood.
  if (loaded.errors.empty()) loaded.errors = CheckConfig(loaded.config);
  if (loaded.errors.empty() && options.check_config) loaded.errors = CheckMachine(loaded.config);
  std::ranges::move(WarningsAbout(loaded.config), std::back_inserter(loaded.warnings));
  for (const std::string& warning : loaded.warnings) std::cerr << "fetchd: " << warning << '\n';
  if (!loaded.errors.empty()) return Fail(loaded.errors);
  if (options.print_config) std::cout << PrintConfig(loaded.config);
  if (options.check_config && !options.print_config) std::cout << "configuration ok\n";
  if (options.print_config || options.check_config) return 0;
  return Serve(loaded.config);
}

std::vector<std::string> Environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  return variables;
}

int Main(int argc, char** argv) {
  Options options;
  options.sources.environment = Environment();
  CLI::App cli{"The fetch service: brings URLs to files or back over gRPC.", "fetchd"};
  cli.footer(
      "Configuration: defaults, then --config, then FETCHD_* variables, then --set.\n"
      "fetchd --print-config lists every key with its description.");
  cli.set_version_flag("--version", "fetchd " FETCHD_VERSION);
  std::string file;
  auto* config = cli.add_option("--config", file, "YAML file")->envname("FETCHD_CONFIG");
  cli.add_option("--set", options.sources.settings,
                 "A setting: key=value, the value in YAML; repeatable")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  cli.add_flag("--check-config", options.check_config, "Check the configuration and exit");
  cli.add_flag("--print-config", options.print_config,
               "Print the effective configuration and exit");
  try {
    cli.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return cli.exit(done);
  } catch (const CLI::ParseError& error) {
    cli.exit(error);
    return kExitUsage;
  }
  if (config->count() > 0) options.sources.file = file;
  return Execute(options);
}

}  // namespace
}  // namespace fetchd::app

int main(int argc, char** argv) {
  // gRPC has a log of its own; what matters in it reaches us as errors. Before any thread exists.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  return fetchd::app::Main(argc, argv);
}
