#!/usr/bin/env python3
"""The REST API as clients know it, and what bad input gets (spec controllers 9; issue: bad input)."""

import json
import socket
import time
import unittest

from plane import MERGE, PlaneTest, Refused, condition_of, eventually
from shapes import inplace_set, pod

STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


class RestTest(PlaneTest):

    NODES = 3

    def config_map(self, name="map", **more):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **more}, "data": {"a": "1"}}

    # ------------------------------------------------------------------------------- discovery

    def test_discovery_lists_groups_versions_and_resources(self):
        self.assertEqual(self.plane.call("GET", "/api")["versions"], ["v1"])
        groups = {group["name"]: group for group in self.plane.call("GET", "/apis")["groups"]}
        self.assertEqual([v["version"] for v in groups["apps.kruise.io"]["versions"]], ["v1beta1", "v1alpha1"])
        resources = {r["name"]: r for r in self.plane.call("GET", "/apis/apps.kruise.io/v1beta1")["resources"]}
        self.assertEqual(resources["statefulsets"]["kind"], "StatefulSet")
        self.assertEqual(resources["inplacesets/scale"]["kind"], "Scale")
        self.assertIn("pods/eviction", {r["name"] for r in self.plane.call("GET", "/api/v1")["resources"]})
        self.assertIn("major", self.plane.call("GET", "/version"))

    def test_openapi_has_a_definition_for_each_kind(self):
        document = self.plane.call("GET", "/openapi/v2")
        kinds = {gvk["kind"] for d in document["definitions"].values() for gvk in d.get("x-kubernetes-group-version-kind", [])}
        self.assertLessEqual({"Pod", "Node", "InplaceSet", "StatefulSet", "SidecarSet", "BroadcastJob"}, kinds)
        accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
        code, body = self.plane.request("GET", "/openapi/v2", headers={"Accept": accept})
        self.assertEqual(code, 200)
        self.assertGreater(len(body), 10_000)

    # ----------------------------------------------------------------------------------- reads

    def test_tables_have_the_columns_of_the_kind(self):
        self.create("pods", pod())
        table = self.plane.call("GET", self.path("pods"), headers=TABLE)
        self.assertEqual(table["kind"], "Table")
        self.assertEqual([c["name"] for c in table["columnDefinitions"]][:5], ["Name", "Ready", "Status", "Restarts", "Age"])
        self.assertEqual(table["rows"][0]["cells"][0], "one")

    def test_lists_come_in_pages_of_one_revision(self):
        for i in range(7):
            self.create("configmaps", self.config_map(f"map-{i}"))
        names, token, revisions = [], "", set()
        while True:
            page = self.plane.call("GET", self.path("configmaps") + f"?limit=3&continue={token}")
            names += [item["metadata"]["name"] for item in page["items"]]
            revisions.add(page["metadata"]["resourceVersion"])
            if len(names) == 3:
                self.create("configmaps", self.config_map("map-9"))
            token = page["metadata"].get("continue", "")
            if not token:
                break
        self.assertEqual(names, [f"map-{i}" for i in range(7)])
        self.assertEqual(len(revisions), 1)

    def test_selectors_choose_by_label_and_field(self):
        for i in range(4):
            self.create("configmaps", self.config_map(f"map-{i}", labels={"odd": str(i % 2)}))
        chosen = self.list("configmaps", "labelSelector=odd%3D1")
        self.assertEqual([item["metadata"]["name"] for item in chosen], ["map-1", "map-3"])
        chosen = self.list("configmaps", "fieldSelector=metadata.name%3Dmap-2")
        self.assertEqual([item["metadata"]["name"] for item in chosen], ["map-2"])
        self.assertEqual(self.list("configmaps", "labelSelector=odd%20notin%20(0,1)"), [])

    def test_watch_shows_what_enters_and_leaves_the_selection(self):
        self.create("configmaps", self.config_map(labels={"on": "no"}))
        version = self.plane.call("GET", self.path("configmaps"))["metadata"]["resourceVersion"]
        watch = self.plane.watch(self.path("configmaps") + f"?labelSelector=on%3Dyes&resourceVersion={version}")
        self.patch("configmaps", "map", {"metadata": {"labels": {"on": "yes"}}})
        self.patch("configmaps", "map", {"data": {"a": "2"}})
        self.patch("configmaps", "map", {"metadata": {"labels": {"on": "no"}}})
        eventually(lambda: len(watch.events) == 3, lambda: watch.events)
        watch.close()
        self.assertEqual([event["type"] for event in watch.events], ["ADDED", "MODIFIED", "DELETED"])

    def test_watch_from_the_revision_of_a_list_misses_nothing(self):
        version = self.plane.call("GET", self.path("configmaps"))["metadata"]["resourceVersion"]
        for i in range(5):
            self.create("configmaps", self.config_map(f"map-{i}"))
        watch = self.plane.watch(self.path("configmaps") + f"?resourceVersion={version}")
        eventually(lambda: len(watch.events) == 5, lambda: watch.events)
        watch.close()
        self.assertEqual([event["object"]["metadata"]["name"] for event in watch.events], [f"map-{i}" for i in range(5)])

    def test_watch_ahead_of_the_store_is_told_so(self):
        refused = self.refused(504, "GET", self.path("configmaps") + "?resourceVersion=999999999")
        self.assertEqual(refused.causes[0]["reason"], "ResourceVersionTooLarge")

    # ---------------------------------------------------------------------------------- writes

    def test_created_object_has_its_system_fields(self):
        made = self.create("configmaps", {"metadata": {"generateName": "made-"}})["metadata"]
        self.assertRegex(made["name"], "^made-[bcdfghjklmnpqrstvwxz2456789]{5}$")
        self.assertEqual(made["namespace"], self.ns)
        self.assertTrue(made["uid"] and made["resourceVersion"] and made["creationTimestamp"])

    def test_creating_twice_conflicts(self):
        self.create("configmaps", self.config_map())
        refused = self.refused(409, "POST", self.path("configmaps"), self.config_map())
        self.assertEqual((refused.reason, refused.message), ("AlreadyExists", 'configmaps "map" already exists'))

    def test_update_of_an_old_version_conflicts(self):
        first = self.create("configmaps", self.config_map())
        self.patch("configmaps", "map", {"data": {"a": "2"}})
        first["data"]["a"] = "3"
        refused = self.refused(409, "PUT", self.path("configmaps", "map"), first)
        self.assertEqual(refused.message, 'Operation cannot be fulfilled on configmaps "map": the object has been modified; '
                         'please apply your changes to the latest version and try again')

    def test_update_that_changes_nothing_keeps_the_version(self):
        made = self.create("configmaps", self.config_map())
        again = self.plane.call("PUT", self.path("configmaps", "map"), made)
        self.assertEqual(again["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"])

    def test_generation_counts_changes_of_spec_only(self):
        self.assertEqual(self.create("inplacesets", inplace_set(replicas=0))["metadata"]["generation"], 1)
        self.assertEqual(self.patch("inplacesets", "web", {"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"], 1)
        self.assertEqual(self.patch("inplacesets", "web", {"spec": {"replicas": 1}})["metadata"]["generation"], 2)
        self.assertEqual(self.patch("inplacesets", "web", {"status": {"replicas": 99}})["metadata"]["generation"], 2)
        self.assertNotEqual(self.get("inplacesets", "web")["status"].get("replicas"), 99)

    def test_strategic_patch_merges_containers_by_name(self):
        two = [{"name": "app", "image": "app:v1"}, {"name": "side", "image": "side:v1"}]
        self.create("pods", pod(containers=two, schedulerName="nobody"))
        patched = self.patch("pods", "one", {"spec": {"containers": [{"name": "side", "image": "side:v2"}]}}, kind=STRATEGIC)
        self.assertEqual([c["image"] for c in patched["spec"]["containers"]], ["app:v1", "side:v2"])

    def test_kruise_kinds_take_no_strategic_patch(self):
        self.create("inplacesets", inplace_set(replicas=0))
        refused = self.refused(415, "PATCH", self.path("inplacesets", "web"), {"spec": {"replicas": 1}}, content_type=STRATEGIC)
        self.assertEqual(refused.reason, "UnsupportedMediaType")

    def test_json_patch_is_all_or_nothing(self):
        self.create("configmaps", self.config_map())
        steps = [{"op": "replace", "path": "/data/a", "value": "2"}, {"op": "test", "path": "/data/a", "value": "9"}]
        self.refused(422, "PATCH", self.path("configmaps", "map"), steps, content_type=JSON_PATCH)
        self.assertEqual(self.get("configmaps", "map")["data"]["a"], "1")

    def test_dry_run_changes_nothing(self):
        self.plane.call("POST", self.path("configmaps") + "?dryRun=All", self.config_map())
        self.assertIsNone(self.find("configmaps", "map"))

    def test_finalizers_hold_an_object_until_they_are_gone(self):
        self.create("configmaps", self.config_map(finalizers=["example.org/hold"]))
        self.delete("configmaps", "map")
        self.assertIn("deletionTimestamp", self.get("configmaps", "map")["metadata"])
        self.patch("configmaps", "map", {"metadata": {"finalizers": None}})
        self.assertIsNone(self.find("configmaps", "map"))

    def test_precondition_on_uid_guards_a_deletion(self):
        self.create("configmaps", self.config_map())
        self.refused(409, "DELETE", self.path("configmaps", "map"), {"preconditions": {"uid": "another"}})
        self.assertIsNotNone(self.find("configmaps", "map"))

    def test_dependents_go_with_their_owner(self):
        owner = self.create("configmaps", self.config_map("owner"))
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        self.create("configmaps", self.config_map("dependent", ownerReferences=[reference]))
        self.delete("configmaps", "owner")
        eventually(lambda: self.find("configmaps", "dependent") is None, "the dependent is gone")

    def test_foreground_deletion_takes_dependents_first(self):
        owner = self.create("configmaps", self.config_map("owner"))
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"], "blockOwnerDeletion": True}
        self.create("configmaps", self.config_map("dependent", ownerReferences=[reference], finalizers=["example.org/hold"]))
        self.delete("configmaps", "owner", {"propagationPolicy": "Foreground"})
        eventually(lambda: "deletionTimestamp" in self.get("configmaps", "dependent")["metadata"], "the dependent is being deleted")
        self.assertIn("foregroundDeletion", self.get("configmaps", "owner")["metadata"]["finalizers"])
        self.patch("configmaps", "dependent", {"metadata": {"finalizers": None}})
        eventually(lambda: self.find("configmaps", "owner") is None, "the owner is gone")

    def test_deleted_namespace_takes_its_content_along(self):
        self.create("configmaps", self.config_map())
        self.plane.call("DELETE", f"/api/v1/namespaces/{self.ns}")
        eventually(lambda: self.plane.request("GET", f"/api/v1/namespaces/{self.ns}")[0] == 404, "the namespace is gone")
        self.assertEqual(self.list("configmaps"), [])

    def test_collection_is_deleted_by_selector(self):
        for i in range(3):
            self.create("configmaps", self.config_map(f"map-{i}", labels={"n": str(i)}))
        self.plane.call("DELETE", self.path("configmaps") + "?labelSelector=n%20in%20(0,2)")
        self.assertEqual([item["metadata"]["name"] for item in self.list("configmaps")], ["map-1"])

    def test_version_v1alpha1_keeps_what_only_v1beta1_can_say(self):
        self.create("inplacesets", inplace_set(replicas=0, reserveOrdinals=[3]))
        old = self.path("inplacesets", "web").replace("/v1beta1/", "/v1alpha1/")
        shown = self.plane.call("GET", old)
        self.assertNotIn("reserveOrdinals", shown["spec"])
        shown["spec"]["replicas"] = 1
        del shown["metadata"]["resourceVersion"]  # the controller writes status meanwhile
        self.plane.call("PUT", old, shown)
        self.assertEqual(self.get("inplacesets", "web")["spec"]["reserveOrdinals"], [3])

    def test_one_object_is_served_as_inplaceset_and_as_statefulset(self):
        self.create("inplacesets", inplace_set(replicas=0))
        self.assertEqual(self.get("statefulsets", "web")["kind"], "StatefulSet")
        self.assertEqual(self.get("inplacesets", "web")["metadata"]["uid"], self.get("statefulsets", "web")["metadata"]["uid"])

    # ------------------------------------------------------------------- scheduling and eviction

    def test_pod_that_fits_nowhere_says_why(self):
        self.create("pods", pod(nodeSelector={"no": "such-node"}))
        eventually(lambda: condition_of(self.get("pods", "one"), "PodScheduled") == "False", "PodScheduled is False")
        condition = next(c for c in self.get("pods", "one")["status"]["conditions"] if c["type"] == "PodScheduled")
        self.assertEqual(condition["reason"], "Unschedulable")
        self.assertRegex(condition["message"], "^0/3 nodes are available")
        self.await_event("one", "FailedScheduling")

    def test_pod_waits_for_a_node_and_is_placed_when_it_comes(self):
        self.create("pods", pod(nodeSelector={"zone": self.ns[-6:]}))
        eventually(lambda: condition_of(self.get("pods", "one"), "PodScheduled") == "False", "it waits")
        name = self.plane.call("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
        self.plane.call("PATCH", f"/api/v1/nodes/{name}", {"metadata": {"labels": {"zone": self.ns[-6:]}}}, content_type=MERGE)
        eventually(lambda: self.get("pods", "one")["spec"].get("nodeName") == name, "it is placed")

    def test_pods_with_anti_affinity_are_on_different_nodes(self):
        rule = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}]}}
        self.create("inplacesets", inplace_set(replicas=3, pod={"affinity": rule}))
        pods = self.await_ready(3)
        self.assertEqual(len({p["spec"]["nodeName"] for p in pods.values()}), 3)

    def test_bound_pod_can_not_be_bound_again(self):
        self.create("pods", pod(schedulerName="nobody"))
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "one"}, "target": {"kind": "Node", "name": "hollow-node-1"}}
        self.plane.call("POST", self.path("pods", "one", "binding"), binding)
        self.assertEqual(self.get("pods", "one")["spec"]["nodeName"], "hollow-node-1")
        self.refused(409, "POST", self.path("pods", "one", "binding"), binding)

    def test_disruption_budget_holds_back_an_eviction(self):
        self.create("inplacesets", inplace_set(replicas=2))
        self.await_ready(2)
        self.create("poddisruptionbudgets", {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
                                             "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}})
        eventually(lambda: self.get("poddisruptionbudgets", "web").get("status", {}).get("disruptionsAllowed") == 1, "one may go")
        self.patch("inplacesets", "web", {"spec": {"template": {"metadata": {"annotations": {"hollow.socle.dev/hold-not-ready": "true"}}}}})
        evict = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": "web-1", "namespace": self.ns}}
        eventually(lambda: self.get("poddisruptionbudgets", "web")["status"].get("disruptionsAllowed") == 0, "none may go")
        evict["metadata"]["name"] = "web-0"
        refused = self.refused(429, "POST", self.path("pods", "web-0", "eviction"), evict)
        self.assertEqual(refused.causes[0]["reason"], "DisruptionBudget")

    # -------------------------------------------------------------------------------- bad input

    def test_malformed_json_is_a_bad_request(self):
        refused = self.refused(400, "POST", self.path("configmaps"), '{"metadata": {"name": "a"')
        self.assertEqual(refused.reason, "BadRequest")

    def test_manifest_in_yaml_is_taken_and_a_malformed_one_names_its_line(self):
        manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: in-yaml}\ndata:\n  port: '8080'\n  8081: |\n    two\n"
        made = self.plane.call("POST", self.path("configmaps"), manifest, content_type="application/yaml")
        self.assertEqual(made["data"], {"port": "8080", "8081": "two\n"})
        broken = manifest.replace("'8080'", "[8080")
        refused = self.refused(400, "POST", self.path("configmaps"), broken, content_type="application/yaml")
        self.assertIn("malformed YAML at line", refused.message)
        number = manifest.replace("'8080'", "8080")
        refused = self.refused(422, "POST", self.path("configmaps"), number, content_type="application/yaml")
        self.assertEqual(refused.causes[0]["field"], "data[port]")

    def test_unknown_and_duplicate_fields_are_refused_when_strict(self):
        body = '{"metadata":{"name":"a"},"data":{"k":"1","k":"2"},"colour":"red"}'
        refused = self.refused(400, "POST", self.path("configmaps") + "?fieldValidation=Strict", body)
        self.assertIn('unknown field "colour"', refused.message)
        self.assertIn('duplicate field "data.k"', refused.message)

    def test_wrong_types_name_the_field(self):
        document = inplace_set()
        document["spec"]["replicas"] = "three"
        refused = self.refused(422, "POST", self.path("inplacesets"), document)
        self.assertEqual([cause["field"] for cause in refused.causes], ["spec.replicas"])

    def test_bad_names_name_the_field(self):
        refused = self.refused(422, "POST", self.path("configmaps"), self.config_map("Not_A_Name"))
        self.assertEqual([cause["field"] for cause in refused.causes], ["metadata.name"])

    def test_bad_selectors_are_bad_requests(self):
        self.refused(400, "GET", self.path("pods") + "?labelSelector=a%20in%20(")
        refused = self.refused(400, "GET", self.path("pods") + "?fieldSelector=spec.colour%3Dred")
        self.assertIn("field label not supported", refused.message)

    def test_bodies_over_the_limit_are_too_large(self):
        refused = self.refused(413, "POST", self.path("configmaps"), json.dumps(self.config_map()) + " " * (4 << 20))
        self.assertEqual(refused.reason, "RequestEntityTooLarge")

    def test_unknown_paths_and_kinds_are_not_found(self):
        self.refused(404, "GET", "/apis/apps.kruise.io/v1beta1/namespaces/default/colours")
        self.refused(404, "GET", self.path("configmaps", "nothing"))
        self.refused(404, "POST", "/api/v1/namespaces/nowhere/configmaps", self.config_map())

    def test_selector_of_a_set_can_not_change(self):
        self.create("inplacesets", inplace_set(replicas=0))
        refused = self.refused(422, "PATCH", self.path("inplacesets", "web"), {"spec": {"serviceName": "other"}}, content_type=MERGE)
        self.assertIn("Forbidden", refused.message)

    def test_half_open_connection_disturbs_no_other_client(self):
        with socket.create_connection(("127.0.0.1", self.plane.port)) as half:
            half.sendall(b"POST /api/v1/namespaces HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
            self.create("configmaps", self.config_map())
            self.assertEqual(len(self.list("configmaps")), 1)

    def test_client_that_stops_reading_its_watch_disturbs_no_other(self):
        with socket.create_connection(("127.0.0.1", self.plane.port)) as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.sendall(f"GET {self.path('configmaps')}?watch=true HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            self.create("configmaps", self.config_map())
            watch = self.plane.watch(self.path("configmaps"))
            began = time.monotonic()
            for i in range(300):
                self.patch("configmaps", "map", {"data": {"a": str(i) * 10_000}})
            eventually(lambda: watch.events and watch.events[-1]["object"]["data"]["a"].startswith("299"), "the other watch has it all")
            watch.close()
            self.assertLess(time.monotonic() - began, 30)

    def test_set_that_can_not_be_acted_on_says_so_and_stops_nobody(self):
        bad = inplace_set("bad", replicas=1, pod={"containers": [{"name": "app", "image": "app:v1"}], "serviceAccountName": "x"})
        bad["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "Bad_Claim"}, "spec": {"accessModes": ["ReadWriteOnce"],
                                                "resources": {"requests": {"storage": "1Gi"}}}}]
        try:
            self.create("inplacesets", bad)
        except Refused as refused:
            self.assertEqual(refused.code, 422)
        else:
            eventually(lambda: condition_of(self.get("inplacesets", "bad"), "FailedCreatePod") == "True", "a condition says so")
        self.create("inplacesets", inplace_set("good", replicas=1))
        eventually(lambda: self.get("inplacesets", "good").get("status", {}).get("readyReplicas") == 1, "the other set runs")


if __name__ == "__main__":
    unittest.main(verbosity=2)
