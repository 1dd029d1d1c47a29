#!/usr/bin/env python3
"""Rules of the house that a grep can hold: who includes what, and what may be written where.

rules.py SOURCE_DIR        exit 1 and one "file:line: message" a violation; --quiet: nothing else
rules.py --self-test       proves on made-up sources that every rule bites
"""
import pathlib
import re
import sys
import tempfile

OURS = ("server", "client_cli", "tests", "bench")
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')
LINE_COMMENT = re.compile(r"//.*$")

# (pattern in code, where it may stand, what to say). A place is a folder, or a file without its ending.
ONLY_IN = [
    (r"\bco_spawn\b", ["server/runtime", "tests/unit/base", "tests/unit/runtime"], "co_spawn: use runtime::TaskGroup"),
    (r"\bdetached\b", ["server/runtime"], "detached work has no owner: use runtime::TaskGroup"),
    (r"\basync_connect\b", ["server/net", "tests/unit/net"], "only server/net connects sockets: the egress policy is asked there"),
    # But for the name that the operator has callers connect to.
    (r"\btcp::resolver\b", ["server/net", "server/rpc/listener"], "only server/net resolves names"),
    (r"(?<![.>:\w])(?:::)?connect\(", ["server/net", "server/rpc", "tests"], "only server/net connects sockets"),
    (r"\bgetaddrinfo\b", ["server/net"], "only server/net resolves names"),
]
INCLUDE_ONLY_IN = [
    (r"grpc(pp|\+\+)?/|.*\.grpc\.pb\.h$", ["server/rpc", "client_cli", "tests", "bench"], "gRPC"),
    (r"google/(protobuf|rpc)/|.*\.pb\.h$", ["server/rpc", "client_cli", "tests", "bench"], "protobuf"),
    (r"sqlite3\.h$", ["server/store", "tests"], "SQLite"),
    (r"libpq|pqxx", ["server/store", "tests"], "PostgreSQL"),
    (r"boost/beast", ["server/admin"], "Beast"),
    (r"boost/asio/ssl", ["server/net", "server/http", "server/admin", "tests"], "TLS stream"),
    (r"openssl/", ["server/net", "server/base/digest_state", "server/base/hash", "server/base/ids", "server/base/secret",
                                  "server/base/crc32c", "server/store/sealer", "tests"], "OpenSSL"),
    (r"ares\.h$", ["server/net"], "c-ares"),
    (r"prometheus/", ["server/telemetry/metrics"], "prometheus-cpp"),
    (r"(zlib|zstd|zstd_errors)\.h$|brotli/", ["server/http", "tests"], "compression"),
    (r"CLI/", ["client_cli", "server/app", "bench"], "CLI11"),
    (r"yaml-cpp", ["server/app", "client_cli"], "yaml-cpp"),
    (r"expat", ["client_cli", "server/objstore"], "Expat"),
    (r"ncurses\.h$", ["client_cli/top_screen"], "ncurses"),
]
NO_SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.:])sleep\(")


def allowed(path, places):
    return any(path == p or path.startswith(p + "/") or path.rsplit(".", 1)[0] == p for p in places)


def layer_table(root):
    table = {}
    for line in (root / "cmake/FetchdLibrary.cmake").read_text().splitlines():
        match = re.match(r'set\(FETCHD_MAY_(\w+) (.*)\)', line)
        if match:
            table[match[1]] = set(match[2].replace('"', "").split())
    return table


def layer_of(path):
    parts = path.split("/")
    if parts[0] == "server" and len(parts) > 2:
        return parts[1]
    return "cli" if parts[0] == "client_cli" else None


def check_include(path, target, table):
    if target.startswith("../") or "/../" in target or target.startswith("./"):
        yield f'"{target}": include from the root of the layer, not relatively'
    first = target.split("/")[0]
    layer = layer_of(path)
    if layer and "/" in target and first in table and first not in table[layer] | {layer}:
        yield f'"{target}": {layer} may not include {first} (docs/architecture.md, "Layers")'
    if layer and first in ("support", "tests", "unit"):
        yield f'"{target}": what is shipped may not include test code'
    for pattern, places, library in INCLUDE_ONLY_IN:
        if re.match(pattern, target) and not allowed(path, places):
            yield f"<{target}>: {library} headers stay in {', '.join(places)}"


def check_file(path, text, table):
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            for message in check_include(path, include[1], table):
                yield number, message
            continue
        code = LINE_COMMENT.sub("", line)
        for pattern, places, message in ONLY_IN:
            if re.search(pattern, code) and not allowed(path, places):
                yield number, message
        if path.startswith("tests/") and NO_SLEEP.search(code):
            yield number, "tests do not sleep: wait for what you wait for, or move a ManualClock"
        if re.search(r"\bTODO\b(?!\(#\d+\))", line):
            yield number, "a TODO names its issue and the condition for its removal: TODO(#12): ..."
    if path.endswith(".h") and "#pragma once" not in text:
        yield 1, "a header begins with #pragma once"


def check_tree(root):
    table = layer_table(root)
    if not table:
        return ["cmake/FetchdLibrary.cmake: no FETCHD_MAY_* table found"]
    violations = []
    for folder in OURS:
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in (".h", ".cc", ".c"):
                path = file.relative_to(root).as_posix()
                violations += [f"{path}:{number}: {message}"
                               for number, message in check_file(path, file.read_text(), table)]
    return violations


SELF_TEST = [
    ("server/http/a.cc", '#include "jobs/job.h"', "may not include jobs"),
    ("server/http/a.cc", '#include "../net/tls.h"', "not relatively"),
    ("server/egress/a.cc", '#include "net/tls.h"', "may not include net"),
    ("server/rpc/a.cc", "#include <http/client.h>", "may not include http"),
    ("server/fetch/a.cc", '#include "fetchd/v1/job.pb.h"', "protobuf"),
    ("server/fetch/a.cc", "#include <grpcpp/grpcpp.h>", "gRPC"),
    ("server/jobs/a.cc", "#include <sqlite3.h>", "SQLite"),
    ("server/http/a.cc", "#include <openssl/ssl.h>", "OpenSSL"),
    ("server/http/a.cc", "asio::co_spawn(executor, Run(), asio::detached);", "TaskGroup"),
    ("server/sink/a.cc", "co_await socket.async_connect(peer);", "connects sockets"),
    ("server/http/a.cc", "tcp::resolver resolver(executor);", "resolves names"),
    ("server/app/a.cc", '#include "support/origin.h"', "test code"),
    ("client_cli/a.cc", '#include "jobs/job.h"', "may not include jobs"),
    ("tests/unit/a.cc", "std::this_thread::sleep_for(1s);", "do not sleep"),
    ("server/http/a.h", "int x;", "#pragma once"),
    ("server/http/a.cc", "// TO" + "DO: later", "names its issue"),
]
SELF_TEST_CLEAN = [
    ("server/http/a.cc", '#include "net/tls.h"\n#include "http/client.h"\n// co_spawn is elsewhere\n'),
    ("server/runtime/a.cc", "asio::co_spawn(executor, Run(), token);"),
    ("server/store/a.cc", "#include <sqlite3.h>"),
]


def self_test():
    table_text = (pathlib.Path(__file__).parents[2] / "cmake/FetchdLibrary.cmake").read_text()
    failures = []
    for path, text, expected in SELF_TEST + [(p, t, None) for p, t in SELF_TEST_CLEAN]:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, content in ((path, text), ("cmake/FetchdLibrary.cmake", table_text)):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content)
            found = check_tree(root)
            if (expected is None) != (not found) or (expected and expected not in " ".join(found)):
                failures.append(f"{path}: {text!r}: expected {expected}, found {found}")
    return failures


if __name__ == "__main__":
    problems = self_test() if sys.argv[1] == "--self-test" else check_tree(pathlib.Path(sys.argv[1]))
    if problems or "--quiet" not in sys.argv:
        print("\n".join(problems) or "no violation")
    sys.exit(bool(problems))
