"""``python -m workflows.install``: what a cluster's administrator applies, with the few answers that differ.

kubectl's kustomize renders ``manifests/overlays/NAME``. Objects are applied one by one by the Kubernetes API itself
(server-side apply: it tells created, changed and unchanged apart, keeps the fields that others own, and has a dry run),
and a ConfigMap of the namespace remembers the answers and what was made: the inventory says what an upgrade removes.
"""
