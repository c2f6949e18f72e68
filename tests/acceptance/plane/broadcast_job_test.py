#!/usr/bin/env python3
"""BroadcastJob over REST (spec controllers 7.7)."""

import unittest

from plane import MERGE, PlaneTest, eventually, summary
from shapes import broadcast_job


class BroadcastJobTest(PlaneTest):

    NODES = 6

    def setUp(self):
        super().setUp()
        # Each test has nodes of its own kind, so that none sees the cordons of another.
        self.nodes = [node["metadata"]["name"] for node in self.plane.call("GET", "/api/v1/nodes")["items"]]

    def status(self, name="sweep"):
        return self.get("broadcastjobs", name).get("status", {})

    def await_phase(self, phase, name="sweep"):
        eventually(lambda: self.status(name).get("phase") == phase, lambda: (phase, self.status(name), summary(self.pods())))
        return self.status(name)

    def node(self, index, body):
        return self.plane.call("PATCH", f"/api/v1/nodes/{self.nodes[index]}", body, content_type=MERGE)

    def test_every_node_runs_exactly_one_pod(self):  # F4
        watch = self.plane.watch(self.path("pods"))
        self.create("broadcastjobs", broadcast_job())
        status = self.await_phase("completed")
        watch.close()
        self.assertEqual((status["desired"], status["succeeded"], status.get("failed", 0), status.get("active", 0)), (6, 6, 0, 0))
        added = [e["object"] for e in watch.events if e["type"] == "ADDED"]
        self.assertEqual(len(added), 6)
        self.assertEqual(sorted(pod["spec"]["nodeName"] for pod in self.pods().values()), sorted(self.nodes))
        self.assertTrue(any(c["type"] == "Complete" and c["status"] == "True" for c in status["conditions"]))
        self.await_event("sweep", "JobComplete")

    def test_parallelism_bounds_active_pods(self):  # F1
        watch = self.plane.watch(self.path("pods"))
        self.create("broadcastjobs", broadcast_job(parallelism=2))
        self.await_phase("completed")
        watch.close()
        self.assertLessEqual(self.most_active(watch.events), 2)

    def test_parallelism_may_be_a_share_of_the_nodes(self):  # F2
        watch = self.plane.watch(self.path("pods"))
        self.create("broadcastjobs", broadcast_job(parallelism="50%"))
        self.await_phase("completed")
        watch.close()
        self.assertLessEqual(self.most_active(watch.events), 3)

    @staticmethod
    def most_active(events):
        active, most = set(), 0
        for event in events:
            name = event["object"]["metadata"]["name"]
            if event["object"]["status"].get("phase") in ("Succeeded", "Failed") or event["type"] == "DELETED":
                active.discard(name)
            else:
                active.add(name)
            most = max(most, len(active))
        return most

    def test_cordoned_node_is_left_out(self):  # F3
        self.node(0, {"spec": {"unschedulable": True}})
        self.addCleanup(lambda: self.node(0, {"spec": {"unschedulable": None}}))
        self.create("broadcastjobs", broadcast_job())
        self.assertEqual(self.await_phase("completed")["desired"], 5)
        self.assertNotIn(self.nodes[0], {pod["spec"]["nodeName"] for pod in self.pods().values()})

    def test_node_selector_chooses_the_nodes(self):
        self.node(1, {"metadata": {"labels": {"sweep": self.ns[-6:]}}})
        self.create("broadcastjobs", broadcast_job(node_selector={"sweep": self.ns[-6:]}))
        self.assertEqual(self.await_phase("completed")["desired"], 1)

    def test_fail_fast_fails_the_job(self):  # F5
        self.create("broadcastjobs", broadcast_job(annotations={"hollow.socle.dev/exit-code": "1"}, failurePolicy={"type": "FailFast"}))
        status = self.await_phase("failed")
        self.assertTrue(any(c["type"] == "Failed" and c["status"] == "True" for c in status["conditions"]), status)

    def test_continue_completes_in_spite_of_failures(self):  # F5
        self.create("broadcastjobs", broadcast_job(annotations={"hollow.socle.dev/exit-code": "1"}, failurePolicy={"type": "Continue"}))
        self.assertEqual(self.await_phase("completed")["failed"], 6)

    def test_pause_on_failure_pauses_the_job(self):  # F5
        self.create("broadcastjobs", broadcast_job(annotations={"hollow.socle.dev/exit-code": "1"}, parallelism=1, failurePolicy={"type": "Pause"}))
        self.await_phase("paused")
        self.assertTrue(self.get("broadcastjobs", "sweep")["spec"]["paused"])

    def test_paused_job_goes_on_when_it_may(self):  # F6
        self.create("broadcastjobs", broadcast_job(paused=True))
        self.await_phase("paused")
        self.assertEqual(self.pods(), {})
        self.patch("broadcastjobs", "sweep", {"spec": {"paused": False}})
        self.await_phase("completed")

    def test_deadline_fails_the_job(self):  # F7
        self.create("broadcastjobs", broadcast_job(duration="1h", completionPolicy={"type": "Always", "activeDeadlineSeconds": 2}))
        status = self.await_phase("failed")
        self.assertIn("DeadlineExceeded", [c.get("reason") for c in status["conditions"]])
        eventually(lambda: not [p for p in self.pods().values() if p["status"].get("phase") == "Running"], lambda: summary(self.pods()))

    def test_finished_job_goes_after_its_time_to_live(self):  # F8
        self.create("broadcastjobs", broadcast_job(completionPolicy={"type": "Always", "ttlSecondsAfterFinished": 1}))
        eventually(lambda: self.find("broadcastjobs", "sweep") is None and not self.pods(), lambda: summary(self.pods()))

    def test_too_many_restarts_fail_the_pod(self):  # F10
        self.create("broadcastjobs", broadcast_job(restart="OnFailure", annotations={"hollow.socle.dev/exit-code": "1", "hollow.socle.dev/restart-backoff": "100ms"},
                                                   parallelism=1, failurePolicy={"type": "FailFast", "restartLimit": 1}))
        self.await_phase("failed")

    def test_job_with_restart_policy_always_is_refused(self):  # F11
        refused = self.refused(422, "POST", self.path("broadcastjobs"), broadcast_job(restart="Always"))
        self.assertIn("spec.template.spec.restartPolicy", [cause["field"] for cause in refused.causes])

    def test_both_versions_are_accepted(self):  # F11
        document = broadcast_job()
        document["apiVersion"] = "apps.kruise.io/v1alpha1"
        path = self.path("broadcastjobs").replace("/v1beta1/", "/v1alpha1/")
        self.assertEqual(self.plane.call("POST", path, document)["apiVersion"], "apps.kruise.io/v1alpha1")
        self.assertEqual(self.get("broadcastjobs", "sweep")["apiVersion"], "apps.kruise.io/v1beta1")

    def test_job_without_nodes_keeps_running(self):  # F13
        self.create("broadcastjobs", broadcast_job(node_selector={"no": "such-node"}))
        self.await_phase("running")
        self.assertEqual(self.status().get("desired", 0), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
