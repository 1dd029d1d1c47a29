// Shell completion, generated from the tree of commands so that it cannot go stale.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace fetchd::cli {

/// The script for "bash", "zsh" or "fish". Values are completed by an option's type name: FILE, JOB
/// (asks the service), and "a|b|c".
std::string CompletionScript(const CLI::App& root, const std::string& shell);

}  // namespace fetchd::cli
