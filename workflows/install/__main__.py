"""Run as ``python -m workflows.install``."""

from steps.command import run_command
from workflows.install.command_line import main

run_command(main)
