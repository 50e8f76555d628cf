"""The kubernetes client of PyPI against the cluster that KUBECONFIG names: typed and dynamic API, watch, exec, custom resources.

Run by the end-to-end tests inside the node's namespaces; exits with 1 and says what was wrong.
"""
import time
import unittest

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import stream

config.load_kube_config()
core, apps, extensions = client.CoreV1Api(), client.AppsV1Api(), client.ApiextensionsV1Api()


def until(what, check, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = check()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError("gave up waiting until " + what)


def deployment(name, replicas):
    labels = {"app": name}
    container = client.V1Container(name="main", image="busybox", command=["sh", "-c", "echo started; exec sleep infinity"])
    return client.V1Deployment(
        metadata=client.V1ObjectMeta(name=name, labels=labels),
        spec=client.V1DeploymentSpec(
            replicas=replicas, selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels),
                spec=client.V1PodSpec(containers=[container], termination_grace_period_seconds=0))))


class ClientTests(unittest.TestCase):
    def test_typed_objects(self):
        self.assertEqual([node.metadata.name for node in core.list_node().items], ["node-1"])
        created = core.create_namespaced_config_map("default", client.V1ConfigMap(metadata=client.V1ObjectMeta(generate_name="map-"), data={"a": "1"}))
        self.assertTrue(created.metadata.name.startswith("map-"))
        patched = core.patch_namespaced_config_map(created.metadata.name, "default", {"data": {"b": "2"}})
        self.assertEqual(patched.data, {"a": "1", "b": "2"})
        created.data = {"stale": "write"}
        with self.assertRaises(ApiException) as conflict:
            core.replace_namespaced_config_map(created.metadata.name, "default", created)
        self.assertEqual(conflict.exception.status, 409)
        core.delete_namespaced_config_map(created.metadata.name, "default")
        with self.assertRaises(ApiException) as missing:
            core.read_namespaced_config_map(created.metadata.name, "default")
        self.assertEqual(missing.exception.status, 404)

    def test_deployment_watch_exec_and_logs(self):
        apps.create_namespaced_deployment("default", deployment("python", 2))
        ready = False
        for event in watch.Watch().stream(apps.list_namespaced_deployment, "default", timeout_seconds=60):
            if event["object"].metadata.name == "python" and event["object"].status.ready_replicas == 2:
                ready = True
                break
        self.assertTrue(ready, "the watch saw both replicas ready")
        pods = core.list_namespaced_pod("default", label_selector="app=python").items
        self.assertEqual(len(pods), 2)
        self.assertEqual(core.read_namespaced_pod_log(pods[0].metadata.name, "default"), "started\n")
        said = stream(core.connect_get_namespaced_pod_exec, pods[0].metadata.name, "default", command=["echo", "hello"],
                      stderr=True, stdin=False, stdout=True, tty=False)
        self.assertEqual(said, "hello\n")
        apps.patch_namespaced_deployment_scale("python", "default", {"spec": {"replicas": 1}})
        until("one pod is left", lambda: len(core.list_namespaced_pod("default", label_selector="app=python").items) == 1)
        apps.delete_namespaced_deployment("python", "default", propagation_policy="Foreground")
        until("the deployment and its pods are gone", lambda: not core.list_namespaced_pod("default", label_selector="app=python").items)

    def test_custom_resources(self):
        schema = {"type": "object", "properties": {"spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1}, "color": {"type": "string", "default": "blue"}}}}}
        extensions.create_custom_resource_definition({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boxes.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "boxes", "singular": "box", "kind": "Box"},
                     "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]}})

        def established():
            conditions = extensions.read_custom_resource_definition("boxes.example.com").status.conditions or []
            return any(c.type == "Established" and c.status == "True" for c in conditions)

        until("the definition is established", established)
        boxes = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="example.com/v1", kind="Box")
        box = {"apiVersion": "example.com/v1", "kind": "Box", "metadata": {"name": "one"}, "spec": {"size": 3, "unknown": True}}
        created = boxes.create(body=box, namespace="default")
        self.assertEqual(created.spec.to_dict(), {"size": 3, "color": "blue"}, "defaults are set and unknown fields pruned")
        with self.assertRaises(ApiException) as wrong:
            boxes.create(body={**box, "metadata": {"name": "two"}, "spec": {"size": 0}}, namespace="default")
        self.assertEqual(wrong.exception.status, 422)
        self.assertIn("spec.size in body should be greater than or equal to 1", wrong.exception.body.decode() if isinstance(wrong.exception.body, bytes) else wrong.exception.body)
        applied = boxes.server_side_apply(body={**box, "spec": {"size": 5}}, name="one", namespace="default", field_manager="python", force_conflicts=True)
        self.assertEqual(applied.spec.size, 5)
        extensions.delete_custom_resource_definition("boxes.example.com")

        def gone():
            try:
                extensions.read_custom_resource_definition("boxes.example.com")
            except ApiException as error:
                return error.status == 404

        until("the definition and its objects are gone", gone)


if __name__ == "__main__":
    unittest.main(verbosity=2)
