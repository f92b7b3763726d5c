"""Fixtures that every test may use, and the rule that continuous integration may not skip a test."""

import os
import signal
from pathlib import Path

import hypothesis
import pytest

NO_SKIP = "FAIL_ON_SKIPPED_TESTS"
LONG = {"test_interrupted.py", "test_run_failures.py", "test_many_shards.py", "test_templates.py"}

os.environ["MKL_CBWR"] = "AUTO,STRICT"  # as fix_algorithms sets it, but before any test computes

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

# A shell that runs tests in the background has Ctrl-C ignored, and every process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images and dataset files that lie beside the checkout; not part of the repository."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real images of ../shared/data are not here")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes and waits much, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a test was skipped although $FAIL_ON_SKIPPED_TESTS promises that everything is provided."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(NO_SKIP) and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
