#!/usr/bin/python3
"""Callers of replicas behind a balancer: they submit, watch and ask for the status. Every call retries as gRPC's retry policy says
(RETRIES), and in no other way; watches come back with their token. A line of standard input ends submissions; the next one, when
every job has ended, asks for what they met, as JSON. There are as many watches as replicas: one of each, or, where all have one store
(--shared), of whoever the balancer chooses.

load.py --target HOST:PORT --url URL --last-url URL --replicas N --proto DIR      for Debian's Python, which has Debian's grpc
        [--shared] [--destination PREFIX] [--pause SECONDS] [--ca FILE --certificate FILE --key FILE --server-name NAME]
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import grpc

RETRIES = {"methodConfig": [{"name": [{}], "retryPolicy": {
    "maxAttempts": 5, "initialBackoff": "0.5s", "maxBackoff": "5s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}


def generate(proto, folder):
    files = ["fetchd/v1/job.proto", "fetchd/v1/fetch_service.proto", "fetchd/v1/admin_service.proto", "google/rpc/status.proto"]
    subprocess.run(["protoc", f"-I{proto}", f"--python_out={folder}", *files], check=True)
    import google
    google.__path__.append(f"{folder}/google")  # google/rpc joins the installed google package.
    sys.path.insert(0, folder)
    from fetchd.v1 import admin_service_pb2, fetch_service_pb2, job_pb2
    return fetch_service_pb2, admin_service_pb2, job_pb2


class Load:
    def __init__(self, options, messages):
        self.options, self.settled = options, threading.Event()
        self.fetch, self.admin, self.job = messages
        self.accepted, self.failures = {}, collections.Counter()
        self.asked = self.submitted = 0
        self.watches = {number: {"events": [], "token": "", "first": "", "resumed": 0} for number in range(1, options.replicas + 1)}
        self.last = {number: threading.Event() for number in self.watches}  # Set when the watch has seen the end of the last job.
        self.last_names = {}

    def fail(self, what):
        self.failures[what] += 1
        print(what, file=sys.stderr, flush=True)

    def channel(self):
        # One of its own for each: subchannels are shared within a process, and connections with them.
        settings = [("grpc.service_config", json.dumps(RETRIES)), ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 1)]
        if self.options.ca is None:
            return grpc.insecure_channel(self.options.target, options=settings)
        files = (self.options.ca, self.options.key, self.options.certificate)
        return grpc.secure_channel(self.options.target, grpc.ssl_channel_credentials(*(path.read_bytes() for path in files)),
                                   options=[*settings, ("grpc.ssl_target_name_override", self.options.server_name)])

    def method(self, channel, name, answer, service="FetchService", kind="unary_unary"):
        return getattr(channel, kind)(f"/fetchd.v1.{service}/{name}", request_serializer=lambda message: message.SerializeToString(),
                                      response_deserializer=answer.FromString)

    def submit(self):
        create = self.method(self.channel(), "CreateJob", self.job.Job)
        while not self.settled.wait(self.options.pause):
            identity = f"job-{self.submitted}"
            self.submitted += 1
            request = self.fetch.CreateJobRequest(request_id=identity)
            request.job.spec.urls.append(self.options.url)
            request.job.destination = f"{self.options.destination}{identity}"
            try:
                self.accepted[identity] = create(request, timeout=20).name
            except grpc.RpcError as error:
                self.fail(f"CreateJob {error.code().name} {error.details()}")

    def ask(self):
        status = self.method(self.channel(), "GetStatus", self.admin.Status, "AdminService")
        while not self.settled.wait(self.options.pause):
            self.asked += 1
            try:
                status(self.admin.GetStatusRequest(), timeout=20)
            except grpc.RpcError as error:
                self.fail(f"GetStatus {error.code().name} {error.details()}")

    def home(self, number):
        """The one replica that knows what the watch is of: None when all do."""
        return None if self.options.shared else number

    @staticmethod
    def route(replica):
        """What the balancer goes by."""
        return [] if replica is None else [("fetchd-replica", str(replica))]

    def events(self, replica, token):
        begin = self.method(self.channel(), "WatchJobs", self.fetch.WatchJobsResponse, kind="unary_stream")
        request = self.fetch.WatchJobsRequest(resume_token=token, no_progress=True)
        return begin(request, metadata=self.route(replica), timeout=600)  # As long as the test may take.

    def is_last(self, number, event):
        return event.name == self.last_names.get(number) and event.state_change.state == self.job.Job.SUCCEEDED

    def watch(self, number):
        seen = self.watches[number]
        while not self.last[number].is_set():
            try:
                for event in self.events(self.home(number), seen["token"]):
                    seen["events"].append([event.name, event.state_change.state])
                    seen["token"] = event.resume_token
                    seen["first"] = seen["first"] or event.resume_token
                    if self.is_last(number, event):
                        self.last[number].set()
                        return
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    self.fail(f"WatchJobs {error.code().name} {error.details()}")
                seen["resumed"] += 1
                self.settled.wait(0.2)

    def replay(self, number, replica):
        """What the replica says of everything since the first event that the watch saw."""
        result = []
        for event in self.events(replica, self.watches[number]["first"]):
            result.append([event.name, event.state_change.state])
            if self.is_last(number, event):
                return result
        return result

    def end(self, number):
        create = self.method(self.channel(), "CreateJob", self.job.Job)
        request = self.fetch.CreateJobRequest()
        request.job.spec.urls.append(self.options.last_url)
        request.job.destination = "discard:"
        request.job.not_before.FromSeconds(int(time.time()) + 1)  # So that its name is known before its end is seen.
        self.last_names[number] = create(request, metadata=self.route(self.home(number)), timeout=20).name
        if not self.last[number].wait(30):
            self.fail(f"watch {number} does not see the last job")
        asked = self.watches if self.options.shared else [number]
        return [self.replay(number, replica) for replica in asked]

    def run(self):
        callers = [threading.Thread(target=target, daemon=True) for target in (self.submit, self.ask)]
        watchers = [threading.Thread(target=self.watch, args=(number,), daemon=True) for number in self.watches]
        for thread in watchers + callers:
            thread.start()
        print("begun", flush=True)
        sys.stdin.readline()
        self.settled.set()
        for thread in callers:
            thread.join()
        print("settled", flush=True)
        sys.stdin.readline()
        replayed = {number: self.end(number) for number in self.watches}
        print(json.dumps({"accepted": self.accepted, "submitted": self.submitted, "asked": self.asked, "failures": self.failures,
                          "watches": self.watches, "replayed": replayed}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--last-url", required=True)
    parser.add_argument("--replicas", type=int, required=True)
    parser.add_argument("--proto", type=pathlib.Path, required=True)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--destination", default="file:")
    parser.add_argument("--pause", type=float, default=0.04, help="seconds between calls")
    for name in ("ca", "certificate", "key"):
        parser.add_argument(f"--{name}", type=pathlib.Path)
    parser.add_argument("--server-name")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Load(options, generate(options.proto, folder)).run()


if __name__ == "__main__":
    main()
