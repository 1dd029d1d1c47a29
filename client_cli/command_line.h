// The tree of commands: each command's file adds its own flags, help and code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/connection.h"
#include "cli/print.h"
#include "cli/values.h"

namespace fetchd::cli {

struct Command {
  CLI::App* app;
  /// Either talks to the service or needs nothing but the console.
  std::function<ExitCode(Session&)> run;
  std::function<ExitCode(Console&)> run_offline;
};

struct CommandLine {
  CLI::App root{"Fetches URLs through the fetchd service.", "fetchctl"};
  GlobalOptions globals;
  Getenv getenv;
  std::vector<Command> commands;

  explicit CommandLine(Getenv environment);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// A subcommand; global flags may follow it.
  CLI::App* Subcommand(const std::string& name, const std::string& description,
                       const std::string& examples);
};

void AddGet(CommandLine& line);
void AddSubmit(CommandLine& line);
void AddWatch(CommandLine& line);
void AddList(CommandLine& line);
void AddDescribe(CommandLine& line);
void AddExplain(CommandLine& line);
void AddOrigins(CommandLine& line);
void AddBatch(CommandLine& line);
void AddJobActions(CommandLine& line);  ///< cancel, pause, resume, retry, delete
void AddRead(CommandLine& line);
void AddCheck(CommandLine& line);
void AddStatus(CommandLine& line);
void AddTop(CommandLine& line);
void AddLogLevel(CommandLine& line);
void AddHealth(CommandLine& line);
void AddDrain(CommandLine& line);
void AddToken(CommandLine& line);
void AddCompletion(CommandLine& line);
void AddVersion(CommandLine& line);

// Flags of a type. A value that does not parse is a usage error that names the flag.
CLI::Option* AddDuration(CLI::App* app, const std::string& name, std::optional<Milliseconds>& value,
                         const std::string& description);
CLI::Option* AddSize(CLI::App* app, const std::string& name, std::optional<std::uint64_t>& value,
                     const std::string& description);
/// -o table|wide|json|name, as far as `formats` ("table|json") goes.
CLI::Option* AddOutput(CLI::App* app, OutputFormat& format, const std::string& formats);
CLI::Option* AddJobNames(CLI::App* app, std::vector<std::string>& names);  ///< JOB...
/// A flag that may be given many times, one value each.
CLI::Option* AddRepeated(CLI::App* app, const std::string& name, std::vector<std::string>& values,
                         const std::string& description);
/// As AddRepeated, each value checked while the command line is read.
CLI::Option* AddPairs(CLI::App* app, const std::string& name, char separator,
                      std::vector<std::pair<std::string, std::string>>& values,
                      const std::string& description);
CLI::Option* AddDigests(CLI::App* app,
                        std::vector<std::string>& digests);  ///< --sha256, --checksum

/// Reads the command line, runs the command. Everything that happens is its own to tell.
ExitCode Run(const std::vector<std::string>& arguments, Console& console, Interrupt& interrupt,
             Getenv getenv);

}  // namespace fetchd::cli
