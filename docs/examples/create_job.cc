// Another service hands fetchd a URL and waits until the bytes are there.
//   create_job URL [DESTINATION] [SERVER]
// e.g. create_job https://example.org/a.iso file:isos/a.iso
#include <grpcpp/grpcpp.h>

#include <iostream>
#include <random>
#include <string>

#include "fetchd/v1/fetch_service.grpc.pb.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: create_job URL [DESTINATION] [SERVER]\n";
    return 2;
  }
  const std::string server = argc > 3 ? argv[3] : "127.0.0.1:7070";
  const auto stub = fetchd::v1::FetchService::NewStub(
      grpc::CreateChannel(server, grpc::InsecureChannelCredentials()));

  fetchd::v1::CreateJobRequest create;
  create.mutable_job()->mutable_spec()->add_urls(argv[1]);
  if (argc > 2) create.mutable_job()->set_destination(argv[2]);
  // A name of yours for this piece of work makes it safe to send again, also from another process:
  // the same id and job again answers the job that is there.
  create.set_request_id("create_job-" + std::to_string(std::random_device()()));

  grpc::ClientContext create_context;
  fetchd::v1::Job job;
  if (const grpc::Status status = stub->CreateJob(&create_context, create, &job); !status.ok()) {
    std::cerr << "refused: " << status.error_message() << '\n';
    return 1;
  }
  std::cout << job.name() << " accepted\n";  // Durable from here on.

  fetchd::v1::WatchJobsRequest watch;
  watch.add_names(job.name());
  watch.set_until_done(true);
  grpc::ClientContext watch_context;
  const auto events = stub->WatchJobs(&watch_context, watch);
  for (fetchd::v1::WatchJobsResponse event; events->Read(&event);) {
    if (event.has_progress()) std::cout << event.progress().received_bytes() << " bytes\n";
    if (event.has_state_change()) job = event.state_change().job();
  }
  if (const grpc::Status status = events->Finish(); !status.ok()) {
    std::cerr << "watch ended: " << status.error_message() << '\n';
    return 1;
  }
  if (job.state() != fetchd::v1::Job::SUCCEEDED) {
    std::cerr << "failed: " << job.error().message() << '\n';
    return 1;
  }
  std::cout << job.result().destination() << ' ' << job.result().digests(0) << '\n';
  return 0;
}
