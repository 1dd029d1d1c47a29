"""OpenStack Swift for tests: proxy, account, container and object server in one process.

usage: swift_server.py FOLDER PROXY_PORT ACCOUNT_PORT CONTAINER_PORT OBJECT_PORT ACCOUNT:USER SECRET

Listens on 127.0.0.1, the proxy last. ACCOUNT:USER is the access key of its S3 protocol.
"""

import sys
import time

import eventlet

eventlet.monkey_patch()

from pathlib import Path

import eventlet.wsgi
from swift.common import utils, wsgi

SERVERS = ("account", "container", "object")
FILTERS = ("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "copy", "slo", "dlo", "symlink")


class Cache(dict):
    """Stands in for memcached: Swift keeps tokens and what it knows of accounts there."""

    def __bool__(self):
        return True

    def get(self, key, *_, **__):
        value, expires_at = dict.get(self, key, (None, 0))
        if expires_at and expires_at < time.time():
            self.pop(key)
            return None
        return value

    def set(self, key, value, serialize=True, time=0, *_, **__):
        self[key] = (value, _now() + time if time else 0)

    def incr(self, key, delta=1, time=0, *_, **__):
        value = int(self.get(key) or 0) + delta
        self.set(key, value, time=time)
        return value

    def decr(self, key, delta=1, time=0, *_, **__):
        return self.incr(key, -delta, time)

    def delete(self, key, *_, **__):
        self.pop(key, None)

    def get_multi(self, keys, *_, **__):
        return [self.get(key) for key in keys]

    def set_multi(self, mapping, server_key, serialize=True, time=0, *_, **__):
        for key, value in mapping.items():
            self.set(key, value, time=time)


def _now():
    return time.time()


class NoLog:
    """What eventlet wants of a log."""

    def write(self, *_):
        pass

    def flush(self):
        pass

    def info(self, *_):
        pass

    debug = warning = error = exception = info


def write_settings(folder, ports, access_key, secret):
    from swift.common.ring import RingBuilder

    etc = folder / "etc"
    for name, port in zip(SERVERS, ports[1:]):
        builder = RingBuilder(2, 1, 0)
        builder.add_dev({
            "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1.0,
            "replication_ip": "127.0.0.1", "replication_port": port, "meta": "",
        })
        builder.rebalance()
        builder.get_ring().save(str(etc / f"{name}.ring.gz"))
        (etc / f"{name}.conf").write_text(
            f"[DEFAULT]\nswift_dir={etc}\ndevices={folder}/node\nmount_check=false\nlog_level=WARNING\n"
            f"log_address={folder}/nolog\ndisable_fallocate=true\nfallocate_reserve=0\n"
            f"[pipeline:main]\npipeline={name}-server\n[app:{name}-server]\nuse=egg:swift#{name}\n")
    account, user = access_key.split(":")
    text = (
        f"[DEFAULT]\nswift_dir={etc}\nlog_level=WARNING\nlog_address={folder}/nolog\n"
        "[pipeline:main]\npipeline=catch_errors gatekeeper healthcheck listing_formats s3api tempauth bulk copy slo dlo"
        " versioned_writes symlink proxy-server\n"
        "[app:proxy-server]\nuse=egg:swift#proxy\nallow_account_management=true\naccount_autocreate=true\n")
    text += "".join(f"[filter:{name}]\nuse=egg:swift#{name}\n" for name in FILTERS)
    text += (
        "[filter:versioned_writes]\nuse=egg:swift#versioned_writes\nallow_object_versioning=true\n"
        f"[filter:tempauth]\nuse=egg:swift#tempauth\nuser_{account}_{user}={secret} .admin\n"
        "[filter:s3api]\nuse=egg:swift#s3api\nlocation=us-east-1\ns3_acl=false\nmin_segment_size=5242880\n")
    (etc / "proxy.conf").write_text(text)


def main():
    folder = Path(sys.argv[1]).resolve()
    ports = [int(text) for text in sys.argv[2:6]]
    access_key, secret = sys.argv[6:8]
    for name in ("etc", "node/d1"):
        (folder / name).mkdir(parents=True)
    (folder / "etc" / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_prefix = prefix\nswift_hash_path_suffix = suffix\n"
        "[storage-policy:0]\nname = default\ndefault = yes\n")
    utils.set_swift_dir(str(folder / "etc"))
    write_settings(folder, ports, access_key, secret)

    cache = Cache()

    def with_cache(app):
        def call(environ, start_response):
            environ["swift.cache"] = cache
            return app(environ, start_response)
        return call

    pool = eventlet.GreenPool(2000)
    servers = [*zip(SERVERS, ports[1:]), ("proxy", ports[0])]
    for name, port in servers:
        app = wsgi.loadapp(str(folder / "etc" / f"{name}.conf"), global_conf={"log_name": name})
        if name == "proxy":
            app = with_cache(app)
        listener = eventlet.listen(("127.0.0.1", port), backlog=1024)
        eventlet.spawn(eventlet.wsgi.server, listener, app, custom_pool=pool, protocol=wsgi.SwiftHttpProtocol,
                       log=NoLog(), log_output=False, debug=False)
    while True:
        eventlet.sleep(3600)


main()
