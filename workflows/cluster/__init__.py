"""Argo Workflows on a cluster: how it is reached, and what it says of a workflow."""
