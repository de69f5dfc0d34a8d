"""What outputs are judged as, by hand."""

import numpy as np
import pytest

from stack3d.workload.tasks import tasks


def one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    return np.eye(count)[classes]


def test_steps_of_sequences_count_each_and_unlabelled_ones_do_not() -> None:
    task = tasks["sequence"]((3, 2))
    labels = np.array([[0, 1, -1], [1, 1, 0]])
    found = np.stack([one_hot(np.array([[0, 0, 1], [1, 1, 0]]), 2).reshape(2, 6), one_hot(np.abs(labels), 2).reshape(2, 6)])
    assert task.check(labels) is None
    np.testing.assert_allclose(task.score(found, labels), [4 / 5, 1])
    np.testing.assert_array_equal(task.confusion(found, labels)[0], [[2, 0], [1, 2]])
    assert "wanted (3,)" in str(task.check(np.zeros((2, 4), int)))


def test_planes_are_judged_by_intersection_over_union() -> None:
    """Class 0: 2 of 3 together; class 1: 1 of 2; class 2 is nowhere and does not count."""
    task = tasks["segmentation"]((3, 2, 2))
    labels = np.array([[[0, 0], [1, 1]]])
    found = np.moveaxis(one_hot(np.array([[[0, 0], [0, 1]]]), 3), -1, 1).reshape(1, 12)
    np.testing.assert_allclose(task.score(found, labels), (2 / 3 + 1 / 2) / 2)


def test_yes_and_no_by_a_threshold() -> None:
    task = tasks["multi_label"]((3,), 0.5)
    labels = np.array([[1, 0, 1], [0, 0, 1]])
    found = np.array([[0.6, 0.4, 0.2], [0.1, 0.9, 0.8]])
    np.testing.assert_allclose(task.score(found, labels), 4 / 6)
    np.testing.assert_array_equal(task.confusion(found, labels), [[2, 1], [1, 2]])
    assert task.check(labels * 2) == "labels other than 0 and 1"


def test_probabilities_beside_a_threshold_of_logits_are_told() -> None:
    """All above zero says yes to everything; logits, one kind of label and a threshold that parts the outputs are let be."""
    probable, labels = np.array([[0.6, 0.4, 0.2], [0.1, 0.9, 0.8]]), np.array([[1, 0, 1], [0, 0, 1]])
    logits = tasks["multi_label"]((3,), 0.0)
    assert logits.doubt(probable, labels) == (
        "0 has every output above it: the float network gives 0.1 to 0.9; probabilities want 0.5"
    )
    assert "at or below" in str(tasks["multi_label"]((3,), 0.95).doubt(probable, labels))
    assert logits.doubt(probable - 0.5, labels) is None and logits.doubt(probable, np.ones_like(labels)) is None
    assert tasks["multi_label"]((3,), 0.5).doubt(probable, labels) is None
    assert tasks["regression"]((3,)).doubt(probable, labels) is None


def test_numbers_by_their_relative_error() -> None:
    """Off by a tenth of the spread everywhere: 0.9; off by more than the spread: 0."""
    task = tasks["regression"]((1,))
    labels = np.array([1.0, -1.0, 1.0, -1.0])
    found = np.stack([labels + 0.1, labels + 3.0])[..., None]
    np.testing.assert_allclose(task.score(found, labels), [0.9, 0.0])
    assert "the same" in str(task.check(np.ones(4)))


def test_agreement_makes_its_own_labels() -> None:
    task = tasks["agreement"]((4,))
    outputs = np.random.default_rng(0).normal(size=(6, 4))
    np.testing.assert_allclose(task.score(outputs, task.labels_of(outputs)), 1)


@pytest.mark.parametrize("name", ["classification", "sequence", "segmentation", "multi_label", "regression"])
def test_other_tasks_want_labels(name: str) -> None:
    assert tasks[name]((2, 2)).labels_of(np.ones((3, 4))) is None


@pytest.mark.parametrize(
    ("name", "shape", "places", "high"),
    [
        ("classification", (5,), (), 5),
        ("sequence", (4, 5), (4,), 5),
        ("segmentation", (3, 4, 2), (4, 2), 3),
        ("multi_label", (6,), (6,), 2),
        ("regression", (2,), (2,), 9),
    ],
)
def test_what_inputs_add_to_a_score(name: str, shape: tuple[int, ...], places: tuple[int, ...], high: int) -> None:
    """Its mean is the score, and leaving an input out moves the score by what it adds, to first order."""
    rng, n = np.random.default_rng(2), 200
    labels = rng.integers(0 if name in ("classification", "multi_label", "regression") else -1, high, (n, *places))
    outputs = rng.standard_normal((3, n, int(np.prod(shape))))
    if name == "regression":
        outputs = outputs + labels
    task = tasks[name](shape)
    score, parts = task.score(outputs, labels), task.by_input(outputs, labels)
    assert parts is not None and parts.shape == (3, n)
    np.testing.assert_allclose(parts.mean(axis=-1), score, atol=1e-12)
    kept = np.arange(n) != 7
    without = task.score(outputs[:, kept], labels[kept])
    slack = 0.1 if name in ("sequence", "segmentation", "regression") else 1e-9  # of those that are no means
    np.testing.assert_allclose(without, (n * score - parts[:, 7]) / (n - 1), atol=slack * np.abs(parts[:, 7] - score).max() / n)
