"""What ``submit`` brings to a run from this machine, and what it refuses to."""

from dataclasses import replace
from pathlib import Path

import pytest

from imaging_core.errors import UsageError
from imaging_core.store import Location, open_store
from tests.e2e.conftest import make_dataset, make_model
from workflows.checks import check_inputs
from workflows.parameters import Parameters
from workflows.upload import plan_upload


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("upload")
    make_dataset(folder / "data", range(6))
    make_model(folder / "model")
    return folder


@pytest.fixture
def parameters(place):
    return Parameters(
        dataset=f"{place}/data/cells.yml", model=f"{place}/model", run="s3://bucket/runs/1", shards=2, parallelism=2
    )


def planned(parameters, *, images=True):
    return plan_upload(parameters, check_inputs(parameters), images=images)


def test_images_of_this_machine_are_counted_and_only_taken_on_request(parameters, place):
    size = sum((place / f"data/{case}.png").stat().st_size for case in range(2, 6))
    with pytest.raises(UsageError) as refused:
        planned(parameters, images=False)
    assert f"4 images and masks of split test ({size / 1e6:.2g} MB) lie on this machine" in str(refused.value)
    assert "--upload-images" in str(refused.value)


def test_everything_goes_below_its_digest_the_images_of_the_split_beside_their_dataset(parameters, place, tmp_path):
    upload, inputs = planned(parameters), check_inputs(parameters)
    sent: list[int] = []
    upload.carry_out(open_store(Location.parse(str(tmp_path))), sent.append)

    there = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    data, model = f"inputs/{inputs.dataset.sha256}", f"inputs/{inputs.model.sha256}"
    wanted = {f"{data}/{name}": place / "data" / name for name in ("cells.yml", *(f"{k}.png" for k in range(2, 6)))}
    wanted |= {f"{model}/{name}": place / "model" / name for name in ("model.yaml", "weights.safetensors")}
    assert there == {key: path.read_bytes() for key, path in wanted.items()}
    assert sum(sent) == sum(map(len, there.values()))
    changed = upload.changed(parameters)
    assert changed.dataset == f"s3://bucket/runs/1/{data}/cells.yml"
    assert changed.model == f"s3://bucket/runs/1/{model}"


def test_what_lies_in_a_bucket_stays_there(parameters, tmp_path):
    dataset = tmp_path / "d.yml"
    dataset.write_text("images: ['s3://elsewhere/a.png', 's3://elsewhere/b.png']\nsplit: {test: [0, 1]}\n")
    upload = planned(replace(parameters, dataset=str(dataset), allow_root=("s3://elsewhere",)), images=False)
    assert upload.images == 0
    assert [Path(key).name for key in upload.files] == ["d.yml", "model.yaml", "weights.safetensors"]


def test_images_that_are_not_there_are_left_for_the_run_to_report(parameters, tmp_path):
    dataset = tmp_path / "d.yml"
    dataset.write_text("images: [here.png, gone.png]\nsplit: {test: [0, 1]}\n")
    (tmp_path / "here.png").write_bytes(b"12345")
    upload = planned(replace(parameters, dataset=str(dataset)))
    assert (upload.images, upload.size, upload.absent) == (1, 5, 1)


@pytest.mark.parametrize("written", ["{folder}/a.png", "../a.png", "file://{folder}/a.png"])
def test_images_that_an_uploaded_dataset_could_not_name_are_refused(parameters, tmp_path, written):
    dataset = tmp_path / "deep" / "d.yml"
    dataset.parent.mkdir()
    dataset.write_text(f"images: ['{written.format(folder=tmp_path)}']\nsplit: {{test: [0]}}\n")
    with pytest.raises(UsageError, match="1 of its images and masks are named by a full path or lie outside"):
        planned(replace(parameters, dataset=str(dataset), allow_root=()))


@pytest.mark.parametrize(("name", "value"), [("allow_root", ("/archive",)), ("cache", "/cache")])
def test_folders_of_this_machine_are_no_use_to_pods(parameters, name, value):
    with pytest.raises(UsageError, match=r"pods cannot see this machine's folders; give s3://bucket/key"):
        planned(replace(parameters, **{name: value}))
