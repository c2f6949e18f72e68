"""Plane: a socle-plane on a free port of 127.0.0.1, driven by kubectl and by plain REST; stopped or killed by its pid."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import unittest

# A hollow node's pace in tests; scenarios that need another say so by annotations.
WAIT_SECONDS = 60

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Debian's kubectl, where another one is installed (./dev setup).
PATH = f"{ROOT / 'build/debian/usr/bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}"
sys.path.insert(0, str(ROOT / "bench" / "peer"))
from server import PlaneProcess  # noqa: E402

BIN = pathlib.Path(os.environ.get("SOCLE_BIN", ROOT / "build/release/bin")).resolve()


class Refused(Exception):
    """An answer that is no success: code and the Status document."""

    def __init__(self, code, status):
        super().__init__(f"{code} {status.get('reason')}: {status.get('message')}")
        self.code = code
        self.status = status
        self.reason = status.get("reason")
        self.message = status.get("message", "")

    @property
    def causes(self):
        return (self.status.get("details") or {}).get("causes") or []


class Plane(PlaneProcess):
    """One plane with its own data directory, which outlives stop() and kill() but not close()."""

    def __init__(self, nodes=20, flags=()):
        super().__init__(BIN / "socle-plane", nodes, flags)

    # ------------------------------------------------------------------------------------- kubectl

    def environment(self):
        return {**os.environ, "PATH": PATH, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.scratch)}

    def kubectl(self, *arguments, stdin=None, check=True, timeout=60):
        """Output of kubectl, its errors included; with check a failure is an exception."""
        done = subprocess.run(["kubectl", *arguments], env=self.environment(), input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    # ---------------------------------------------------------------------------------------- REST

    def request(self, method, path, body=None, content_type="application/json", headers=None, timeout=30):
        """(code, document or text) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            sent = dict(headers or {})
            if body is not None:
                sent.setdefault("Content-Type", content_type)
            text = body if isinstance(body, (str, bytes)) or body is None else json.dumps(body)
            connection.request(method, path, body=text, headers=sent)
            answer = connection.getresponse()
            data = answer.read()
            if "json" in (answer.getheader("Content-Type") or ""):
                return answer.status, json.loads(data)
            return answer.status, data.decode(errors="replace")

    def call(self, method, path, body=None, **more):
        """The document; an exception with the Status for anything but a success."""
        code, document = self.request(method, path, body, **more)
        if code >= 300:
            raise Refused(code, document if isinstance(document, dict) else {"message": document})
        return document

    def watch(self, path):
        return Watch(self.port, path)


class Watch:
    """Events of a watch, collected by a thread of its own."""

    def __init__(self, port, path):
        self.events = []
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.connection.request("GET", path + ("&" if "?" in path else "?") + "watch=true&timeoutSeconds=100")
        self.answer = self.connection.getresponse()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            for line in self.answer:
                self.events.append(json.loads(line))

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.sock.shutdown(2)
        self.connection.close()


def eventually(condition, what, seconds=WAIT_SECONDS):
    """The first true value of the condition; fails with `what`, which may be a function of the moment."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.05)


GROUPS = {"pods": "/api/v1", "nodes": "/api/v1", "namespaces": "/api/v1", "events": "/api/v1", "configmaps": "/api/v1",
          "persistentvolumeclaims": "/api/v1", "controllerrevisions": "/apis/apps/v1", "leases": "/apis/coordination.k8s.io/v1",
          "poddisruptionbudgets": "/apis/policy/v1beta1", "inplacesets": "/apis/apps.kruise.io/v1beta1",
          "statefulsets": "/apis/apps.kruise.io/v1beta1", "sidecarsets": "/apis/apps.kruise.io/v1beta1",
          "broadcastjobs": "/apis/apps.kruise.io/v1beta1"}
CLUSTER_SCOPED = {"nodes", "namespaces", "sidecarsets"}
MERGE = "application/merge-patch+json"


class PlaneTest(unittest.TestCase):
    """Tests of one plane; each has a namespace of its own. Names of tests are what they assert."""

    NODES = 20
    FLAGS = ()

    @classmethod
    def setUpClass(cls):
        cls.plane = Plane(cls.NODES, cls.FLAGS).start()
        cls.addClassCleanup(cls.plane.close)
        eventually(lambda: cls.ready_nodes() == cls.NODES, lambda: f"{cls.ready_nodes()} of {cls.NODES} nodes are ready")

    @classmethod
    def ready_nodes(cls):
        nodes = cls.plane.call("GET", "/api/v1/nodes")["items"]
        return sum(condition_of(node, "Ready") == "True" for node in nodes)

    def setUp(self):
        words = re.sub(r"[^a-z0-9]+", "-", self._testMethodName.lower()).strip("-")
        self.ns = f"{words[5:50].strip('-')}-{os.urandom(3).hex()}"
        self.plane.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.ns}})

    def path(self, resource, name=None, sub=None):
        middle = "" if resource in CLUSTER_SCOPED else f"/namespaces/{self.ns}"
        return f"{GROUPS[resource]}{middle}/{resource}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")

    def create(self, resource, document):
        return self.plane.call("POST", self.path(resource), document)

    def get(self, resource, name):
        return self.plane.call("GET", self.path(resource, name))

    def find(self, resource, name):
        """The object, or None."""
        try:
            return self.get(resource, name)
        except Refused as refused:
            if refused.code != 404:
                raise
            return None

    def list(self, resource, query=""):
        return self.plane.call("GET", self.path(resource) + (f"?{query}" if query else ""))["items"]

    def patch(self, resource, name, body, sub=None, kind=MERGE):
        return self.plane.call("PATCH", self.path(resource, name, sub), body, content_type=kind)

    def delete(self, resource, name, body=None):
        return self.plane.call("DELETE", self.path(resource, name), body)

    def refused(self, code, method, path, body=None, **more):
        """The Refused that the request must end with."""
        with self.assertRaises(Refused) as caught:
            self.plane.call(method, path, body, **more)
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        self.assertEqual(caught.exception.status.get("kind"), "Status")
        return caught.exception

    def pods(self, query=""):
        return {pod["metadata"]["name"]: pod for pod in self.list("pods", query)}

    def events_about(self, name):
        return [event for event in self.list("events") if event["involvedObject"].get("name") == name]

    def await_event(self, name, reason):
        return eventually(lambda: [e for e in self.events_about(name) if e["reason"] == reason],
                          lambda: f"event {reason} about {name}: {[e['reason'] for e in self.events_about(name)]}")

    def story(self):
        """What the plane says about the namespace, for the message of a failure."""
        lines = [f"{s['metadata']['name']}: {json.dumps(s.get('status'))}" for s in self.list("inplacesets")]
        lines += [f"{e['involvedObject'].get('name')} {e['reason']} x{e.get('count')} {e.get('lastTimestamp')}: {e['message']}"
                  for e in self.list("events")]
        return "\n".join(lines + [self.plane.log_tail()])

    def await_ready(self, count, query=""):
        def ready():
            return sum(is_ready(pod) for pod in self.pods(query).values()) == count and len(self.pods(query)) == count
        eventually(ready, lambda: f"{count} ready pods: {summary(self.pods(query))}\n{self.story()}")
        return self.pods(query)


def condition_of(document, kind):
    for condition in document.get("status", {}).get("conditions") or []:
        if condition["type"] == kind:
            return condition["status"]
    return None


def is_ready(pod):
    return condition_of(pod, "Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def image_of(pod):
    return pod["spec"]["containers"][0]["image"]


def restarts_of(pod, container=0):
    return pod["status"]["containerStatuses"][container]["restartCount"]


def summary(pods):
    return {name: (pod["status"].get("phase"), is_ready(pod), pod["spec"].get("nodeName"), image_of(pod)) for name, pod in pods.items()}
