"""What runs where: the Hera workflow, the command line, the local and the Argo engine."""
