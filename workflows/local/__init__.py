"""The local engine: runs a Workflow manifest on this machine, each container template as a process.

It knows the part of Argo that this project uses and refuses anything else by its name.
"""

from workflows.local.engine import Engine, Observer, Outcome
from workflows.local.fields import UnsupportedError
from workflows.local.node import Node
from workflows.local.plan import read_plan

__all__ = ["Engine", "Node", "Observer", "Outcome", "UnsupportedError", "read_plan"]
