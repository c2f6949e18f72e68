#!/usr/bin/env python3
"""InplaceSet over REST: scale, order, identity, claims, rollouts, in-place updates, hooks (spec controllers 7.1 - 7.5)."""

import unittest

from plane import PlaneTest, condition_of, eventually, image_of, is_ready, restarts_of, summary
from shapes import inplace_set, set_image

HOLD = {"hollow.socle.dev/hold-not-ready": "true"}


class InplaceSetTest(PlaneTest):

    def status(self, name="web"):
        return self.get("inplacesets", name).get("status", {})

    def await_status(self, name="web", **wanted):
        def reached():
            status = self.status(name)
            return all(status.get(field, 0) == value for field, value in wanted.items())
        eventually(reached, lambda: f"{wanted}: {self.status(name)} {summary(self.pods())}")

    def await_images(self, image, count):
        def reached():
            pods = self.pods().values()
            return len(pods) == count and all(image_of(pod) == image and is_ready(pod) for pod in pods)
        eventually(reached, lambda: f"{count} pods with {image}: {summary(self.pods())} {self.status()}")

    # ------------------------------------------------------------------ 7.1 scale, order, identity

    def test_ordered_pods_come_one_after_the_other_with_identity(self):  # A1
        watch = self.plane.watch(self.path("pods"))
        self.create("inplacesets", inplace_set(management="OrderedReady", claims=["data"]))
        pods = self.await_ready(3)
        watch.close()
        ready_before = {}
        seen_ready = set()
        for event in watch.events:
            name = event["object"]["metadata"]["name"]
            if event["type"] == "ADDED":
                ready_before[name] = set(seen_ready)
            if is_ready(event["object"]):
                seen_ready.add(name)
        self.assertEqual(ready_before, {"web-0": set(), "web-1": {"web-0"}, "web-2": {"web-0", "web-1"}})
        for name, pod in pods.items():
            self.assertEqual(pod["spec"]["hostname"], name)
            self.assertEqual(pod["spec"]["subdomain"], "web")
            self.assertEqual(pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"], name)
            self.assertIn("controller-revision-hash", pod["metadata"]["labels"])
            volumes = {volume["name"]: volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["spec"]["volumes"]}
            self.assertEqual(volumes["data"], f"data-{name}")
            self.get("persistentvolumeclaims", f"data-{name}")

    def test_ordered_set_waits_for_a_pod_that_is_not_ready(self):  # A2
        self.create("inplacesets", inplace_set(management="OrderedReady", annotations=HOLD))
        eventually(lambda: self.pods().get("web-0", {}).get("status", {}).get("phase") == "Running", "web-0 runs")
        self.assertEqual(set(self.pods()), {"web-0"})

    def test_parallel_set_creates_all_pods_even_when_none_is_ready(self):  # A3
        self.create("inplacesets", inplace_set(annotations=HOLD))
        eventually(lambda: set(self.pods()) == {"web-0", "web-1", "web-2"}, lambda: summary(self.pods()))

    def test_scaling_adds_ascending_and_removes_descending(self):  # A4
        self.create("inplacesets", inplace_set(management="OrderedReady"))
        self.await_ready(3)
        self.patch("inplacesets", "web", {"spec": {"replicas": 5}})
        self.await_ready(5)
        watch = self.plane.watch(self.path("pods"))
        self.patch("inplacesets", "web", {"spec": {"replicas": 2}})
        self.await_ready(2)
        watch.close()
        deleted = [event["object"]["metadata"]["name"] for event in watch.events if event["type"] == "DELETED"]
        self.assertEqual(deleted, ["web-4", "web-3", "web-2"])

    def test_deleted_pod_comes_back_with_its_name_and_claim(self):  # A6
        self.create("inplacesets", inplace_set(claims=["data"]))
        before = self.await_ready(3)
        claim = self.get("persistentvolumeclaims", "data-web-1")["metadata"]["uid"]
        self.delete("pods", "web-1")
        eventually(lambda: self.pods().get("web-1", before["web-1"])["metadata"]["uid"] != before["web-1"]["metadata"]["uid"],
                   "web-1 has a new uid")
        self.await_ready(3)
        self.assertEqual(self.get("persistentvolumeclaims", "data-web-1")["metadata"]["uid"], claim)

    def test_failed_pod_is_replaced(self):  # A7
        self.create("inplacesets", inplace_set(replicas=2))
        before = self.await_ready(2)["web-1"]["metadata"]["uid"]
        self.patch("pods", "web-1", {"status": {"phase": "Failed", "reason": "Evicted"}}, sub="status")
        eventually(lambda: self.pods().get("web-1", {}).get("metadata", {}).get("uid", before) != before, "web-1 is replaced")
        self.await_ready(2)

    def test_orphan_with_matching_labels_and_name_is_adopted(self):  # A9
        self.create("inplacesets", inplace_set(replicas=2))
        pods = self.await_ready(2)
        self.delete("inplacesets", "web", {"propagationPolicy": "Orphan"})
        eventually(lambda: not any(pod["metadata"].get("ownerReferences") for pod in self.pods().values()), "pods are orphans")
        self.create("inplacesets", inplace_set(replicas=2))
        eventually(lambda: all(pod["metadata"].get("ownerReferences") for pod in self.pods().values()), "pods are adopted")
        self.assertEqual({n: p["metadata"]["uid"] for n, p in self.pods().items()}, {n: p["metadata"]["uid"] for n, p in pods.items()})

    def test_relabelled_pod_is_released_and_replaced_by_nobody_until_its_name_is_free(self):  # A9
        self.create("inplacesets", inplace_set(replicas=1))
        self.await_ready(1)
        self.patch("pods", "web-0", {"metadata": {"labels": {"app": "other"}}})
        eventually(lambda: not self.pods()["web-0"]["metadata"].get("ownerReferences"), "web-0 is released")

    def test_sets_with_overlapping_selectors_touch_only_pods_of_their_name(self):  # A10
        first, second = inplace_set("one", replicas=2), inplace_set("two", replicas=2)
        for document in (first, second):
            document["spec"]["selector"] = {"matchLabels": {"app": "both"}}
            document["spec"]["template"]["metadata"]["labels"] = {"app": "both"}
            self.create("inplacesets", document)
        self.await_ready(4)
        self.patch("inplacesets", "one", {"spec": {"replicas": 0}})
        eventually(lambda: set(self.pods()) == {"two-0", "two-1"}, lambda: summary(self.pods()))

    def test_identity_label_is_repaired(self):  # A12
        self.create("inplacesets", inplace_set(replicas=1))
        self.await_ready(1)
        label = "statefulset.kubernetes.io/pod-name"
        self.patch("pods", "web-0", {"metadata": {"labels": {label: "wrong"}}})
        eventually(lambda: self.pods()["web-0"]["metadata"]["labels"].get(label) == "web-0", "the label is web-0 again")

    def test_scale_subresource_reads_and_writes_replicas(self):  # A13
        self.create("inplacesets", inplace_set(replicas=1))
        self.await_ready(1)
        path = self.path("inplacesets", "web", "scale")
        scale = eventually(lambda: (s := self.plane.call("GET", path))["status"].get("selector") and s, "the selector is filled")
        self.assertEqual((scale["kind"], scale["spec"]["replicas"], scale["status"]["selector"]), ("Scale", 1, "app=web"))

        # The controller may write the status between the two calls: then the newest is taken again.
        def write():
            newest = self.plane.call("GET", path)
            newest["spec"]["replicas"] = 2
            return self.plane.request("PUT", path, newest)[0] == 200
        eventually(write, "the scale is written")
        self.await_ready(2)
        self.refused(409, "PUT", path, scale)

    def test_scale_strategy_bounds_pods_that_are_not_ready(self):  # A14
        self.create("inplacesets", inplace_set(replicas=5, annotations=HOLD, scaleStrategy={"maxUnavailable": 2}))
        eventually(lambda: len(self.pods()) == 2, lambda: summary(self.pods()))
        eventually(lambda: all(pod["status"].get("phase") == "Running" for pod in self.pods().values()), "both run")
        self.assertEqual(len(self.pods()), 2)

    def test_reserved_ordinals_stay_empty(self):  # A16
        self.create("inplacesets", inplace_set(replicas=3, reserveOrdinals=[1]))
        eventually(lambda: set(self.pods()) == {"web-0", "web-2", "web-3"}, lambda: summary(self.pods()))
        self.patch("inplacesets", "web", {"spec": {"reserveOrdinals": None}})
        eventually(lambda: set(self.pods()) == {"web-0", "web-1", "web-2"}, lambda: summary(self.pods()))

    def test_ordinals_start_where_the_set_says(self):  # A18
        self.create("inplacesets", inplace_set(replicas=3, ordinals={"start": 2}, reserveOrdinals=[4]))
        eventually(lambda: set(self.pods()) == {"web-2", "web-3", "web-5"}, lambda: summary(self.pods()))

    # -------------------------------------------------------------------------------- 7.2 claims

    def test_claims_stay_when_the_set_is_scaled_down_and_deleted(self):  # B1
        self.create("inplacesets", inplace_set(replicas=2, claims=["data"]))
        self.await_ready(2)
        self.patch("inplacesets", "web", {"spec": {"replicas": 0}})
        eventually(lambda: not self.pods(), "no pods")
        self.delete("inplacesets", "web")
        eventually(lambda: self.find("inplacesets", "web") is None, "the set is gone")
        self.assertEqual({claim["metadata"]["name"] for claim in self.list("persistentvolumeclaims")}, {"data-web-0", "data-web-1"})

    def test_claims_go_with_the_set_when_it_says_so(self):  # B2
        self.create("inplacesets", inplace_set(replicas=2, claims=["data"], persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"}))
        self.await_ready(2)
        self.delete("inplacesets", "web")
        eventually(lambda: not self.list("persistentvolumeclaims"), "no claims")

    def test_claims_of_scaled_down_pods_go_when_the_set_says_so(self):  # B3
        self.create("inplacesets", inplace_set(replicas=3, claims=["data"], persistentVolumeClaimRetentionPolicy={"whenScaled": "Delete"}))
        self.await_ready(3)
        self.patch("inplacesets", "web", {"spec": {"replicas": 1}})
        eventually(lambda: [c["metadata"]["name"] for c in self.list("persistentvolumeclaims")] == ["data-web-0"], "one claim is left")

    # ------------------------------------------------------------------------------ 7.3 rollouts

    def test_recreating_rollout_replaces_pods_from_the_highest_ordinal(self):  # C1
        self.create("inplacesets", inplace_set(management="OrderedReady"))
        before = self.await_ready(3)
        watch = self.plane.watch(self.path("pods"))
        self.patch("inplacesets", "web", set_image("app:v2"))
        self.await_images("app:v2", 3)
        watch.close()
        deleted = [event["object"]["metadata"]["name"] for event in watch.events if event["type"] == "DELETED"]
        self.assertEqual(deleted, ["web-2", "web-1", "web-0"])
        self.assertFalse({p["metadata"]["uid"] for p in before.values()} & {p["metadata"]["uid"] for p in self.pods().values()})
        self.await_status(updatedReplicas=3, readyReplicas=3)
        eventually(lambda: self.status()["currentRevision"] == self.status()["updateRevision"], "the update is the current revision")

    def test_on_delete_changes_nothing_until_a_pod_is_deleted(self):  # C2
        self.create("inplacesets", inplace_set(replicas=2, strategy={"type": "OnDelete"}))
        self.await_ready(2)
        self.patch("inplacesets", "web", set_image("app:v2"))
        generation = self.get("inplacesets", "web")["metadata"]["generation"]
        eventually(lambda: self.status().get("observedGeneration") == generation, "the change is observed")
        self.assertEqual({image_of(pod) for pod in self.pods().values()}, {"app:v1"})
        self.delete("pods", "web-1")
        eventually(lambda: "web-1" in self.pods() and image_of(self.pods()["web-1"]) == "app:v2", "web-1 comes back new")
        self.assertEqual(image_of(self.pods()["web-0"]), "app:v1")

    def test_paused_rollout_freezes_while_scaling_goes_on(self):  # C3
        self.create("inplacesets", inplace_set(policy="InPlaceIfPossible", rolling={"paused": True}))
        self.await_ready(3)
        self.patch("inplacesets", "web", set_image("app:v2"))
        self.patch("inplacesets", "web", {"spec": {"replicas": 4}})
        self.await_ready(4)
        self.assertEqual({image_of(self.pods()[f"web-{i}"]) for i in range(3)}, {"app:v1"})
        self.patch("inplacesets", "web", {"spec": {"updateStrategy": {"rollingUpdate": {"paused": False}}}})
        self.await_images("app:v2", 4)

    def test_partition_keeps_that_many_pods_old(self):  # C4
        self.create("inplacesets", inplace_set(replicas=5, policy="InPlaceIfPossible", rolling={"partition": 2, "maxUnavailable": 2}))
        self.await_ready(5)
        self.patch("inplacesets", "web", set_image("app:v2"))
        self.await_status(updatedReplicas=3, readyReplicas=5)
        self.assertEqual([image_of(self.pods()[f"web-{i}"]) for i in range(5)], ["app:v1"] * 2 + ["app:v2"] * 3)
        self.patch("inplacesets", "web", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
        self.await_images("app:v2", 5)

    def test_pod_recreated_below_the_partition_stays_old(self):  # C5
        self.create("inplacesets", inplace_set(replicas=3, rolling={"partition": 2}))
        self.await_ready(3)
        self.patch("inplacesets", "web", set_image("app:v2"))
        self.await_status(updatedReplicas=1, readyReplicas=3)
        uid = self.pods()["web-0"]["metadata"]["uid"]
        self.delete("pods", "web-0")
        eventually(lambda: self.pods().get("web-0", {}).get("metadata", {}).get("uid", uid) != uid, "web-0 comes back")
        self.assertEqual(image_of(self.pods()["web-0"]), "app:v1")

    def test_specified_delete_replaces_that_pod_only(self):  # C8
        self.create("inplacesets", inplace_set(replicas=3))
        before = self.await_ready(3)
        self.patch("pods", "web-1", {"metadata": {"labels": {"apps.kruise.io/specified-delete": "true"}}})
        eventually(lambda: self.pods().get("web-1", before["web-1"])["metadata"]["uid"] != before["web-1"]["metadata"]["uid"], "web-1 is replaced")
        self.await_ready(3)
        for name in ("web-0", "web-2"):
            self.assertEqual(self.pods()[name]["metadata"]["uid"], before[name]["metadata"]["uid"])

    def test_broken_image_stops_the_rollout_and_a_fixed_one_goes_on(self):  # C9, D13
        self.create("inplacesets", inplace_set(replicas=3, policy="InPlaceIfPossible"))
        self.await_ready(3)
        self.patch("inplacesets", "web", set_image("app:does-not-exist"))

        def waiting():
            statuses = self.pods()["web-2"]["status"].get("containerStatuses") or [{}]
            return statuses[0].get("state", {}).get("waiting", {}).get("reason") == "ImagePullBackOff"
        eventually(waiting, lambda: self.pods()["web-2"]["status"])
        self.assertEqual([image_of(self.pods()[f"web-{i}"]) for i in range(2)], ["app:v1", "app:v1"])
        self.patch("inplacesets", "web", set_image("app:v3"))
        self.await_images("app:v3", 3)

    def test_history_keeps_no_more_revisions_than_its_limit(self):  # C13
        self.create("inplacesets", inplace_set(replicas=1, policy="InPlaceIfPossible", revisionHistoryLimit=2))
        self.await_ready(1)
        for version in range(2, 7):
            self.patch("inplacesets", "web", set_image(f"app:v{version}"))
            self.await_images(f"app:v{version}", 1)
        eventually(lambda: len(self.list("controllerrevisions")) <= 3, lambda: len(self.list("controllerrevisions")))

    def test_rolling_back_uses_the_earlier_revision_again(self):  # C14
        self.create("inplacesets", inplace_set(replicas=2, policy="InPlaceIfPossible"))
        self.await_ready(2)
        self.await_status(readyReplicas=2, updatedReplicas=2)
        first = self.status()["updateRevision"]
        self.patch("inplacesets", "web", set_image("app:v2"))
        self.await_images("app:v2", 2)
        self.patch("inplacesets", "web", set_image("app:v1"))
        self.await_images("app:v1", 2)
        eventually(lambda: self.status()["updateRevision"] == first, lambda: self.status())
        revisions = {r["metadata"]["name"]: r["revision"] for r in self.list("controllerrevisions")}
        self.assertEqual(len(revisions), 2)
        self.assertEqual(revisions[first], 3)

    # ----------------------------------------------------------------------------- 7.4 in place

    def test_in_place_update_keeps_uid_node_and_ip_and_restarts_once(self):  # D1
        self.create("inplacesets", inplace_set(replicas=3, policy="InPlaceIfPossible"))
        before = self.await_ready(3)
        self.patch("inplacesets", "web", set_image("app:v2"))
        self.await_images("app:v2", 3)
        for name, pod in self.pods().items():
            old = before[name]
            self.assertEqual(pod["metadata"]["uid"], old["metadata"]["uid"])
            self.assertEqual(pod["spec"]["nodeName"], old["spec"]["nodeName"])
            self.assertEqual(pod["status"]["podIP"], old["status"]["podIP"])
            self.assertEqual(restarts_of(pod), restarts_of(old) + 1)
            now, then = pod["status"]["containerStatuses"][0], old["status"]["containerStatuses"][0]
            self.assertNotEqual(now["imageID"], then["imageID"])
            self.assertNotEqual(now["containerID"], then["containerID"])
            self.assertIn("terminated", now["lastState"])
            self.assertEqual(condition_of(pod, "InPlaceUpdateReady"), "True")

    def test_max_unavailable_holds_at_every_moment_of_an_in_place_rollout(self):  # 7.9
        self.create("inplacesets", inplace_set(replicas=20, policy="InPlaceIfPossible", rolling={"maxUnavailable": "20%"}))
        self.await_ready(20)
        watch = self.plane.watch(self.path("pods"))
        eventually(lambda: len(watch.events) >= 20, "the watch shows the pods")
        self.patch("inplacesets", "web", set_image("app:v2"))
        self.await_images("app:v2", 20)
        watch.close()
        state, most = {}, 0
        for event in watch.events:
            state[event["object"]["metadata"]["name"]] = is_ready(event["object"]) and event["type"] != "DELETED"
            most = max(most, sum(not ready for ready in state.values()) if len(state) == 20 else 0)
        self.assertLessEqual(most, 4)
        self.assertGreaterEqual(most, 1)

    def test_grace_period_keeps_the_old_image_while_the_pod_is_not_ready(self):  # D1
        rolling = {"inPlaceUpdateStrategy": {"gracePeriodSeconds": 3}}
        self.create("inplacesets", inplace_set(replicas=1, policy="InPlaceIfPossible", rolling=rolling))
        self.await_ready(1)
        self.patch("inplacesets", "web", set_image("app:v2"))
        eventually(lambda: condition_of(self.pods()["web-0"], "InPlaceUpdateReady") == "False", "the pod is taken out")
        self.assertEqual(image_of(self.pods()["web-0"]), "app:v1")
        self.await_images("app:v2", 1)

    def test_change_that_is_more_than_an_image_recreates(self):  # D2
        self.create("inplacesets", inplace_set(replicas=1, policy="InPlaceIfPossible"))
        before = self.await_ready(1)["web-0"]["metadata"]["uid"]
        containers = [{"name": "app", "image": "app:v1", "env": [{"name": "MODE", "value": "new"}]}]
        self.patch("inplacesets", "web", {"spec": {"template": {"spec": {"containers": containers}}}})
        eventually(lambda: self.pods().get("web-0", {}).get("metadata", {}).get("uid", before) != before, "web-0 is recreated")

    def test_label_that_env_reads_restarts_in_place(self):  # D3
        env = [{"name": "VERSION", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['version']"}}}]
        document = inplace_set(replicas=1, policy="InPlaceIfPossible",
                               pod={"containers": [{"name": "app", "image": "app:v1", "env": env}]})
        document["spec"]["template"]["metadata"]["labels"]["version"] = "one"
        self.create("inplacesets", document)
        before = self.await_ready(1)["web-0"]
        self.patch("inplacesets", "web", {"spec": {"template": {"metadata": {"labels": {"version": "two"}}}}})
        eventually(lambda: self.pods()["web-0"]["metadata"]["labels"]["version"] == "two" and restarts_of(self.pods()["web-0"]) == 1
                   and is_ready(self.pods()["web-0"]), lambda: self.pods()["web-0"])
        self.assertEqual(self.pods()["web-0"]["metadata"]["uid"], before["metadata"]["uid"])

    def test_in_place_only_refuses_a_change_that_needs_a_new_pod(self):  # D4
        self.create("inplacesets", inplace_set(replicas=1, policy="InPlaceOnly"))
        containers = [{"name": "app", "image": "app:v1", "command": ["other"]}]
        refused = self.refused(422, "PATCH", self.path("inplacesets", "web"),
                               {"spec": {"template": {"spec": {"containers": containers}}}}, content_type="application/merge-patch+json")
        self.assertIn("InPlaceOnly", refused.causes[0]["message"])

    def test_in_place_policy_needs_the_readiness_gate(self):  # D5
        document = inplace_set(policy="InPlaceIfPossible")
        del document["spec"]["template"]["spec"]["readinessGates"]
        refused = self.refused(422, "POST", self.path("inplacesets"), document)
        self.assertEqual([cause["field"] for cause in refused.causes], ["spec.template.spec.readinessGates"])

    def test_second_update_before_the_first_is_done_ends_on_the_last(self):  # D7
        self.create("inplacesets", inplace_set(replicas=3, policy="InPlaceIfPossible", rolling={"maxUnavailable": "100%"}))
        self.await_ready(3)
        self.patch("inplacesets", "web", set_image("app:v2"))
        self.patch("inplacesets", "web", set_image("app:v3"))
        self.await_images("app:v3", 3)
        self.await_status(updatedReplicas=3, readyReplicas=3)

    # ------------------------------------------------------------------------------- 7.5 hooks

    def test_update_hook_holds_the_pod_until_its_label_is_taken_away(self):  # L11, L9, L10
        hook = {"inPlaceUpdate": {"labelsHandler": {"example.org/drain": "wanted"}}}
        document = inplace_set(replicas=1, policy="InPlaceIfPossible", lifecycle=hook)
        document["spec"]["template"]["metadata"]["labels"]["example.org/drain"] = "wanted"
        self.create("inplacesets", document)
        self.await_ready(1)
        state = "lifecycle.apps.kruise.io/state"
        eventually(lambda: self.pods()["web-0"]["metadata"]["labels"].get(state) == "Normal", lambda: self.pods()["web-0"]["metadata"])
        self.patch("inplacesets", "web", set_image("app:v2"))
        eventually(lambda: self.pods()["web-0"]["metadata"]["labels"].get(state) == "PreparingUpdate", lambda: self.pods()["web-0"]["metadata"])
        self.assertEqual(image_of(self.pods()["web-0"]), "app:v1")
        self.patch("pods", "web-0", {"metadata": {"labels": {"example.org/drain": None}}})
        eventually(lambda: image_of(self.pods()["web-0"]) == "app:v2", lambda: self.pods()["web-0"]["metadata"])
        eventually(lambda: self.pods()["web-0"]["metadata"]["labels"].get(state) in ("Updated", "Normal"), lambda: self.pods()["web-0"]["metadata"])

    def test_delete_hook_holds_the_pod_until_it_is_taken_away(self):
        hook = {"preDelete": {"labelsHandler": {"example.org/save": "wanted"}}}
        document = inplace_set(replicas=2, lifecycle=hook)
        document["spec"]["template"]["metadata"]["labels"]["example.org/save"] = "wanted"
        self.create("inplacesets", document)
        self.await_ready(2)
        self.patch("inplacesets", "web", {"spec": {"replicas": 1}})
        state = "lifecycle.apps.kruise.io/state"
        eventually(lambda: self.pods()["web-1"]["metadata"]["labels"].get(state) == "PreparingDelete", lambda: self.pods()["web-1"]["metadata"])
        self.patch("pods", "web-1", {"metadata": {"labels": {"example.org/save": None}}})
        eventually(lambda: set(self.pods()) == {"web-0"}, lambda: summary(self.pods()))

    # ----------------------------------------------------------------------- 1.9, retry elsewhere

    def test_pod_that_does_not_start_is_tried_on_another_node(self):  # 1.9
        nodes = [node["metadata"]["name"] for node in self.plane.call("GET", "/api/v1/nodes")["items"]][:2]
        for node in nodes:
            self.plane.call("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": {"retry": self.ns[-6:]}}}, content_type="application/merge-patch+json")
        bad = nodes[0]
        self.plane.call("PATCH", f"/api/v1/nodes/{bad}", {"metadata": {"annotations": {"hollow.socle.dev/refuse-image": "app:*"}}},
                        content_type="application/merge-patch+json")
        self.addCleanup(lambda: self.plane.call("PATCH", f"/api/v1/nodes/{bad}", {"metadata": {"annotations": {"hollow.socle.dev/refuse-image": None}}},
                                                content_type="application/merge-patch+json"))
        self.create("inplacesets", inplace_set(replicas=4, pod={"nodeSelector": {"retry": self.ns[-6:]}},
                                               scheduleStrategy={"retryOnOtherNodes": {"enabled": True, "timeoutSeconds": 3, "maxRetries": 3}}))
        pods = self.await_ready(4)
        self.assertEqual({pod["spec"]["nodeName"] for pod in pods.values()}, {nodes[1]})


if __name__ == "__main__":
    unittest.main(verbosity=2)
