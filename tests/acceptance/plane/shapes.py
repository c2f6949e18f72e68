"""Manifests of the scenarios, with what a scenario changes as arguments."""


def template(labels=None, image="app:v1", annotations=None, gates=False, containers=None, **spec):
    body = {"containers": containers or [{"name": "app", "image": image}], "terminationGracePeriodSeconds": 1, **spec}
    if gates:
        body["readinessGates"] = [{"conditionType": "InPlaceUpdateReady"}]
    return {"metadata": {"labels": labels or {"app": "web"}, "annotations": annotations or {}}, "spec": body}


def inplace_set(name="web", replicas=3, policy="ReCreate", management="Parallel", rolling=None, image="app:v1", annotations=None,
                claims=None, strategy=None, pod=None, **spec):
    update = strategy or {"type": "RollingUpdate", "rollingUpdate": {"podUpdatePolicy": policy, **(rolling or {})}}
    body = {"replicas": replicas, "serviceName": name, "podManagementPolicy": management, "selector": {"matchLabels": {"app": name}},
            "template": template({"app": name}, image, annotations, gates=policy != "ReCreate", **(pod or {})),
            "updateStrategy": update, **spec}
    if claims:
        body["volumeClaimTemplates"] = [{"metadata": {"name": claim}, "spec": {"accessModes": ["ReadWriteOnce"],
                                         "resources": {"requests": {"storage": "1Gi"}}}} for claim in claims]
    return {"apiVersion": "apps.kruise.io/v1beta1", "kind": "InplaceSet", "metadata": {"name": name}, "spec": body}


def set_image(image):
    """A merge patch of a set whose only container is `app`."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}


def sidecar_set(name, labels, image="sidecar:v1", container="sidecar", env=None, **spec):
    return {"apiVersion": "apps.kruise.io/v1beta1", "kind": "SidecarSet", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": labels}, "containers": [{"name": container, "image": image, **({"env": env} if env else {})}], **spec}}


def broadcast_job(name="sweep", duration="200ms", annotations=None, restart="Never", node_selector=None, image="sweep:v1", **spec):
    marks = {"hollow.socle.dev/run-duration": duration, **(annotations or {})}
    pod = template({"job": name}, image, marks, restartPolicy=restart)
    if node_selector:
        pod["spec"]["nodeSelector"] = node_selector
    return {"apiVersion": "apps.kruise.io/v1beta1", "kind": "BroadcastJob", "metadata": {"name": name}, "spec": {"template": pod, **spec}}


def pod(name="one", image="app:v1", annotations=None, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}, "annotations": annotations or {}},
            "spec": {"containers": [{"name": "app", "image": image}], "terminationGracePeriodSeconds": 1, **spec}}
