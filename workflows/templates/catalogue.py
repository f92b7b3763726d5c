"""All WorkflowTemplates: a new one is one file and one line here."""

import yaml

from workflows.manifest import to_manifest, to_yaml
from workflows.templates.cleanup import cleanup
from workflows.templates.comparison import comparison
from workflows.templates.inference import inference
from workflows.templates.new_datasets import new_datasets
from workflows.templates.site import Site
from workflows.templates.training import train_and_infer, training

TEMPLATES = (inference, training, train_and_infer, comparison, new_datasets, cleanup)
KUSTOMIZATION = "kustomization.yaml"


def rendered(site: Site) -> dict[str, str]:
    """File name to YAML of each WorkflowTemplate."""
    manifests = [to_manifest(template(site)) for template in TEMPLATES]
    return {f"{each['metadata']['name']}.yaml": to_yaml(each) for each in manifests}


def folder(site: Site) -> dict[str, str]:
    """The same as a folder for ``kubectl apply -k``."""
    files = rendered(site)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(files),
    }
    return files | {KUSTOMIZATION: yaml.safe_dump(kustomization, sort_keys=False)}
