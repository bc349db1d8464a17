import itertools

import numpy as np
import numpy.typing as npt
import pytest

from dashboard.colours import BACKGROUNDS, COLOUR_BY_SEVERITY, NEUTRAL, SEVERITIES, colour

Floats = npt.NDArray[np.float64]

# Machado, Oliveira, Fernandes (2009), severity 1.0; linear RGB.
SIGHT = {
    "full": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_every_severity_stands_out_on_both_themes(severity, background):
    lighter, darker = sorted((_luminance(colour(severity)), _luminance(background)), reverse=True)

    assert (lighter + 0.05) / (darker + 0.05) >= 3.0


@pytest.mark.parametrize("sight", SIGHT)
def test_no_two_severities_look_alike_to_anybody(sight):
    seen = {word: _lab(np.array(SIGHT[sight]) @ _linear(colour(word))) for word in SEVERITIES}

    distances = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in itertools.combinations(seen, 2)}

    assert min(distances.values()) > 15.0, distances


def test_the_worst_comes_first_and_an_unknown_word_is_neutral():
    assert SEVERITIES == ("critical", "high", "medium", "low")
    assert set(SEVERITIES) == set(COLOUR_BY_SEVERITY)
    assert colour("appalling") == NEUTRAL


def _linear(hex_: str) -> Floats:
    channels = np.array([int(hex_[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _luminance(hex_: str) -> float:
    return float(_linear(hex_) @ [0.2126, 0.7152, 0.0722])


def _lab(linear: Floats) -> Floats:
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = to_xyz @ np.clip(linear, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    curve = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * curve[1] - 16, 500 * (curve[0] - curve[1]), 200 * (curve[1] - curve[2])])
