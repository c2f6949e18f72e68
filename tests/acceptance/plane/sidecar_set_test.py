#!/usr/bin/env python3
"""SidecarSet over REST: injection, upgrades in place, removal, refusals (spec controllers 7.6)."""

import unittest

from plane import PlaneTest, condition_of, eventually, is_ready, restarts_of
from shapes import inplace_set, pod, sidecar_set

KEEP_OLD = "kruise.io/sidecarset-hash"


class SidecarSetTest(PlaneTest):

    def setUp(self):
        super().setUp()
        self.name = self.ns[-40:].strip("-")  # sets are cluster-scoped
        self.labels = {"app": "web", "test": self.name}

    def create_set(self, **more):
        self.addCleanup(self.remove_set)
        return self.create("sidecarsets", sidecar_set(self.name, self.labels, namespaceSelector={
            "matchLabels": {"kubernetes.io/metadata.name": self.ns}}, **more))

    def remove_set(self):
        if self.find("sidecarsets", self.name):
            self.delete("sidecarsets", self.name)

    def create_pods(self, replicas, **more):
        document = inplace_set(replicas=replicas, **more)
        document["spec"]["template"]["metadata"]["labels"].update(self.labels)
        self.create("inplacesets", document)
        return self.await_ready(replicas)

    def sidecar_image(self, name="web-0", container="sidecar"):
        return next((c["image"] for c in self.pods()[name]["spec"]["containers"] if c["name"] == container), None)

    def set_sidecar(self, image):
        return self.patch("sidecarsets", self.name, {"spec": {"containers": [{"name": "sidecar", "image": image}]}})

    def status(self):
        return self.get("sidecarsets", self.name).get("status", {})

    def await_status(self, **wanted):
        eventually(lambda: all(self.status().get(field, 0) == value for field, value in wanted.items()), lambda: (wanted, self.status()))

    def test_pod_that_no_set_matches_is_untouched(self):  # E1
        self.create_set()
        self.create("pods", pod("other"))
        self.assertEqual([c["name"] for c in self.get("pods", "other")["spec"]["containers"]], ["app"])
        self.assertNotIn("kruise.io/sidecarset-hash", self.get("pods", "other")["metadata"].get("annotations", {}))

    def test_matching_pod_gets_the_sidecar_with_env_and_annotations(self):  # E2
        self.create_set()
        document = pod("mine")
        document["metadata"]["labels"] = self.labels
        created = self.create("pods", document)
        sidecar = next(c for c in created["spec"]["containers"] if c["name"] == "sidecar")
        self.assertEqual(created["spec"]["containers"][0]["name"], "sidecar")  # BeforeAppContainer is the default
        self.assertIn({"name": "IS_INJECTED", "value": "true"}, sidecar["env"])
        annotations = created["metadata"]["annotations"]
        self.assertIn(self.name, annotations["kruise.io/sidecarset-hash"])
        self.assertIn(self.name, annotations["kruise.io/sidecarset-injected-list"].split(","))

    def test_injection_can_be_paused(self):  # E5
        self.create_set(injectionStrategy={"paused": True})
        document = pod("mine")
        document["metadata"]["labels"] = self.labels
        self.assertEqual([c["name"] for c in self.create("pods", document)["spec"]["containers"]], ["app"])

    def test_pods_older_than_the_set_are_left_alone(self):
        self.create_pods(1)
        self.create_set()
        self.await_status(observedGeneration=1)
        self.assertIsNone(self.sidecar_image())
        self.assertEqual(self.status().get("matchedPods", 0), 0)

    def test_new_image_reaches_running_pods_in_place(self):  # E9
        self.create_set(updateStrategy={"type": "RollingUpdate", "maxUnavailable": 1})
        before = self.create_pods(2)
        self.await_status(matchedPods=2, updatedPods=2, readyPods=2)
        generation = self.set_sidecar("sidecar:v2")["metadata"]["generation"]
        # The generation too: before the change the counts were the same.
        self.await_status(observedGeneration=generation, matchedPods=2, updatedPods=2, readyPods=2, updatedReadyPods=2)
        for name, old in before.items():
            now = self.get("pods", name)
            self.assertEqual(now["metadata"]["uid"], old["metadata"]["uid"])
            self.assertEqual(self.sidecar_image(name), "sidecar:v2")
            restarts = {c["name"]: c["restartCount"] for c in now["status"]["containerStatuses"]}
            self.assertEqual(restarts, {"app": 0, "sidecar": 1})

    def test_broken_image_touches_no_more_pods_than_may_be_unavailable(self):  # E10
        self.create_set(updateStrategy={"type": "RollingUpdate", "maxUnavailable": 1})
        self.create_pods(2)
        self.await_status(matchedPods=2, readyPods=2)
        self.set_sidecar("sidecar:does-not-exist")
        self.await_status(matchedPods=2, updatedPods=1, readyPods=1)
        self.assertEqual(self.status().get("updatedReadyPods", 0), 0)

    def test_change_of_more_than_images_is_reported_and_not_applied(self):  # E11
        self.create_set()
        self.create_pods(1)
        self.await_status(matchedPods=1, updatedPods=1)
        self.patch("sidecarsets", self.name, {"spec": {"containers": [{"name": "sidecar", "image": "sidecar:v1", "command": ["other"]}]}})
        eventually(lambda: condition_of(self.pods()["web-0"], "SidecarSetUpgradable") == "False", lambda: self.pods()["web-0"]["status"])
        self.assertEqual(self.status().get("updatedPods", 0), 0)
        self.assertEqual(restarts_of(self.pods()["web-0"]), 0)

    def test_partition_keeps_pods_old_and_pause_stops(self):  # E12
        self.create_set(updateStrategy={"type": "RollingUpdate", "partition": "50%", "maxUnavailable": "100%"})
        self.create_pods(4)
        self.await_status(matchedPods=4, readyPods=4)
        self.set_sidecar("sidecar:v2")
        self.await_status(updatedPods=2, updatedReadyPods=2)
        self.patch("sidecarsets", self.name, {"spec": {"updateStrategy": {"paused": True, "partition": 0}}})
        generation = self.get("sidecarsets", self.name)["metadata"]["generation"]
        self.await_status(observedGeneration=generation, updatedPods=2)
        self.patch("sidecarsets", self.name, {"spec": {"updateStrategy": {"paused": False}}})
        self.await_status(updatedPods=4, updatedReadyPods=4)

    def test_not_update_only_injects(self):  # E12
        self.create_set(updateStrategy={"type": "NotUpdate"})
        self.create_pods(1)
        self.await_status(matchedPods=1)
        self.set_sidecar("sidecar:v2")
        self.await_status(matchedPods=1, updatedPods=0)
        self.assertEqual(self.sidecar_image(), "sidecar:v1")

    def test_deleting_the_set_removes_its_sidecars_when_it_says_so(self):  # E20
        self.create_set(deletePolicy="Remove")
        before = self.create_pods(3)
        self.await_status(matchedPods=3, readyPods=3)
        self.delete("sidecarsets", self.name)
        eventually(lambda: all(self.sidecar_image(name) is None for name in before), lambda: [self.sidecar_image(n) for n in before])
        eventually(lambda: self.find("sidecarsets", self.name) is None, "the set is gone")
        for name, old in before.items():
            now = eventually(lambda: (p := self.get("pods", name)) and len(p["status"]["containerStatuses"]) == 1 and is_ready(p) and p, name)
            self.assertEqual(now["metadata"]["uid"], old["metadata"]["uid"])
            self.assertEqual(restarts_of(now), 0)

    def test_deleting_the_set_keeps_its_sidecars_by_default(self):  # E20
        self.create_set()
        self.create_pods(1)
        self.delete("sidecarsets", self.name)
        eventually(lambda: self.find("sidecarsets", self.name) is None, "the set is gone")
        self.assertEqual(self.sidecar_image(), "sidecar:v1")

    def test_set_without_selector_or_container_is_refused(self):  # E21
        refused = self.refused(422, "POST", self.path("sidecarsets"), {
            "apiVersion": "apps.kruise.io/v1beta1", "kind": "SidecarSet", "metadata": {"name": self.name}, "spec": {}})
        self.assertTrue({"spec.selector", "spec.containers"} & {cause["field"] for cause in refused.causes}, refused.status)

    def test_broadcast_job_pod_with_a_sidecar_completes(self):  # F12
        self.create_set(env=[{"name": "KRUISE_TERMINATE_SIDECAR_WHEN_JOB_EXIT", "value": "true"}])
        document = pod("job-like", annotations={"hollow.socle.dev/run-duration": "200ms"}, restartPolicy="Never")
        document["metadata"]["labels"] = self.labels
        self.create("pods", document)
        eventually(lambda: self.get("pods", "job-like")["status"].get("phase") == "Succeeded", lambda: self.get("pods", "job-like")["status"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
