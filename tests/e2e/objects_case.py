"""What tests of bodies in a real store of objects share."""
import hashlib
import pathlib
import shutil
import tempfile

import harness
from body_origin import Origin
from object_gateway import ACCESS_KEY, SECRET_KEY, ObjectGateway

BUCKET = "bodies"


class ObjectsCase(harness.TestCase):
    """One gateway for all tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="fetchd-e2e-store-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.gateway = ObjectGateway(cls.shared / "ceph")
        cls.addClassCleanup(cls.gateway.stop)
        cls.gateway.make_bucket(BUCKET)
        cls.secret = cls.shared / "secret"
        cls.secret.write_text(SECRET_KEY + "\n")
        cls.wrong_secret = cls.shared / "wrong"
        cls.wrong_secret.write_text("not" + SECRET_KEY + "\n")

    def start_origin(self, body, **options):
        origin = Origin(body, **options)
        self.addCleanup(origin.stop)
        return origin

    def start_with_store(self, origin, *more, secret=None, connections=1):
        """Callers reach the origin and nothing else on loopback. A body is read over so many connections at most."""
        lab = {"endpoint": self.gateway.endpoint, "path_style": "true", "credentials": "static", "access_key_id": ACCESS_KEY,
               "secret_access_key_file": secret or self.secret, "part_bytes": "5MiB"}
        return self.start_server(f'egress.allow=["127.0.0.1/32:{origin.port}"]', f"segments.max_connections={connections}",
                                 *(f"stores.lab.{key}={value}" for key, value in lab.items()), *more, allow_loopback=False)

    def key(self, name="object"):
        return f"{self.id().rpartition('.')[2]}/{name}"

    def submit(self, server, url, destination, *options):
        return server.submit(url, options=("--to", destination, *options))[0]

    def assert_succeeds(self, server, name):
        server.ctl("watch", name, check=False)
        job = server.job(name)
        self.assertEqual(job["state"], "SUCCEEDED", job)
        return job

    def assert_fails(self, server, name, reason, code=1):
        """And the secret is in none of what is said about it."""
        self.assertEqual(server.ctl("watch", name, check=False).returncode, code)
        job = server.job(name)
        self.assertEqual(job["state"], "FAILED", job)
        self.assertIn(reason, job["error"]["message"])
        self.assertNotIn(SECRET_KEY, str(job))
        self.assertNotIn(SECRET_KEY, server.log.read_text(errors="replace"))

    def assert_stored(self, key, body):
        stored = self.gateway.get(BUCKET, key)
        self.assertIsNotNone(stored, f"{key} is not there")
        self.assertEqual(hashlib.sha256(stored).hexdigest(), hashlib.sha256(body).hexdigest())
        self.assertEqual(len(stored), len(body))
        self.assertEqual(self.gateway.uploads(BUCKET), [])

    def wait_until_received(self, server, name, size):
        harness.wait_for(lambda: int(server.job(name).get("progress", {}).get("received_bytes", 0)) > size,
                         f"{size} bytes are here")
