"""Support vector machines of scikit-learn pipelines (domain ai.onnx.ml), digital."""

from __future__ import annotations

from typing import Any

import numpy as np

from stack3d.workload.operators.allowance import afford, charge
from stack3d.workload.operators.classical import ML, TRANSFORMS, MlStep
from stack3d.workload.operators.table import Array, operators

SURE = 1e-7
"""Least probability of a class beside another."""
KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")


class _Vectors(MlStep):
    """Sums over vectors, weighted by how like each is to the input."""

    def numbers(self, name: str) -> Array:
        """Return a list of the node; empty where it has none."""
        return np.asarray(self.get(name) or [], np.float64)

    def likeness(self, x: Array, vectors: Array) -> Array:
        """Return the kernel of inputs (batch, features) and vectors (vectors, features), (batch, vectors)."""
        gamma, offset, degree = [*(self.get("kernel_params") or []), 0.0, 0.0, 0.0][:3]
        kind = self.get("kernel_type", "LINEAR")
        afford((len(x), len(vectors)), 32)
        dot = x @ vectors.T
        if kind == "RBF":
            apart = np.square(x).sum(axis=1)[:, None] + np.square(vectors).sum(axis=1) - 2.0 * dot
            return np.asarray(np.exp(-gamma * np.maximum(apart, 0.0)))
        if kind == "POLY":
            return np.asarray((gamma * dot + offset) ** degree)
        return np.asarray(np.tanh(gamma * dot + offset) if kind == "SIGMOID" else dot)

    def objection(self, constants: Any) -> str | None:
        """Return what is not supported."""
        kind = self.get("kernel_type", "LINEAR")
        return super().objection(constants) if kind in KERNELS else f"a {self.node.kind} with the kernel {kind}"

    def macs(self, inputs: Any, outputs: Any) -> int:
        """Return those of the kernels and sums."""
        return int(len(inputs[0]) * (self.numbers("support_vectors").size + self.numbers("coefficients").size))


@operators.register(ML + "SVMRegressor")
class SVMRegressor(_Vectors):
    """One weighted sum of kernels, or of features."""

    def compute(self, x: Array) -> Array:
        """Return it for every input, shape (batch, 1)."""
        x, weights = x.astype(np.float64), self.numbers("coefficients")
        if count := self.get("n_supports", 0):
            x = self.likeness(x, self.numbers("support_vectors").reshape(count, -1))
        y = x @ weights[:, None] + self.numbers("rho")[:1]
        y = np.where(y > 0.0, 1.0, -1.0) if self.get("one_class", 0) else TRANSFORMS[self.get("post_transform", "NONE")](y)
        return np.asarray(y, np.float32)


@operators.register(ML + "SVMClassifier")
class SVMClassifier(_Vectors):
    """Votes of machines for each pair of classes, or one weighted sum of features for each class.

    References
    ----------
    .. [1] T.-F. Wu, C.-J. Lin, R. C. Weng, J. Mach. Learn. Res. 5 (2004) 975: probabilities of pairs to those of classes.
    """

    def compute(self, x: Array) -> tuple[Array, Array]:
        """Return classes and scores: of the pairs, of two classes their one score and its negative, or probabilities."""
        labels, of_class = self.labels(), self.get("vectors_per_class")
        x, transform = x.astype(np.float64), TRANSFORMS[self.get("post_transform", "NONE")]
        if not of_class:
            scores = x @ self.numbers("coefficients").reshape(len(labels), -1).T + self.numbers("rho")[:1]
            return labels[scores.argmax(axis=1)], np.asarray(transform(scores), np.float32)
        scores = self.pairs(x, of_class)
        votes = np.zeros((len(x), len(of_class)))
        for n, (i, j) in enumerate(zip(*np.triu_indices(len(of_class), 1))):
            votes[:, i] += scores[:, n] > 0.0
            votes[:, j] += scores[:, n] <= 0.0
        if self.get("prob_a"):
            votes = scores = self.probabilities(scores, len(of_class))
        elif scores.shape[1] == 1:
            scores = np.concatenate([-scores, scores], axis=1)
        return labels[votes.argmax(axis=1)], np.asarray(transform(scores), np.float32)

    def pairs(self, x: Array, of_class: list[int]) -> Array:
        """Return what the machine of each pair of classes says: above zero for the first, shape (batch, pairs)."""
        ends = np.cumsum([0, *of_class])
        like = self.likeness(x, self.numbers("support_vectors").reshape(ends[-1], -1))
        weights, offsets = self.numbers("coefficients").reshape(-1, ends[-1]), self.numbers("rho")
        parts = [slice(a, b) for a, b in zip(ends, ends[1:])]
        charge(len(x) * ends[-1] * len(of_class))
        pairs = zip(*np.triu_indices(len(of_class), 1))
        sums = [like[:, parts[i]] @ weights[j - 1, parts[i]] + like[:, parts[j]] @ weights[i, parts[j]] for i, j in pairs]
        return np.stack(sums, axis=1) + offsets[: len(sums)]

    def probabilities(self, scores: Array, classes: int) -> Array:
        """Return those of the classes which agree best with those of the pairs [1]_, shape (batch, classes)."""
        first = 1.0 - TRANSFORMS["LOGISTIC"](scores * self.numbers("prob_a") + self.numbers("prob_b"))
        of_pair = np.zeros(afford((len(scores), classes, classes), 24))
        i, j = np.triu_indices(classes, 1)
        of_pair[:, i, j] = np.clip(first, SURE, 1.0 - SURE)
        of_pair[:, j, i] = 1.0 - of_pair[:, i, j]
        q = -of_pair * of_pair.swapaxes(1, 2)
        diagonal = np.arange(classes)
        q[:, diagonal, diagonal] = np.square(of_pair).sum(axis=1)
        p = np.full((len(scores), classes), 1.0 / classes)
        going = np.arange(len(scores))
        for _ in range(max(100, classes)):
            some, chance = q[going], p[going]
            pull = np.einsum("nij,nj->ni", some, chance)
            mean = (chance * pull).sum(axis=1)
            far = np.abs(pull - mean[:, None]).max(axis=1) >= 0.005 / classes
            if not far.any():
                break
            going, some, chance, pull, mean = going[far], some[far], chance[far], pull[far], mean[far]
            charge(20 * some.size)
            for t in range(classes):
                step = (mean - pull[:, t]) / some[:, t, t]
                mean = (mean + step * (step * some[:, t, t] + 2.0 * pull[:, t])) / (1.0 + step) ** 2
                chance[:, t] += step
                chance /= 1.0 + step[:, None]
                pull = (pull + step[:, None] * some[:, t]) / (1.0 + step[:, None])
            p[going] = chance
        return p
