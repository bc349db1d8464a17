import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.errors import ModelError
from models.calibrating import Method, calibrate
from models.calibration import MICRO, Calibration

both = pytest.mark.parametrize("method", list(Method))


def scored(rows=20_000, seed=0, sharpness=1.0, shift=0.0):
    """Raw scores whose true log-odds are `sharpness` times the score plus `shift`."""
    random = np.random.default_rng(seed)
    raw = random.normal(-3, 1.5, rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(-(sharpness * raw + shift)))).astype(np.int8)
    return raw, labels


@both
def test_scores_mean_what_they_say(method):
    raw, labels = scored(sharpness=0.5, shift=-1.0)

    units = calibrate(method, raw, labels).micro_units(raw)

    for low, high in ((-9, -3), (-3, -1), (-1, 3)):
        group = (raw > low) & (raw <= high)
        assert units[group].mean() / MICRO == pytest.approx(labels[group].mean(), rel=0.15, abs=0.002)


@both
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=50))
def test_a_higher_raw_score_never_gets_a_lower_score(method, raws):
    calibration = calibrate(method, *scored(rows=2_000))

    units = calibration.micro_units(np.sort(np.array(raws)))

    assert (np.diff(units) >= 0).all()
    assert units.min() >= 0
    assert units.max() <= MICRO


def test_a_sigmoid_keeps_the_order_of_the_most_suspicious_payments():
    calibration = calibrate(Method.SIGMOID, *scored())

    units = calibration.micro_units(np.linspace(-5.0, 8.0, 500))

    assert (np.diff(units) > 0).all()


def test_a_sigmoid_drawn_by_knots_is_close_to_the_curve():
    raw, labels = scored()
    calibration = calibrate(Method.SIGMOID, raw, labels)
    slope, offset = 32 / (calibration.raw[-1] - calibration.raw[0]), 0.0
    offset = 16 - slope * calibration.raw[-1]

    curve = MICRO / (1 + np.exp(-(slope * raw + offset)))

    assert np.abs(calibration.micro_units(raw) - curve).max() < 15


@both
def test_a_score_does_not_depend_on_its_neighbours(method):
    raw, labels = scored(rows=3_000)
    calibration = calibrate(method, raw, labels)

    assert calibration.micro_units(raw[:50]).tolist() == [
        int(calibration.micro_units(raw[row : row + 1])[0]) for row in range(50)
    ]


@both
@pytest.mark.parametrize("extreme", [-np.inf, -1e300, 1e300, np.inf])
def test_beyond_the_ends_the_line_is_level(method, extreme):
    calibration = calibrate(method, *scored(rows=2_000))
    end = calibration.raw[0] if extreme < 0 else calibration.raw[-1]

    assert calibration.micro_units(np.array([extreme])) == calibration.micro_units(np.array([end]))


@both
def test_scores_that_say_the_opposite_cannot_be_calibrated(method):
    raw, labels = scored(rows=2_000)

    with pytest.raises(ModelError, match="cannot be calibrated"):
        calibrate(method, np.sort(raw), np.sort(labels)[::-1])


def test_arrays_hold_everything():
    raw, labels = scored(rows=2_000)
    calibration = calibrate(Method.ISOTONIC, raw, labels)

    assert Calibration.of(calibration.arrays()).micro_units(raw).tolist() == calibration.micro_units(raw).tolist()
