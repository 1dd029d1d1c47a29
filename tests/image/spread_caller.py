#!/usr/bin/python3
"""A caller with one channel for all its life: a ListJobs every 20 ms, round_robin over what its name server says. Prints for each call the
label "replica" of the job that it was told, or the error. Retries as gRPC's retry policy says. For Debian's Python.

spread_caller.py --target dns://SERVER/NAME:PORT --proto DIR --ca FILE --certificate FILE --key FILE
"""
import argparse
import json
import pathlib
import tempfile
import time

import grpc
import load

SERVICE = {"loadBalancingConfig": [{"round_robin": {}}], **load.RETRIES}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--proto", type=pathlib.Path, required=True)
    for name in ("ca", "certificate", "key"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fetch, _, _ = load.generate(options.proto, folder)
    identity = grpc.ssl_channel_credentials(*(path.read_bytes() for path in (options.ca, options.key, options.certificate)))
    channel = grpc.secure_channel(options.target, identity, options=[
        ("grpc.service_config", json.dumps(SERVICE)), ("grpc.enable_retries", 1), ("grpc.service_config_disable_resolution", 1),
        ("grpc.dns_min_time_between_resolutions_ms", 500)])  # 30 s by default: shorter, for a test.
    call = channel.unary_unary("/fetchd.v1.FetchService/ListJobs", request_serializer=lambda message: message.SerializeToString(),
                               response_deserializer=fetch.ListJobsResponse.FromString)
    while True:
        try:
            print(call(fetch.ListJobsRequest(), timeout=10).jobs[0].labels["replica"], flush=True)
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", flush=True)
        time.sleep(0.02)


if __name__ == "__main__":
    main()
