// The subcommands of `batch`, a file each.
#pragma once

#include "cli/command_line.h"
#include "fetchd/v1/batch_service.pb.h"

namespace fetchd::cli {

void AddBatchCreate(CommandLine& line, CLI::App* batch);
void AddBatchResults(CommandLine& line, CLI::App* batch);

/// A subcommand of `batch`; global flags may follow it.
CLI::App* BatchSubcommand(CLI::App* batch, const std::string& name, const std::string& description,
                          const std::string& examples);

grpc::Status GetBatch(Session& session, const std::string& name, v1::Batch& batch);

}  // namespace fetchd::cli
