"""Which cluster the environment means, read as Argo's own command reads it."""

import pytest

from imaging_core.errors import ConfigurationError, UsageError
from workflows.cluster.connection import connect


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Sets variables, after all that matter were taken away."""
    for name in ("SERVER", "TOKEN", "NAMESPACE", "SECURE", "INSECURE_SKIP_VERIFY", "BASE_HREF"):
        monkeypatch.delenv(f"ARGO_{name}", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return lambda **variables: [monkeypatch.setenv(name, value) for name, value in variables.items()]


def test_an_argo_server_with_its_base_path_and_namespace(environment):
    environment(ARGO_SERVER="argo.example.org:443", ARGO_BASE_HREF="/argo/", ARGO_NAMESPACE="imaging")
    api = connect(None)
    assert api.describe() == "Argo Server https://argo.example.org:443/argo, namespace imaging"
    assert api.link("w") == "https://argo.example.org:443/argo/workflows/imaging/w"
    assert connect("other").namespace == "other"


def test_an_argo_server_without_tls(environment):
    environment(ARGO_SERVER="localhost:2746", ARGO_SECURE="false")
    assert connect("a").describe() == "Argo Server http://localhost:2746, namespace a"


@pytest.mark.parametrize("token", ["Bearer very.secret", "very.secret"])
def test_a_token_is_sent_as_a_bearer_and_never_shown(environment, token):
    environment(ARGO_SERVER="localhost:2746", ARGO_TOKEN=token)
    api = connect("a")
    assert getattr(api, "token", None) == "Bearer very.secret"
    assert "very.secret" not in f"{api!r} {api.describe()}"


def test_an_address_with_a_scheme_is_refused(environment):
    environment(ARGO_SERVER="https://argo.example.org")
    with pytest.raises(UsageError, match="give host:port"):
        connect(None)


def test_without_any_it_is_said_what_to_set(environment):
    with pytest.raises(ConfigurationError, match="set ARGO_SERVER and ARGO_TOKEN, or KUBECONFIG"):
        connect(None)
