#!/usr/bin/env python3
"""k8s/overlays/fleet held against fetchd: what its configuration says is what fetchd reads."""
import sys

import kustomize
from test_manifests import Case, harness


def setUpModule():
    if reason := kustomize.why_not():
        print(f"SKIPPED, k8s/overlays/fleet IS NOT HELD AGAINST fetchd: {reason}", flush=True)
        sys.exit(77)


class FleetTest(Case):
    def test_the_configuration_is_one_that_fetchd_takes(self):
        self.check_configuration("fleet")

    def test_fetchd_reads_what_the_file_says(self):
        effective, said = self.effective("fleet"), self.said("fleet")
        for key in ("shutdown.grace", "limits.buffer_bytes", "limits.decode_bytes", "grpc.call_memory", "grpc.listen", "admin.listen"):
            self.assertEqual(effective[key], said[key], key)


if __name__ == "__main__":
    harness.main()
