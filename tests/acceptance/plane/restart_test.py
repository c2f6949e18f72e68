#!/usr/bin/env python3
"""Random work with kill -9 in the middle: the invariants of spec controllers 7.9 hold at every moment, and the end is the same.

  restart_test.py [--seed N] [--rounds N]
"""

import argparse
import random
import sys
import threading
import time

from plane import MERGE, Plane, Refused, condition_of, eventually, image_of, is_ready, summary
from shapes import broadcast_job, inplace_set, set_image

NODES = 12
REPLICAS_MAX = 12
MAX_UNAVAILABLE = 2
NS = "/namespaces/default"
SETS = f"/apis/apps.kruise.io/v1beta1{NS}/inplacesets"
JOBS = f"/apis/apps.kruise.io/v1beta1{NS}/broadcastjobs"
PODS = f"/api/v1{NS}/pods"


class Invariants:
    """Looks at the pods all the time; remembers what must never be."""

    def __init__(self, plane):
        self.plane = plane
        self.broken = []
        self.looks = 0
        self.is_done = False
        self.job_pods = {}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_done:
            try:
                self.look()
            except (OSError, Refused, ValueError):
                pass  # the plane is being killed or started
            time.sleep(0.01)

    def look(self):
        sets = {s["metadata"]["name"]: s for s in self.plane.call("GET", SETS)["items"]}
        pods = self.plane.call("GET", PODS)["items"]
        self.looks += 1
        for document in sets.values():
            status = document.get("status", {})
            if status.get("observedGeneration", 0) > document["metadata"]["generation"]:
                self.broken.append(f"observedGeneration is ahead: {status}")
            if status.get("readyReplicas", 0) > status.get("replicas", 0):
                self.broken.append(f"more ready than there are: {status}")
        for pod in pods:
            owner = next((o for o in pod["metadata"].get("ownerReferences", []) if o.get("controller")), None)
            if owner and owner["kind"] == "BroadcastJob":
                place = (owner["uid"], pod["spec"].get("nodeName") or pod["metadata"]["name"])
                first = self.job_pods.setdefault(place, pod["metadata"]["uid"])
                if first != pod["metadata"]["uid"]:
                    self.broken.append(f"a second pod of the job on {place}")

    def stop(self):
        self.is_done = True
        self.thread.join()


def unavailable_by_update(pods, before):
    """Pods of the set that were ready before the update and are not now."""
    return [name for name in before if not (name in pods and is_ready(pods[name]))]


def act(plane, dice, wanted):
    choice = dice.randrange(4)
    if choice == 0:
        wanted["image"] = f"app:v{dice.randrange(1, 6)}"
        plane.call("PATCH", f"{SETS}/web", set_image(wanted["image"]), content_type=MERGE)
    elif choice == 1:
        wanted["replicas"] = dice.randrange(1, REPLICAS_MAX)
        plane.call("PATCH", f"{SETS}/web", {"spec": {"replicas": wanted["replicas"]}}, content_type=MERGE)
    elif choice == 2:
        names = [pod["metadata"]["name"] for pod in plane.call("GET", PODS)["items"] if pod["metadata"]["name"].startswith("web-")]
        if names:
            plane.request("DELETE", f"{PODS}/{dice.choice(names)}")
    else:
        name = f"job-{len(wanted['jobs'])}"
        wanted["jobs"].append(name)
        plane.call("POST", JOBS, broadcast_job(name, duration="300ms"))


def try_to_act(plane, dice, wanted):
    """A write that met a killed plane may or may not have happened: it is made again until it is answered."""
    jobs = len(wanted["jobs"])
    try:
        act(plane, dice, wanted)
    except Refused as refused:
        if refused.code != 409:
            raise
    except OSError:
        del wanted["jobs"][jobs:]


def settle(plane, wanted):
    plane.call("PATCH", f"{SETS}/web", set_image(wanted["image"]), content_type=MERGE)
    plane.call("PATCH", f"{SETS}/web", {"spec": {"replicas": wanted["replicas"]}}, content_type=MERGE)

    def web():
        return {p["metadata"]["name"]: p for p in plane.call("GET", PODS)["items"] if p["metadata"]["name"].startswith("web-")}

    def reached():
        pods = web()
        return set(pods) == {f"web-{i}" for i in range(wanted["replicas"])} and all(
            is_ready(pod) and image_of(pod) == wanted["image"] for pod in pods.values())
    eventually(reached, lambda: f"{wanted}: {summary(web())}", seconds=90)

    def jobs_done():
        return all(plane.call("GET", f"{JOBS}/{name}").get("status", {}).get("phase") == "completed" for name in wanted["jobs"])
    eventually(jobs_done, lambda: [plane.call("GET", f"{JOBS}/{name}").get("status") for name in wanted["jobs"]], seconds=90)


def in_place_rollout_across_a_kill(plane, dice):
    """No more than maxUnavailable are down at any moment, the kill included; names, nodes and uids stay."""
    plane.call("POST", SETS, inplace_set("steady", replicas=10, policy="InPlaceIfPossible", rolling={"maxUnavailable": MAX_UNAVAILABLE}))

    def pods():
        return {p["metadata"]["name"]: p for p in plane.call("GET", f"{PODS}?labelSelector=app%3Dsteady")["items"]}
    eventually(lambda: len(pods()) == 10 and all(is_ready(p) for p in pods().values()), "the set is up", seconds=90)
    before = {name: (p["metadata"]["uid"], p["spec"]["nodeName"]) for name, p in pods().items()}
    plane.call("PATCH", f"{SETS}/steady", set_image("app:v2"), content_type=MERGE)
    time.sleep(dice.uniform(0.2, 1.5))
    plane.kill()
    plane.start()
    most = 0

    def done():
        nonlocal most
        now = pods()
        most = max(most, len(unavailable_by_update(now, before)))
        return all(is_ready(p) and image_of(p) == "app:v2" for p in now.values())
    eventually(done, lambda: summary(pods()), seconds=90)
    after = {name: (p["metadata"]["uid"], p["spec"]["nodeName"]) for name, p in pods().items()}
    assert after == before, f"{before} became {after}"
    assert most <= MAX_UNAVAILABLE, f"{most} pods were unavailable"
    assert {p["status"]["containerStatuses"][0]["restartCount"] for p in pods().values()} == {1}, summary(pods())
    plane.call("DELETE", f"{SETS}/steady")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    dice = random.Random(arguments.seed)
    with Plane(NODES) as plane:
        wanted = {"image": "app:v1", "replicas": 5, "jobs": []}
        plane.call("POST", SETS, inplace_set("web", replicas=5, policy="InPlaceIfPossible", rolling={"maxUnavailable": MAX_UNAVAILABLE}))
        watcher = Invariants(plane)
        in_place_rollout_across_a_kill(plane, dice)
        for number in range(arguments.rounds):
            for _ in range(dice.randrange(4, 10)):
                try_to_act(plane, dice, wanted)
                time.sleep(dice.uniform(0, 0.4))
            plane.kill()
            plane.start()
            settle(plane, wanted)
            print(f"round {number + 1}: settled on {wanted['replicas']} x {wanted['image']}, {len(wanted['jobs'])} jobs", flush=True)
        watcher.stop()
        assert not watcher.broken, watcher.broken[:5]
        assert watcher.looks > 50, "the invariants were hardly looked at"
        nodes = plane.call("GET", "/api/v1/nodes")["items"]
        assert len(nodes) == NODES and all(condition_of(node, "Ready") == "True" for node in nodes)
        plane.stop()
    print(f"{watcher.looks} looks at the invariants, nothing broken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
