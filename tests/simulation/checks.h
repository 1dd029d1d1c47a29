// What must hold, whatever happens.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/machine.h"

namespace fetchd::simulation {

/// Looks at a run from outside. Each violation goes to the trace.
class Checks {
 public:
  Checks(Machine& machine, Scene& scene) : machine_(machine), scene_(scene) {}

  /// Somebody else's file, which was there before.
  void PutForeign(const std::string& destination, const std::string& bytes);
  /// A name leads to a whole body of one version, or to what was there before.
  void Visible(const std::string& path);
  /// What the store says to be kept is of the version that it names, unless it is gone.
  void Kept(const std::map<JobId, jobs::Job>& jobs);
  /// What has succeeded is at its destination.
  void Published(const std::map<JobId, jobs::Job>& jobs);
  void Ended(const jobs::Job& job, const std::vector<jobs::AttemptRecord>& attempts);
  /// No permit, buffer or turn is out.
  void AtRest(Life& life);
  void NoTemporaryFiles();
  /// What a Fetch call got so far, and whether it was told that this is all.
  void Streamed(const jobs::FetchSpec& spec, const std::string& body, bool whole);

 private:
  std::vector<std::string_view> Admissible(const std::string& destination);
  void KeptOf(const jobs::Job& job);
  void Numbers(const jobs::Job& job, const std::vector<jobs::AttemptRecord>& attempts);
  void Success(const jobs::Job& job, const jobs::AttemptRecord& record);
  std::string PathOf(const jobs::Job& job) const;

  Machine& machine_;
  Scene& scene_;
  std::map<std::string, std::string> foreign_;  ///< By destination.
};

}  // namespace fetchd::simulation
