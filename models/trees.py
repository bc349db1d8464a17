"""Boosted trees as flat arrays, walked by one kernel: the scores of scikit-learn, bit for bit, in a microsecond or two a row.

scikit-learn's own predict costs a millisecond a call, which a stream of small batches cannot pay. The bins that the trees were
trained on are folded in, so the thresholds are raw values and nothing is binned when scoring.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from numba import njit

from fraud.columns import Floats
from fraud.kernels import kernel
from models.tail_bins import TailBins

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

Nodes = npt.NDArray[np.void]
NODE = np.dtype([("threshold", "<f8"), ("look", "<u4"), ("left", "<u4")])
"""x <= threshold goes to `left`, x > threshold to left + 1. `look` is twice the column, plus 1 where an absent value goes right.
A leaf has threshold +inf and is its own left child: whoever stands on it stays."""
BLOCK_ROWS = 64
"""Rows that walk one tree before the next tree, so that the tree stays in the innermost cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """The nodes of all trees, one tree after the other, siblings side by side."""

    baseline: float
    """Raw score (log-odds) before the first tree."""
    roots: npt.NDArray[np.uint32]
    """uint32, shape (trees,)."""
    nodes: Nodes
    """dtype NODE, shape (nodes,)."""
    values: Floats
    """float64, shape (nodes,): what a leaf adds to the raw score, 0 elsewhere."""

    @classmethod
    def flatten(cls, classifier: "HistGradientBoostingClassifier", bins: TailBins) -> Self:
        """Read the trees of a classifier that was fitted on `bins.transform(matrix)`, all features numeric."""
        fitted: Any = classifier
        trees = [_in_breadth(iteration[0].nodes) for iteration in fitted._predictors]  # noqa: SLF001  no public way to the trees
        roots = np.cumsum([0, *(len(tree) for tree in trees[:-1])]).astype(np.uint32)
        return cls(
            baseline=float(fitted._baseline_prediction.item()),  # noqa: SLF001
            roots=roots,
            nodes=np.concatenate([_flat(tree, int(root), bins) for tree, root in zip(trees, roots, strict=True)]),
            values=np.concatenate([np.where(tree["is_leaf"] == 1, tree["value"], 0.0) for tree in trees]),
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that fixes a raw score, by name: what is saved, and what the model id is taken over."""
        return {
            "baseline": np.array([self.baseline]),
            "roots": self.roots,
            "threshold": np.ascontiguousarray(self.nodes["threshold"]),
            "look": np.ascontiguousarray(self.nodes["look"]),
            "left": np.ascontiguousarray(self.nodes["left"]),
            "values": self.values,
        }

    @classmethod
    def of(cls, arrays: dict[str, npt.NDArray[Any]]) -> Self:
        """The reverse of `arrays`; KeyError or ValueError for arrays that are no trees."""
        nodes = np.empty(len(arrays["threshold"]), dtype=NODE)
        for name in NODE.names or ():
            nodes[name] = arrays[name]
        return cls(baseline=float(arrays["baseline"][0]), roots=arrays["roots"], nodes=nodes, values=arrays["values"])

    def raw_scores(self, matrix: Floats) -> Floats:
        """Log-odds of fraud of raw values: float64, shape (rows, features), C order, NaN where absent."""
        out = np.full(len(matrix), self.baseline)
        _add_leaves(matrix, self.roots, self.nodes, self.values, out)
        return out


def _in_breadth(nodes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """One tree's scikit-learn nodes reordered: breadth first, so that siblings are neighbours and `left` says where."""
    order, left = [0], np.empty(len(nodes), dtype=np.uint32)
    for place in range(len(nodes)):
        node = nodes[order[place]]
        left[place] = place if node["is_leaf"] else len(order)
        if not node["is_leaf"]:
            order += [int(node["left"]), int(node["right"])]
    reordered = nodes[order]
    reordered["left"] = left
    return reordered


def _flat(tree: npt.NDArray[Any], root: int, bins: TailBins) -> Nodes:
    """One reordered tree as NODEs that begin at `root`, thresholds as raw values."""
    nodes = np.empty(len(tree), dtype=NODE)
    for place, node in enumerate(tree):
        feature, is_leaf = int(node["feature_idx"]), bool(node["is_leaf"])
        threshold = np.inf if is_leaf else bins.threshold(feature, float(node["num_threshold"]))
        look = 0 if is_leaf else 2 * feature + (0 if node["missing_go_to_left"] else 1)
        nodes[place] = (threshold, look, root + int(node["left"]))
    return nodes


# Node and column numbers are unsigned all the way: a signed index costs numba a test for counting from the end, at every step.
@njit(nogil=True, cache=True, inline="always")
def _child(nodes: Nodes, node: np.uint64, matrix: Floats, row: np.uint64) -> np.uint64:
    """The next node. Arithmetic, no branch: a processor cannot foresee the answer of a useful split."""
    look = np.uint64(nodes[node].look)
    x = matrix[row, look >> np.uint64(1)]
    goes_right = (x > nodes[node].threshold) | ((x != x) & ((look & np.uint64(1)) != np.uint64(0)))
    return np.uint64(nodes[node].left) + np.uint64(goes_right)


@kernel
def _add_leaves(matrix: Floats, roots: npt.NDArray[np.uint32], nodes: Nodes, values: Floats, out: Floats) -> None:
    """Add each tree's leaf to `out`, shape (rows,).

    A row's leaves are added in the order of the trees, wherever blocks begin and end, so the sum never depends on the batch.
    Four rows step together: each waits for its own memory, not for the others'.
    """
    rows = len(matrix)
    for first in range(0, rows, BLOCK_ROWS):
        last = min(first + BLOCK_ROWS, rows)
        for tree in range(len(roots)):
            root = np.uint64(roots[tree])
            row = first
            while row + 4 <= last:
                a = b = c = d = root
                while True:
                    next_a = _child(nodes, a, matrix, np.uint64(row))
                    next_b = _child(nodes, b, matrix, np.uint64(row + 1))
                    next_c = _child(nodes, c, matrix, np.uint64(row + 2))
                    next_d = _child(nodes, d, matrix, np.uint64(row + 3))
                    if next_a == a and next_b == b and next_c == c and next_d == d:
                        break
                    a, b, c, d = next_a, next_b, next_c, next_d
                out[row] += values[a]
                out[row + 1] += values[b]
                out[row + 2] += values[c]
                out[row + 3] += values[d]
                row += 4
            while row < last:
                a = root
                next_a = _child(nodes, a, matrix, np.uint64(row))
                while next_a != a:
                    a = next_a
                    next_a = _child(nodes, a, matrix, np.uint64(row))
                out[row] += values[a]
                row += 1
