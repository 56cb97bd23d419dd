import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.files import KUBERNETES, lint, text_of, yaml_of

pytestmark = pytest.mark.xdist_group("prefect")
KUSTOMIZATIONS = (KUBERNETES / "kustomization.yaml", KUBERNETES / "jobs/kustomization.yaml")
MANIFESTS = sorted(set(KUBERNETES.rglob("*.yaml")) - set(KUSTOMIZATIONS))
TEMPLATE: dict[str, Any] = json.loads(text_of(KUBERNETES / "work-pool-job-template.json"))


def documents(kind: str) -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        yield from (document for document in yaml.safe_load_all(text_of(path)) if document["kind"] == kind)


def rendered_job() -> dict[str, Any]:
    """The Job that Prefect would start; lists and names of variables as prefect-kubernetes makes them."""
    from prefect.utilities.templating import apply_values  # noqa: PLC0415 - Prefect only where a test needs it

    values = {name: variable.get("default") for name, variable in TEMPLATE["variables"]["properties"].items()}
    values |= {"name": "rec-agora-abc", "env": [{"name": "PREFECT__FLOW_RUN_ID", "value": "abc"}]}
    manifest: dict[str, Any] = apply_values(TEMPLATE["job_configuration"]["job_manifest"], values)
    return manifest


def deployed_pods() -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in documents("Deployment")}


def test_the_manifests_keep_to_the_schemas_of_kubernetes() -> None:
    lint("kubernetes-validate", "--strict", *MANIFESTS)


def test_kustomizations_name_every_manifest_but_the_example() -> None:
    named = {path.parent / name for path in KUSTOMIZATIONS for name in yaml_of(path)["resources"]}
    assert named == set(MANIFESTS) - {KUBERNETES / "secret.example.yaml"}


@pytest.mark.parametrize("name", [*deployed_pods(), "job"])
def test_every_pod_may_do_next_to_nothing(name: str) -> None:
    pod = rendered_job()["spec"]["template"]["spec"] if name == "job" else deployed_pods()[name]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == 10001  # as in the Dockerfile
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] == (name == "job-starter")
    assert pod["enableServiceLinks"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert {volume["name"] for volume in pod["volumes"] if volume["emptyDir"]["sizeLimit"]} == set(mounted)
    assert "/tmp" in mounted.values()  # noqa: S108
    assert "memory" in container["resources"]["limits"]


def test_webs_are_asked_whether_they_live_and_are_ready() -> None:
    (web,) = [deployment for deployment in documents("Deployment") if deployment["metadata"]["name"] == "web"]
    (container,) = web["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert web["spec"]["replicas"] == 2
    (budget,) = documents("PodDisruptionBudget")
    assert budget["spec"]["selector"] == web["spec"]["selector"]


def test_services_find_their_pods() -> None:
    labels = {
        deployment["metadata"]["name"]: deployment["spec"]["template"]["metadata"]["labels"]
        for deployment in documents("Deployment")
    }
    services = {service["metadata"]["name"]: service["spec"]["selector"] for service in documents("Service")}
    assert services == {name: labels[name] for name in ("prefect", "web")}


def test_the_example_of_sources_is_one() -> None:
    (settings,) = documents("ConfigMap")
    (source,) = json.loads(settings["data"]["AFTERTAKE_SOURCES"])
    assert {"name", "store"} < set(source)


def test_what_is_secret_is_in_no_configmap() -> None:
    (settings,) = documents("ConfigMap")
    secret = {name for document in documents("Secret") for name in document["stringData"]}
    assert secret.isdisjoint(settings["data"])
    assert [name for name in settings["data"] if name.endswith(("_KEY_ID", "_SECRET", "_TOKEN", "_STRING"))] == []


def test_the_template_declares_what_it_refers_to() -> None:
    from prefect.utilities.templating import find_placeholders  # noqa: PLC0415

    referred = {placeholder.name for placeholder in find_placeholders(TEMPLATE["job_configuration"])}
    assert referred == set(TEMPLATE["variables"]["properties"])


def test_the_template_makes_a_job(tmp_path: Path) -> None:
    job = rendered_job()
    pod = job["spec"]["template"]["spec"]
    # prefect-kubernetes refuses a template that has these anywhere else, and Kubernetes does not know them here.
    assert (pod.pop("parallelism"), pod.pop("completions")) == (1, 1)
    job["metadata"]["name"] = job["metadata"].pop("generateName") + "1"  # as the cluster does
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job), encoding="utf-8")
    lint("kubernetes-validate", "--strict", tmp_path / "job.yaml")


def test_jobs_are_tried_once_end_in_time_and_go_away() -> None:
    spec = rendered_job()["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] > 3600
    assert spec["ttlSecondsAfterFinished"] > 0


def test_jobs_give_their_run_back_when_a_node_is_drained() -> None:
    """The image's own entrypoint would take the command for arguments, so both are said."""
    (container,) = rendered_job()["spec"]["template"]["spec"]["containers"]
    assert (container["command"], container["args"]) == (["prefect"], ["flow-run", "execute"])


def test_jobs_start_in_an_empty_directory() -> None:
    """Where no code is pulled, Prefect copies the directory that it is started in."""
    (container,) = rendered_job()["spec"]["template"]["spec"]["containers"]
    assert {"name": "data", "mountPath": container["workingDir"]} in container["volumeMounts"]
