#!/usr/bin/python3
"""Streams a URL through fetchd to a file: bytes come back over the call, and are checked against the server's SHA-256.

  apt-get install python3-grpcio protobuf-compiler python3-protobuf
  python3 docs/examples/fetch_stream.py URL FILE [SERVER]
"""
import base64
import hashlib
import pathlib
import subprocess
import sys
import tempfile

import grpc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
with tempfile.TemporaryDirectory() as generated:
    subprocess.run(
        ["protoc", f"-I{PROTO}", f"--python_out={generated}",
         "fetchd/v1/job.proto", "fetchd/v1/fetch_service.proto", "google/rpc/status.proto"],
        check=True)
    # google/rpc joins the installed google package.
    import google
    google.__path__.append(f"{generated}/google")
    sys.path.insert(0, generated)
    from fetchd.v1 import fetch_service_pb2 as pb


def main(url, path, server="127.0.0.1:7070"):
    with grpc.insecure_channel(server) as channel:
        fetch = channel.unary_stream(
            "/fetchd.v1.FetchService/Fetch",
            request_serializer=pb.FetchRequest.SerializeToString,
            response_deserializer=pb.FetchResponse.FromString)
        request = pb.FetchRequest()
        request.spec.urls.append(url)
        sha256 = hashlib.sha256()
        with open(path, "wb") as out:
            for part in fetch(request, timeout=3600):
                kind = part.WhichOneof("part")
                if kind == "head":
                    print("HTTP", part.head.http_status, part.head.total_bytes, "bytes")
                elif kind == "chunk":
                    out.write(part.chunk.data)
                    sha256.update(part.chunk.data)
                else:
                    if "sha256-" + base64.b64encode(sha256.digest()).decode() not in part.end.digests:
                        sys.exit(f"{path}: the bytes that came are not those that were sent")
                    print(part.end.size_bytes, "bytes", sha256.hexdigest())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
