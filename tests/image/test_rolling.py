#!/usr/bin/env python3
"""Three replicas behind a balancer are replaced one after the other while callers go on: a simulation of a rolling update with real
containers. Each replica has a store of its own, which it finds again: that is a fleet of `standalone`s."""
import callers
import lab
from lab import harness


class RollingTest(callers.RollingCase):
    def setUp(self):
        super().setUp()
        self.set_up_origin()
        self.start_replicas(lambda number: lab.Container(self, f"replica{number}", 20 + number, "shutdown.grace=1s", "limits.per_host=64"))

    def has_bytes(self, identity):
        return any((path := replica.data / "files" / identity).exists() and path.read_bytes() == self.body for replica in self.replicas)

    def test_an_update_loses_no_job_fails_no_call_and_leaves_watches_whole(self):
        load = self.start_callers()
        self.replace_all()
        self.await_success(load)
        met = load.report()

        callers.assert_nothing_failed(self, met)
        self.assertEqual([identity for identity in met["accepted"] if not self.has_bytes(identity)], [])
        callers.assert_watches_are_whole(self, met)

    def test_callers_notice_when_all_replicas_are_gone_and_no_job_is_lost(self):
        """The test above could fail."""
        load = self.start_callers()
        harness.wait_for(lambda: self.transfers(self.replicas[0]) > 3, "it is at work")
        for replica in self.replicas:
            self.podman("kill", "--signal", "KILL", replica.name)
        harness.wait_for(lambda: "CreateJob UNAVAILABLE" in load.log_text() and "GetStatus UNAVAILABLE" in load.log_text(),
                         "calls fail")
        for replica in self.replicas:
            replica.start()
        self.await_success(load)
        met = load.report()

        self.assertEqual([identity for identity in met["accepted"] if not self.has_bytes(identity)], [])


if __name__ == "__main__":
    lab.main()
