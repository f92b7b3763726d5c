"""``run --cache``: what one run inferred the next one takes from there, and says so."""

import json
import shutil


def from_cache(workplace, name):
    return [
        json.loads(path.read_text())["from_cache"]
        for path in sorted(workplace.folder.glob(f"{name}/results/*/timing.json"))
    ]


def test_a_second_run_takes_everything_from_the_cache_and_a_resumed_one_too(workplace):
    assert workplace.run("runs/uncached").returncode == 0
    assert workplace.run("runs/filling", "--cache", "cache").returncode == 0
    warm = workplace.run("runs/warm", "--cache", "cache")

    assert warm.returncode == 0, warm.stderr
    assert "148 of 148 cases from the cache." in warm.stdout
    assert "148 of 148 cases from the cache." in (workplace.folder / "runs/warm/report/report.html").read_text()
    assert [from_cache(workplace, f"runs/{name}") for name in ("uncached", "filling", "warm")] == [
        [None, None], [0, 0], [74, 74],
    ]  # fmt: skip
    assert workplace.compared("runs/filling") == workplace.compared("runs/uncached")
    assert workplace.compared("runs/warm") == workplace.compared("runs/uncached")

    shutil.rmtree(workplace.folder / "runs/filling/results/001")
    resumed = workplace.call("run", "--resume", "runs/filling")
    assert resumed.returncode == 0, resumed.stderr
    assert from_cache(workplace, "runs/filling") == [0, 74]
    assert workplace.compared("runs/filling") == workplace.compared("runs/uncached")
