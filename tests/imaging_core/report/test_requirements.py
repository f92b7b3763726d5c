"""``--require``: what is a requirement, which figures there are, and when one holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaging_core.errors import UsageError
from imaging_core.metrics.registry import CLASSIFICATION, SEGMENTATION
from imaging_core.report.requirements import COMPARISONS, Requirement

DOCUMENT = {
    "metrics": {"iou": {"mean": 0.7699999, "pooled": None, "macro": 0.5}},
    "per_class": [{"class": "a [b] >= c", "iou": 0.25}],
}


@given(
    st.sampled_from([metric.name for metric in (*CLASSIFICATION, *SEGMENTATION)]),
    st.sampled_from(["mean", "pooled", "macro"]) | st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1),
    st.sampled_from(sorted(COMPARISONS)),
    st.floats(-1e6, 1e6),
    st.sampled_from(["", " "]),
)
def test_what_is_written_in_this_form_is_read_back(metric, of, comparison, limit, blank):
    by_class = of not in ("mean", "pooled", "macro")
    figure = f"{metric}[{of}]" if by_class else f"{metric}.{of}"
    read = Requirement.parse(f"{blank}{figure}{blank}{comparison}{blank}{limit}{blank}")
    assert (read.metric, read.of, read.by_class) == (metric, of, by_class)
    assert (read.comparison, read.limit, read.figure) == (comparison, limit, figure)


@pytest.mark.parametrize(
    "text",
    [
        *("", "iou", "iou.mean", "iou>=0.7", "iou.mean=0.7", "iou.mean==0.7", "iou.mean=>0.7", "iou.mean>="),
        *("iou.mean>=x", "iou.mean>=nan", "iou.mean>=inf", "iou.mean>=1e999", "iou.median>=0.7", "IoU.mean>=0.7"),
        *("iou[]>=1", "iou.mean>=0.7 or 1", "__import__('os').mean>=0", "iou.mean>=\u0661"),
    ],
)
def test_anything_else_is_no_requirement_and_the_message_shows_one(text):
    with pytest.raises(ValueError, match=r"is not a requirement: .*iou\.mean>=0\.77"):
        Requirement.parse(text)


@pytest.mark.parametrize(
    ("text", "holds", "words"),
    [
        ("iou.mean>=0.77", False, "required iou.mean >= 0.77, found 0.7699999"),
        ("iou.mean<0.77", True, "required iou.mean < 0.77, found 0.7699999"),
        ("iou.macro>=0.5", True, "required iou.macro >= 0.5, found 0.5000"),
        ("iou.macro>0.5", False, "required iou.macro > 0.5, found 0.5000"),
        ("iou.macro<=0.5", True, "required iou.macro <= 0.5, found 0.5000"),
        ("iou[a [b] >= c]>=0.3", False, "required iou[a [b] >= c] >= 0.3, found 0.2500"),
        ("iou.pooled>=0", False, "required iou.pooled >= 0, undefined for these cases"),
        ("iou.pooled<=1", False, "required iou.pooled <= 1, undefined for these cases"),
        ("hd95.mean<=10", False, "required hd95.mean <= 10, undefined for these cases"),
        ("iou[other]>=0", False, "required iou[other] >= 0, undefined for these cases"),
    ],
)
def test_an_undefined_figure_meets_no_limit_and_no_rounding_hides_on_which_side_one_is(text, holds, words):
    requirement = Requirement.parse(text)
    value = requirement.value(DOCUMENT)
    assert (requirement.holds(value), requirement.words(value)) == (holds, words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dice.mean>=1", "no metric of a classification; there are accuracy, "),
        ("f1[cow]>=1", "its classes are cat, dog"),
    ],
)
def test_a_figure_that_no_such_model_has_is_a_usage_error(text, message):
    Requirement.parse("f1[cat]>=1").check("classification", ["cat", "dog"])
    with pytest.raises(UsageError, match=message):
        Requirement.parse(text).check("classification", ["cat", "dog"])
