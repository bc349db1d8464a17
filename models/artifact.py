"""Models at rest: `objects/<model id>` in skops' format (never pickle), and beside it the model card as JSON.

A skops file's own hash differs from run to run, so a model is named by what it computes: the sha256 over tree arrays,
calibration and feature list, computed again from what was loaded. Scoring loads plain arrays only: no type of scikit-learn, so
a model outlives upgrades, and no tree is walked before its hash is known. The fitted estimator travels along for notebooks.
"""

import hashlib
import json
import re
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from fraud.errors import ModelError
from models.calibration import Calibration
from models.tail_bins import TailBins
from models.trees import Trees
from storage.parts import Folder

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = "objects"
SCHEMA_VERSION = 1
TRUSTED_TO_SCORE: Final[list[str]] = []
"""Nothing beyond numpy arrays and Python's own types."""
TRUSTED_ESTIMATOR: Final[list[str]] = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
"""Its node numbers are walked without bounds checks, hence only after its trees were found to be those of the model id."""
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)
"""What reading bytes that are no model may raise."""

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All that a score depends on."""

    features: tuple[str, ...]
    """Names of the matrix's columns, in order."""
    trees: Trees
    calibration: Calibration
    model_id: str = field(init=False)
    """sha256, hex."""

    def __post_init__(self) -> None:
        """Name the model by what it computes."""
        object.__setattr__(self, "model_id", _identify(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """What the trees were read from, for notebooks: `classifier` takes `bins.transform(matrix)`."""

    classifier: Any
    """A fitted sklearn.ensemble.HistGradientBoostingClassifier."""
    bins: TailBins

    def dump(self) -> bytes:
        """As skops bytes."""
        bins = {"edges": list(self.bins.edges), "usable": list(self.bins.usable)}
        content: bytes = _skops().dumps({"classifier": self.classifier, **bins})
        return content

    @classmethod
    def load(cls, content: bytes) -> Self:
        """The reverse of `dump`."""
        fields = _skops().loads(content, trusted=TRUSTED_ESTIMATOR)
        return cls(classifier=fields["classifier"], bins=TailBins(tuple(fields["edges"]), tuple(fields["usable"])))


def save(data_dir: str | Path, model: Model, estimator: Estimator, card: dict[str, Any]) -> None:
    """Write the model, then its card, under the model's id. What is there under that id already computes the same."""
    content = _skops().dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "features": list(model.features),
            "trees": model.trees.arrays(),
            "calibration": model.calibration.arrays(),
            "estimator": estimator.dump(),
        },
        compression=zipfile.ZIP_DEFLATED,
    )
    folder = Folder.at(data_dir) / FOLDER
    folder.make()
    folder.write(model.model_id, content)
    folder.write(_card_name(model.model_id), json.dumps(card, indent=1, sort_keys=True, allow_nan=False).encode())


def load(data_dir: str | Path, model_id: str) -> Model:
    """The model of that id. Raises ModelError, one line, when it is missing, damaged or another one."""
    fields = _fields(data_dir, model_id)
    try:
        model = Model(
            features=tuple(fields["features"]),
            trees=Trees.of(fields["trees"]),
            calibration=Calibration.of(fields["calibration"]),
        )
    except _DAMAGE as error:
        raise _damaged(data_dir, model_id) from error
    if model.model_id != model_id:
        raise ModelError(
            f"model {model_id[:12]} under {data_dir}/{FOLDER} computes something else (its id would be "
            f"{model.model_id[:12]}): restore the file or promote another model"
        )
    return model


def load_estimator(data_dir: str | Path, model_id: str) -> Estimator:
    """The scikit-learn estimator behind a model, checked to be the one. Raises ModelError as `load`."""
    model = load(data_dir, model_id)
    try:
        estimator = Estimator.load(_fields(data_dir, model_id)["estimator"])
        flattened = Trees.flatten(estimator.classifier, estimator.bins)
    except _DAMAGE as error:
        raise _damaged(data_dir, model_id) from error
    again = Model(features=model.features, trees=flattened, calibration=model.calibration)
    if again.model_id != model_id:
        raise ModelError(f"the estimator stored with model {model_id[:12]} is another one: it cannot be trusted")
    return estimator


def load_card(data_dir: str | Path, model_id: str) -> dict[str, Any]:
    """The model card. Raises ModelError when there is none."""
    content = _read(data_dir, _card_name(model_id))
    try:
        card: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise _damaged(data_dir, _card_name(model_id)) from error
    return card


def _identify(model: Model) -> str:
    digest = hashlib.sha256(json.dumps(model.features).encode())
    for group, arrays in (("trees", model.trees.arrays()), ("calibration", model.calibration.arrays())):
        for name, values in arrays.items():
            little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
            digest.update(f"\0{group}.{name} {little.dtype.str} {little.shape}\0".encode())
            digest.update(little.tobytes())
    return digest.hexdigest()


def _fields(data_dir: str | Path, model_id: str) -> dict[str, Any]:
    content = _read(data_dir, model_id)
    try:
        fields: dict[str, Any] = _skops().loads(content, trusted=TRUSTED_TO_SCORE)
        version = fields["schema_version"]
    except _DAMAGE as error:
        raise _damaged(data_dir, model_id) from error
    if version != SCHEMA_VERSION:
        raise ModelError(
            f"model {model_id[:12]} was saved in format {version}, this release reads {SCHEMA_VERSION}: upgrade"
        )
    return fields


def _read(data_dir: str | Path, name: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]{64}(\.card\.json)?", name):
        raise ModelError(f"{name!r} is no model id: it has 64 hexadecimal digits")
    content = (Folder.at(data_dir) / FOLDER).read(name)
    if content is None:
        raise ModelError(f"model {name} is not under {data_dir}/{FOLDER}: copy it there or promote another model")
    return content


def _damaged(data_dir: str | Path, name: str) -> ModelError:
    return ModelError(f"model {name} under {data_dir}/{FOLDER} is damaged: restore the file or promote another model")


def _card_name(model_id: str) -> str:
    return f"{model_id}.card.json"


def _skops() -> "ModuleType":
    """Imported when a model is read or written: it brings scikit-learn, and commands without a model start without both."""
    import skops.io

    module: ModuleType = skops.io
    return module
