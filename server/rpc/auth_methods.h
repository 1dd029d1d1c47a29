// What each method asks of its caller: the one table.
#pragma once

#include <array>
#include <string_view>

#include "rpc/auth.h"

namespace fetchd::rpc {

struct MethodRule {
  std::string_view service;  ///< In the package fetchd.v1.
  std::string_view method;   ///< Unique over the services.
  Role role;
  /// The log keeps who called: it changes something, or reaches out in the caller's name.
  bool audited;
  /// It begins work, or reaches out. When a caller calls too often these are refused first: what
  /// looks after work that there is, or ends it, has an allowance of its own.
  bool begins_work = false;
};

/// Every method of our services; a test holds it against their descriptors. Health is anybody's;
/// reflection is served only where nobody is asked who calls.
inline constexpr std::array kMethodRules = {
    MethodRule{"FetchService", "CreateJob", Role::kSubmit, true, true},
    MethodRule{"FetchService", "CreateJobs", Role::kSubmit, true, true},
    MethodRule{"FetchService", "GetJob", Role::kRead, false},
    MethodRule{"FetchService", "ListJobs", Role::kRead, false},
    MethodRule{"FetchService", "CancelJob", Role::kSubmit, true},
    MethodRule{"FetchService", "PauseJob", Role::kSubmit, true},
    MethodRule{"FetchService", "ResumeJob", Role::kSubmit, true, true},
    MethodRule{"FetchService", "ExplainJob", Role::kRead, false},
    MethodRule{"FetchService", "RetryJob", Role::kSubmit, true, true},
    MethodRule{"FetchService", "DeleteJob", Role::kSubmit, true},
    MethodRule{"FetchService", "WatchJobs", Role::kRead, false},
    MethodRule{"FetchService", "Fetch", Role::kSubmit, true, true},
    MethodRule{"FetchService", "ReadBody", Role::kRead, false},
    MethodRule{"FetchService", "CheckUrl", Role::kRead, false, true},
    MethodRule{"BatchService", "CreateBatch", Role::kSubmit, true, true},
    MethodRule{"BatchService", "GetBatch", Role::kRead, false},
    MethodRule{"BatchService", "ListBatches", Role::kRead, false},
    MethodRule{"BatchService", "SealBatch", Role::kSubmit, true},
    MethodRule{"BatchService", "CancelBatch", Role::kSubmit, true},
    MethodRule{"BatchService", "RetryBatch", Role::kSubmit, true, true},
    MethodRule{"BatchService", "DeleteBatch", Role::kSubmit, true},
    MethodRule{"BatchService", "ListBatchEntries", Role::kRead, false},
    MethodRule{"BatchService", "WatchBatches", Role::kRead, false},
    MethodRule{"AdminService", "GetStatus", Role::kAdmin, false},
    MethodRule{"AdminService", "Drain", Role::kAdmin, true},
    MethodRule{"AdminService", "ListOrigins", Role::kAdmin, false},
    MethodRule{"AdminService", "SetOriginLimits", Role::kAdmin, true},
    MethodRule{"AdminService", "SetLogLevel", Role::kAdmin, true},
};

/// A method of the table, from its name: one that is not there does not compile.
class Method {
 public:
  consteval Method(const char* name) : rule_(&Find(name)) {}
  const MethodRule& rule() const { return *rule_; }

 private:
  static consteval const MethodRule& Find(std::string_view name) {
    for (const MethodRule& rule : kMethodRules) {
      if (rule.method == name) return rule;
    }
    throw "no rule for this method: add it to kMethodRules";  // NOLINT
  }

  const MethodRule* rule_;
};

}  // namespace fetchd::rpc
