#!/usr/bin/env python3
"""Debian's kubectl on a plane, command by command (controllers/KUBECTL.md lists what is here)."""

import json
import os
import shutil
import subprocess
import time
import unittest

from plane import PATH, PlaneTest, eventually, is_ready
from shapes import broadcast_job, inplace_set, pod, sidecar_set


class KubectlTest(PlaneTest):

    NODES = 5

    def kubectl(self, *arguments, **more):
        return self.plane.kubectl("-n", self.ns, *arguments, **more)

    def apply(self, document):
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(document))

    def start_web(self, replicas=2, **more):
        self.apply(inplace_set(replicas=replicas, policy="InPlaceIfPossible", **more))
        return self.await_ready(replicas)

    # ------------------------------------------------------------------------------------- get

    def test_get_prints_the_columns_of_the_kind(self):
        self.start_web()
        lines = self.kubectl("get", "pods").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "READY", "STATUS", "RESTARTS", "AGE"])
        self.assertEqual(lines[1].split()[:4], ["web-0", "1/1", "Running", "0"])
        self.assertEqual(self.kubectl("get", "nodes").splitlines()[0].split(), ["NAME", "STATUS", "ROLES", "AGE", "VERSION"])
        head, row = self.kubectl("get", "ips").splitlines()
        self.assertEqual(head.split(), ["NAME", "DESIRED", "CURRENT", "UPDATED", "READY", "AGE"])
        eventually(lambda: self.kubectl("get", "ips").splitlines()[1].split()[1:5] == ["2"] * 4, lambda: self.kubectl("get", "ips"))

    def test_get_wide_shows_nodes_and_images(self):
        self.start_web()
        self.assertIn("hollow-node-", self.kubectl("get", "pods", "-o", "wide"))
        self.assertIn("app:v1", self.kubectl("get", "ips", "-o", "wide"))
        self.assertIn("INTERNAL-IP", self.plane.kubectl("get", "nodes", "-o", "wide"))

    def test_get_as_yaml_json_name_and_jsonpath(self):
        self.start_web()
        self.assertIn("kind: InplaceSet", self.kubectl("get", "ips", "web", "-o", "yaml"))
        self.assertEqual(json.loads(self.kubectl("get", "pod", "web-0", "-o", "json"))["kind"], "Pod")
        self.assertEqual(self.kubectl("get", "pods", "-o", "name").split(), ["pod/web-0", "pod/web-1"])
        self.assertEqual(self.kubectl("get", "ips", "web", "-o", "jsonpath={.spec.replicas}"), "2")

    def test_get_selects_by_label_and_field_and_sorts(self):
        self.start_web()
        self.assertEqual(self.kubectl("get", "pods", "-l", "app=nothing", "-o", "name"), "")
        node = self.pods()["web-1"]["spec"]["nodeName"]
        self.assertIn("pod/web-1", self.kubectl("get", "pods", "--field-selector", f"spec.nodeName={node}", "-o", "name"))
        rows = self.kubectl("get", "pods", "--sort-by=.metadata.name").splitlines()
        self.assertEqual([row.split()[0] for row in rows[1:]], ["web-0", "web-1"])
        self.assertIn("web-0", self.plane.kubectl("get", "pods", "-A"))

    def test_get_watches(self):
        with open(self.plane.scratch / "watch", "w+", encoding="utf-8") as out:
            process = subprocess.Popen([shutil.which("kubectl", path=PATH), "-n", self.ns, "get", "pods", "-w"], env=self.plane.environment(), stdout=out)
            self.addCleanup(lambda: (process.kill(), process.wait()))
            self.apply(pod())
            eventually(lambda: "Running" in open(out.name, encoding="utf-8").read(), lambda: open(out.name, encoding="utf-8").read())

    def test_get_of_what_is_not_there_is_not_found(self):
        self.assertIn('Error from server (NotFound): pods "nothing" not found', self.kubectl("get", "pod", "nothing", check=False))

    def test_long_lists_come_in_chunks(self):
        for i in range(12):
            self.create("configmaps", {"metadata": {"name": f"map-{i}"}})
        self.assertEqual(len(self.kubectl("get", "configmaps", "--chunk-size=5", "-o", "name").split()), 12)

    # -------------------------------------------------------------------------------- describe

    def test_describe_shows_events(self):
        self.start_web()
        text = eventually(lambda: "Scheduled" in (t := self.kubectl("describe", "pod", "web-0")) and t, "the event is shown")
        self.assertRegex(text, r"Node:\s+hollow-node-")
        self.assertIn("SuccessfulCreate", self.kubectl("describe", "ips", "web"))
        node = self.pods()["web-0"]["spec"]["nodeName"]
        self.assertIn("web-0", self.plane.kubectl("describe", "node", node))

    # ------------------------------------------------------------------ apply, create, replace

    def test_apply_creates_changes_and_leaves_alone(self):
        self.assertIn("created", self.apply(pod()))
        self.assertIn("unchanged", self.apply(pod()))
        document = inplace_set(replicas=1, policy="InPlaceIfPossible")
        self.assertIn("created", self.apply(document))
        version = self.get("inplacesets", "web")["metadata"]["generation"]
        self.apply(document)  # kubectl says "configured": it knows no merge keys of custom kinds
        self.assertEqual(self.get("inplacesets", "web")["metadata"]["generation"], version)
        document["spec"]["replicas"] = 2
        self.assertIn("configured", self.apply(document))
        self.assertEqual(self.get("inplacesets", "web")["spec"]["replicas"], 2)

    def test_apply_removes_what_the_manifest_no_longer_says(self):
        document = pod()
        document["metadata"]["annotations"] = {"a": "1", "b": "2"}
        self.apply(document)
        del document["metadata"]["annotations"]["b"]
        self.apply(document)
        self.assertNotIn("b", self.get("pods", "one")["metadata"]["annotations"])

    def test_openkruise_manifest_applies_unchanged(self):
        document = inplace_set(replicas=1)
        document["kind"] = "StatefulSet"
        self.assertIn("statefulset.apps.kruise.io/web created", self.apply(document))
        self.assertIn("web", self.kubectl("get", "asts"))
        self.assertIn("web", self.kubectl("get", "inplaceset"))

    def test_create_and_replace_from_a_file(self):
        self.assertIn("created", self.kubectl("create", "-f", "-", stdin=json.dumps(pod())))
        self.assertIn("AlreadyExists", self.kubectl("create", "-f", "-", stdin=json.dumps(pod()), check=False))
        document = self.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old"}})
        document["data"] = {"a": "b"}
        self.assertIn("replaced", self.kubectl("replace", "-f", "-", stdin=json.dumps(document)))
        self.assertIn("created", self.plane.kubectl("create", "namespace", f"{self.ns}-b"))
        self.assertIn("created", self.kubectl("create", "configmap", "map", "--from-literal=a=b"))

    def test_manifest_with_an_unknown_field_is_refused_by_validation(self):
        document = inplace_set()
        document["spec"]["colour"] = "red"
        self.assertIn("unknown field", self.kubectl("apply", "-f", "-", stdin=json.dumps(document), check=False))

    def test_manifest_that_is_wrong_is_told_why(self):
        document = inplace_set()
        document["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}
        text = self.kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps(document), check=False)
        self.assertIn("is invalid", text)
        self.assertIn("spec.updateStrategy.rollingUpdate.maxUnavailable", text)

    def test_server_side_dry_run_changes_nothing(self):
        text = self.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(inplace_set()))
        self.assertIn("created (server dry run)", text)
        self.assertEqual(self.list("inplacesets"), [])

    def test_diff_shows_what_would_change(self):
        document = inplace_set(replicas=1, policy="InPlaceIfPossible")
        self.apply(document)
        document["spec"]["replicas"] = 3
        text = self.kubectl("diff", "-f", "-", stdin=json.dumps(document), check=False)
        self.assertIn("+  replicas: 3", text)

    # ------------------------------------------------------------------------- patch and edits

    def test_patches_of_all_types(self):
        self.start_web(1)
        self.kubectl("patch", "ips", "web", "--type=merge", "-p", '{"spec":{"replicas":2}}')
        self.kubectl("patch", "ips", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":1}]')
        self.assertEqual(self.get("inplacesets", "web")["spec"]["replicas"], 1)
        self.kubectl("patch", "pod", "web-0", "-p", '{"metadata":{"annotations":{"a":"b"}}}')
        self.assertEqual(self.get("pods", "web-0")["metadata"]["annotations"]["a"], "b")

    def test_edit_changes_an_object(self):
        self.start_web(1)
        environment = {**self.plane.environment(), "KUBE_EDITOR": "sed -i s/replicas:.1/replicas:\\ 2/"}
        done = subprocess.run([shutil.which("kubectl", path=PATH), "-n", self.ns, "edit", "ips", "web"], env=environment, capture_output=True, text=True, check=False, timeout=60)
        self.assertIn("edited", done.stdout, done.stderr)
        self.await_ready(2)

    def test_label_and_annotate(self):
        self.apply(pod())
        self.kubectl("label", "pod", "one", "tier=front")
        self.assertIn("already has a value", self.kubectl("label", "pod", "one", "tier=back", check=False))
        self.kubectl("label", "pod", "one", "tier=back", "--overwrite")
        self.kubectl("annotate", "pod", "one", "note=this")
        metadata = self.get("pods", "one")["metadata"]
        self.assertEqual((metadata["labels"]["tier"], metadata["annotations"]["note"]), ("back", "this"))
        self.kubectl("label", "pod", "one", "tier-")
        self.assertNotIn("tier", self.get("pods", "one")["metadata"]["labels"])

    def test_scale(self):
        self.start_web(1)
        self.kubectl("scale", "ips", "web", "--replicas=3")
        self.await_ready(3)
        text = self.kubectl("scale", "ips", "web", "--replicas=5", "--current-replicas=2", check=False)
        self.assertIn("Expected replicas to be 2", text)

    # ----------------------------------------------------------------------------------- nodes

    def test_taint_keeps_new_pods_away(self):
        nodes = [node["metadata"]["name"] for node in self.plane.call("GET", "/api/v1/nodes")["items"]]
        for node in nodes[1:]:
            self.plane.kubectl("taint", "node", node, "test=yes:NoSchedule")
        try:
            self.assertEqual({p["spec"]["nodeName"] for p in self.start_web(3).values()}, {nodes[0]})
        finally:
            for node in nodes[1:]:
                self.plane.kubectl("taint", "node", node, "test-")

    def test_cordon_drain_and_uncordon(self):
        self.start_web(5)
        node = self.pods()["web-0"]["spec"]["nodeName"]
        text = self.plane.kubectl("drain", node, "--force", "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=60s", timeout=90)
        self.assertRegex(text, f"node/{node} (evicted|drained)")
        self.assertIn("SchedulingDisabled", self.plane.kubectl("get", "node", node))
        eventually(lambda: len(self.pods()) == 5 and all(is_ready(p) and p["spec"]["nodeName"] != node for p in self.pods().values()),
                   "all pods run elsewhere")
        self.plane.kubectl("uncordon", node)
        self.assertNotIn("SchedulingDisabled", self.plane.kubectl("get", "node", node))

    # ------------------------------------------------------------------------- wait and delete

    def test_wait_for_conditions_and_deletions(self):
        self.apply(pod())
        self.assertIn("condition met", self.kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=60s"))
        self.apply(inplace_set(replicas=2, policy="InPlaceIfPossible"))
        self.assertIn("condition met", self.kubectl("wait", "ips/web", "--for=condition=Ready", "--timeout=60s"))
        self.apply(broadcast_job())
        self.assertIn("condition met", self.kubectl("wait", "bcj/sweep", "--for=condition=Complete", "--timeout=60s"))
        self.kubectl("delete", "pod", "one", "--wait=false")
        self.kubectl("wait", "pod/one", "--for=delete", "--timeout=60s", check=False)
        self.assertIsNone(self.find("pods", "one"))

    def test_delete_waits_until_it_is_gone(self):
        self.start_web(2)
        self.assertIn('pod "web-0" deleted', self.kubectl("delete", "pod", "web-0"))
        self.kubectl("delete", "ips", "web")
        eventually(lambda: not self.pods(), "the pods are gone")

    def test_delete_can_orphan_and_go_foreground(self):
        self.start_web(1)
        self.kubectl("delete", "ips", "web", "--cascade=orphan")
        self.assertEqual(len(self.pods()), 1)
        self.start_web(1)
        self.kubectl("delete", "ips", "web", "--cascade=foreground")
        self.assertEqual(self.pods(), {})

    def test_delete_by_selector_and_all(self):
        for i in range(3):
            self.create("configmaps", {"metadata": {"name": f"map-{i}", "labels": {"n": str(i)}}})
        self.kubectl("delete", "configmaps", "-l", "n=1")
        self.assertEqual(len(self.list("configmaps")), 2)
        self.kubectl("delete", "configmaps", "--all")
        self.assertEqual(self.list("configmaps"), [])

    # ------------------------------------------------------------------------------- discovery

    def test_explain_knows_the_fields(self):
        self.assertIn("maxUnavailable", self.plane.kubectl("explain", "ips.spec.updateStrategy.rollingUpdate"))
        self.assertIn("image", self.plane.kubectl("explain", "pod.spec.containers"))
        self.assertIn("SidecarSet", self.plane.kubectl("explain", "sidecarset"))

    def test_api_resources_and_versions(self):
        text = self.plane.kubectl("api-resources")
        for kind in ("InplaceSet", "SidecarSet", "BroadcastJob", "PodDisruptionBudget", "Lease"):
            self.assertIn(kind, text)
        self.assertIn("apps.kruise.io/v1beta1", self.plane.kubectl("api-versions"))
        self.assertIn("is running at", self.plane.kubectl("cluster-info"))
        self.assertIn("Server Version", self.plane.kubectl("version"))

    def test_logs_and_exec_answer_clearly(self):
        self.apply(pod())
        self.await_ready(1)
        self.kubectl("logs", "one")
        self.assertIn("rror", self.kubectl("exec", "one", "--", "true", check=False))

    def test_run_makes_a_pod(self):
        self.assertIn("created", self.kubectl("run", "quick", "--image=app:v1"))
        self.await_ready(1)

    def test_sidecar_set_and_job_have_their_columns(self):
        labels = {"test": self.ns[-6:]}
        self.apply(sidecar_set(self.ns[-30:].strip("-"), labels))
        self.addCleanup(lambda: self.plane.kubectl("delete", "sidecarset", self.ns[-30:].strip("-")))
        self.assertEqual(self.kubectl("get", "sidecarset").splitlines()[0].split(), ["NAME", "MATCHED", "UPDATED", "READY", "AGE"])
        self.apply(broadcast_job())
        self.assertEqual(self.kubectl("get", "bcj").splitlines()[0].split(), ["NAME", "DESIRED", "ACTIVE", "SUCCEEDED", "FAILED", "AGE"])


class SecureTest(unittest.TestCase):
    """TLS with tokens: kubectl over HTTP/2, and nothing for strangers."""

    def test_kubectl_speaks_tls_with_a_token(self):
        from plane import Plane
        plane = Plane(1)
        self.addCleanup(plane.close)
        plane.scratch.mkdir(exist_ok=True)
        certificate, key, tokens = (plane.scratch / name for name in ("cert.pem", "key.pem", "tokens.csv"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True)
        tokens.write_text("open-sesame,admin,1\n")
        plane.flags = [f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}", f"--token-auth-file={tokens}"]
        plane.start()
        self.assertIn("hollow-node-0", eventually(lambda: "hollow" in (t := plane.kubectl("get", "nodes")) and t, "the node is there"))
        bare = shutil.which("curl")
        code = subprocess.run([bare, "-sk", "-o", os.devnull, "-w", "%{http_code}", f"https://127.0.0.1:{plane.port}/api/v1/nodes"],
                              capture_output=True, text=True, check=True).stdout
        self.assertEqual(code, "401")
        plane.stop()

    def test_plane_refuses_to_listen_to_strangers(self):
        from plane import BIN
        done = subprocess.run([BIN / "socle-plane", "--listen=0.0.0.0:0", f"--data-dir=/tmp/socle-refused-{os.getpid()}"],
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertFalse(os.path.exists(f"/tmp/socle-refused-{os.getpid()}"), "a refusal leaves the store alone")
        self.assertEqual(done.returncode, 1)
        self.assertIn("refusing to listen", done.stderr)


class RestartTest(unittest.TestCase):
    """A plane that is stopped, and started again, has everything it had."""

    def test_stopped_plane_goes_on_where_it_was(self):
        from plane import Plane
        plane = Plane(3)
        self.addCleanup(plane.close)
        plane.start()
        plane.kubectl("apply", "-f", "-", stdin=json.dumps(inplace_set(replicas=3, policy="InPlaceIfPossible")))
        plane.kubectl("wait", "ips/web", "--for=condition=Ready", "--timeout=60s")
        before = plane.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}")
        plane.stop()
        plane.start()
        self.assertEqual(plane.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"), before)
        time.sleep(1)
        self.assertEqual(plane.kubectl("get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[0].restartCount}"), "0 0 0")
        plane.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
