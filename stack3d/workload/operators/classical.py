"""Steps of scikit-learn pipelines (domain ai.onnx.ml), all digital."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from stack3d.workload.operators.allowance import TURN, afford, charge
from stack3d.workload.operators.elementwise import UNARY
from stack3d.workload.operators.table import Array, Operator, operators

ML = "ai.onnx.ml."


def _softmax(x: Array) -> Array:
    y = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(y / y.sum(axis=-1, keepdims=True))


def _softmax_of_nonzero(x: Array) -> Array:
    y = np.where(x == 0, 0, np.exp(x - x.max(axis=-1, keepdims=True)))
    return np.asarray(y / y.sum(axis=-1, keepdims=True))


TRANSFORMS: dict[str, Callable[[Array], Any]] = {
    "NONE": lambda x: x,
    "LOGISTIC": UNARY["Sigmoid"],
    "SOFTMAX": _softmax,
    "SOFTMAX_ZERO": _softmax_of_nonzero,
}
"""What is made of scores."""


class MlStep(Operator):
    """A step whose inputs are real numbers, features last."""

    def labels(self) -> Array:
        """Return the classes of the node: whole numbers or words."""
        for name in ("classlabels_ints", "classlabels_int64s"):
            if self.get(name):
                return np.asarray(self.get(name), np.int64)
        return np.asarray(self.get("classlabels_strings") or [0, 1], object if self.get("classlabels_strings") else np.int64)

    def judged(self, scores: Array, transform: str) -> tuple[Array, Array]:
        """Return the class of the largest score and what is made of the scores."""
        labels = self.labels()
        return labels[np.minimum(scores.argmax(axis=-1), len(labels) - 1)], np.asarray(
            TRANSFORMS[transform](scores), np.float32
        )

    def judged_by_one(self, score: Array, edge: float, is_share: bool) -> tuple[Array, Array]:
        """Return the class and both scores where one score tells two classes apart, as onnxruntime makes them.

        Parameters
        ----------
        score : ndarray, shape (batch, 1)
            Of the second class.
        edge : float
            Score above which it is that.
        is_share : bool
            Whether the scores add up to one, rather than to zero; of a sigmoid they do in any case.
        """
        labels = self.labels()
        found = labels[np.minimum((score[..., 0] > edge).astype(int), len(labels) - 1)]
        if self.get("post_transform", "NONE") == "LOGISTIC":
            sigmoid = TRANSFORMS["LOGISTIC"]
            return found, np.concatenate([sigmoid(-score), sigmoid(score)], axis=-1).astype(np.float32)
        return found, np.concatenate([(1 if is_share else 0) - score, score], axis=-1).astype(np.float32)

    def objection(self, constants: Any) -> str | None:
        """Return what is not supported."""
        transform = self.get("post_transform", "NONE")
        return None if transform in TRANSFORMS else f"a {self.node.kind} with the transform {transform}"


@operators.register(ML + "Scaler")
class Scaler(MlStep):
    """(x - offset) times the scale, feature by feature."""

    def compute(self, x: Array) -> Array:
        """Return the scaled features."""
        return ((x - np.asarray(self.get("offset"), np.float32)) * np.asarray(self.get("scale"), np.float32)).astype(np.float32)


@operators.register(ML + "Normalizer")
class Normalizer(MlStep):
    """Every input over its norm."""

    def compute(self, x: Array) -> Array:
        """Return the normalised features."""
        size = {"MAX": lambda v: v.max(-1, keepdims=True), "L1": lambda v: np.abs(v).sum(-1, keepdims=True),
                "L2": lambda v: np.sqrt(np.square(v).sum(-1, keepdims=True))}[self.get("norm", "MAX")](x)  # fmt: skip
        return np.asarray(x / np.where(size == 0, 1, size), np.float32)


@operators.register(ML + "Imputer")
class Imputer(MlStep):
    """Missing features replaced."""

    def compute(self, x: Array) -> Array:
        """Return the features with none missing."""
        values = self.get("imputed_value_floats") or self.get("imputed_value_int64s")
        missing = self.get("replaced_value_float", self.get("replaced_value_int64", 0))
        lost = np.isnan(x) if isinstance(missing, float) and np.isnan(missing) else x == missing
        return np.where(lost, np.asarray(values, x.dtype), x)


@operators.register(ML + "Binarizer")
class Binarizer(MlStep):
    """One above a threshold, else zero."""

    def compute(self, x: Array) -> Array:
        """Return ones and zeros."""
        return np.asarray((x > self.get("threshold", 0.0)).astype(x.dtype))


@operators.register(ML + "FeatureVectorizer")
class FeatureVectorizer(MlStep):
    """Features one after the other."""

    def compute(self, *inputs: Array) -> Array:
        """Return them in one array."""
        return np.concatenate([x.reshape(len(x), -1) for x in inputs], axis=1).astype(np.float32)


@operators.register(ML + "ArrayFeatureExtractor")
class ArrayFeatureExtractor(MlStep):
    """Chosen features."""

    def compute(self, x: Array, which: Array) -> Array:
        """Return them."""
        found = np.take(x, which.ravel(), axis=-1)
        return found.reshape(1, -1) if x.ndim == 1 else found


@operators.register(ML + "LabelEncoder")
class LabelEncoder(MlStep):
    """One value for another."""

    def compute(self, x: Array) -> Array:
        """Return what stands for each element."""
        kinds = {"int64s": np.int64, "strings": object, "floats": np.float32}

        def of(side: str) -> tuple[Array, str]:
            if (tensor := self.get(f"{side}_tensor")) is not None:
                return tensor.ravel(), "tensor"
            name = next(n for n in kinds if self.get(f"{side}_{n}") is not None)
            return np.asarray(self.get(f"{side}_{name}"), kinds[name]), name

        (keys, _), (values, kind) = of("keys"), of("values")
        default = {"int64s": self.get("default_int64", -1), "strings": self.get("default_string", "_Unused"),
                   "floats": self.get("default_float", -0.0),
                   "tensor": np.ravel(self.get("default_tensor", 0))[0]}[kind]  # fmt: skip
        charge(x.size * 300)
        table = dict(zip(keys.tolist(), values.tolist()))
        return np.array([table.get(one, default) for one in x.ravel().tolist()], values.dtype).reshape(x.shape)


@operators.register(ML + "OneHotEncoder")
class OneHotEncoder(MlStep):
    """A one for the category of each element."""

    def compute(self, x: Array) -> Array:
        """Return ones and zeros, categories last."""
        known = np.asarray(self.get("cats_int64s") or self.get("cats_strings"))
        afford((*x.shape, *known.shape))
        return np.asarray(x[..., None] == known, np.float32)


@operators.register(ML + "LinearRegressor")
class LinearRegressor(MlStep):
    """Weighted sums of features."""

    def compute(self, x: Array) -> Array:
        """Return them."""
        (targets,) = afford((self.get("targets", 1),), 8)
        w = np.asarray(self.get("coefficients"), np.float32).reshape(targets, -1)
        y = x.astype(np.float32) @ w.T + np.asarray(self.get("intercepts") or [0.0] * targets, np.float32)
        return np.asarray(TRANSFORMS[self.get("post_transform", "NONE")](y), np.float32)

    def macs(self, inputs: Any, outputs: Any) -> int:
        """Return those of the sums."""
        return int(outputs[0].size * inputs[0].shape[-1])


@operators.register(ML + "LinearClassifier")
class LinearClassifier(MlStep):
    """Weighted sums of features, the largest of which tells the class."""

    def compute(self, x: Array) -> tuple[Array, Array]:
        """Return classes and scores."""
        offsets = np.asarray(self.get("intercepts"), np.float32)
        w = np.asarray(self.get("coefficients"), np.float32).reshape(len(offsets), -1)
        scores = x.astype(np.float32) @ w.T + offsets
        if scores.shape[-1] == 1:
            return self.judged_by_one(scores, 0.0, is_share=True)
        return self.judged(scores, self.get("post_transform", "NONE"))

    def macs(self, inputs: Any, outputs: Any) -> int:
        """Return those of the sums."""
        return int(len(inputs[0]) * len(self.get("coefficients")))


class _Trees(MlStep):
    """Sums over the leaves that an input falls into."""

    def __init__(self, node: Any) -> None:
        super().__init__(node)
        trees = self._listed("nodes_treeids")
        place = {at: i for i, at in enumerate(zip(trees, self._listed("nodes_nodeids")))}
        self.yes, self.no = (
            np.array([place.get(at, 0) for at in zip(trees, self._listed(f"nodes_{side}nodeids"))], int)
            for side in ("true", "false")
        )
        self.modes = np.asarray(self._listed("nodes_modes"))
        self.features = np.asarray(self._listed("nodes_featureids"), int)
        self.values = np.asarray(self._listed("nodes_values"), np.float32)
        self.missing = np.asarray(self._listed("nodes_missing_value_tracks_true") or [0] * len(trees), bool)
        self.roots = np.array([trees.index(t) for t in dict.fromkeys(trees)], int)
        kind = "class" if self.get("class_ids") is not None else "target"
        self.leaves: dict[int, list[tuple[int, float]]] = {}
        for t, n, c, w in zip(*(self._listed(f"{kind}_{name}") for name in ("treeids", "nodeids", "ids", "weights"))):
            self.leaves.setdefault(place[t, n], []).append((c, w))

    def _listed(self, attribute: str) -> list[Any]:
        """A list of the node; empty where it has none."""
        return list(self.get(attribute) or [])

    def sums(self, x: Array, outputs: int, together: str = "SUM") -> Array:
        """Return the sums over trees, or their mean, least or largest, shape (batch, outputs); what is added to all comes last.

        Parameters
        ----------
        x : ndarray, shape (batch, features)
        outputs : int
        together : {"SUM", "AVERAGE", "MIN", "MAX"}
        """
        weight = np.zeros(afford((len(self.modes), outputs), 8))
        says = np.zeros(weight.shape, bool)
        afford((len(x), len(self.roots), outputs), 24)
        for leaf, parts in self.leaves.items():
            for column, w in parts:
                weight[leaf, column if outputs > 1 else 0] += w
                says[leaf, column if outputs > 1 else 0] = True
        at = np.broadcast_to(self.roots, (len(x), len(self.roots))).copy()
        claims = {"BRANCH_LEQ": np.less_equal, "BRANCH_LT": np.less, "BRANCH_GTE": np.greater_equal, "BRANCH_GT": np.greater,
                  "BRANCH_EQ": np.equal, "BRANCH_NEQ": np.not_equal}  # fmt: skip
        for _ in range(len(self.modes)):
            inner = self.modes[at] != "LEAF"
            if not inner.any():
                break
            charge(100 * inner.size + TURN)
            value = np.take_along_axis(x, self.features[at], axis=1)
            holds = np.isnan(value) & self.missing[at]
            for mode, claim in claims.items():
                holds |= (self.modes[at] == mode) & claim(value, self.values[at])
            at = np.where(inner, np.where(holds, self.yes[at], self.no[at]), at)
        if together in ("MIN", "MAX"):
            end, best = (np.inf, np.min) if together == "MIN" else (-np.inf, np.max)
            total = best(np.where(says[at], weight[at], end), axis=1)
            total = np.where(np.isinf(total), 0.0, total)  # no tree says anything
        else:
            total = weight[at].sum(axis=1) / (len(self.roots) if together == "AVERAGE" else 1)
        return np.asarray(total + np.asarray(self.get("base_values") or [0.0] * outputs))


@operators.register(ML + "TreeEnsembleClassifier")
class TreeEnsembleClassifier(_Trees):
    """Votes of trees."""

    def compute(self, x: Array) -> tuple[Array, Array]:
        """Return classes and scores."""
        count, x = len(self.labels()), x.astype(np.float32)
        if count == 2 and set(self._listed("class_ids")) == {0} and len(self._listed("base_values")) < 2:
            are_shares = min(self._listed("class_weights"), default=0.0) >= 0
            return self.judged_by_one(self.sums(x, 1), 0.5 if are_shares else 0.0, are_shares)
        return self.judged(self.sums(x, count), self.get("post_transform", "NONE"))


@operators.register(ML + "TreeEnsembleRegressor")
class TreeEnsembleRegressor(_Trees):
    """Sum, mean, least or largest over trees."""

    def compute(self, x: Array) -> Array:
        """Return the values."""
        y = self.sums(x.astype(np.float32), self.get("n_targets", 1), self.get("aggregate_function", "SUM"))
        transform = "NONE" if y.shape[-1] == 1 else self.get("post_transform", "NONE")  # of one target runtimes make nothing
        return np.asarray(TRANSFORMS[transform](y), np.float32)


@operators.register(ML + "ZipMap")
class ZipMap(MlStep):
    """Scores by the names of classes; here they stay in their order."""

    def compute(self, x: Array) -> Array:
        """Return the scores."""
        return x
