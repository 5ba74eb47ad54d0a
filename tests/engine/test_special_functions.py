import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

import pytest

from engine.special_functions import erfc, exp, inverse_normal_cdf, log, normal_cdf
from tests.support.exact_functions import error_in_ulps, exact_erfc, exact_exp, exact_log
from tests.support.patience import PATIENCE_SECONDS

INFINITY = math.inf
ROOT = Path(__file__).parents[2]


def spread(seed: str, count: int, *ranges: tuple[float, float]) -> list[float]:
    chance = random.Random(seed)
    return [chance.uniform(*ends) for ends in ranges for _ in range(count)]


def test_exp_is_within_one_ulp_of_the_exact_value() -> None:
    points = spread("exp", 700, (-708.0, 709.7), (-2.0, 2.0), (-1e-9, 1e-9))
    assert max(error_in_ulps(exp(x), exact_exp(x)) for x in points) < 1.0


def test_exp_underflows_gradually() -> None:
    for x in spread("subnormal", 300, (-745.0, -708.5)):
        assert 0.0 < exp(x) < 2.3e-308
        assert error_in_ulps(exp(x), exact_exp(x)) < 1.0


def test_exp_at_its_limits() -> None:
    assert exp(0.0) == 1.0
    assert exp(-0.0) == 1.0
    assert exp(5e-324) == 1.0
    assert exp(709.783) == INFINITY
    assert exp(709.78) == pytest.approx(math.exp(709.78), rel=1e-15)
    assert exp(INFINITY) == INFINITY
    assert exp(-746.0) == 0.0
    assert exp(-INFINITY) == 0.0
    assert math.isnan(exp(math.nan))


def test_log_is_within_one_ulp_of_the_exact_value() -> None:
    points = spread("log", 700, (0.5, 2.0), (0.999, 1.001), (1.0, 1e6))
    points += [
        math.ldexp(m, e) for e in range(-1022, 1024, 7) for m in (0.51, 0.7071, 0.7072, 0.99)
    ]
    assert max(error_in_ulps(log(x), exact_log(x)) for x in points) < 1.0


def test_log_of_subnormal_numbers() -> None:
    for x in (5e-324, 1e-320, 2.2e-308):
        assert error_in_ulps(log(x), exact_log(x)) < 1.0


def test_log_at_its_limits() -> None:
    assert log(1.0) == 0.0
    assert log(0.0) == -INFINITY
    assert log(INFINITY) == INFINITY
    assert math.isnan(log(-1e-300))
    assert math.isnan(log(math.nan))


def test_erfc_is_within_a_few_ulps_of_the_exact_value() -> None:
    edges = [0.0, 0.25, 0.84375, 1.25, 1 / 0.35, 6.0]
    points = spread("erfc", 150, (-6.0, -0.9), (-0.9, 0.9), (0.8, 1.3), (1.2, 3.0), (2.8, 8.0))
    points += [edge + nudge for edge in edges for nudge in (-1e-12, 0.0, 1e-12)]
    assert max(error_in_ulps(erfc(x), exact_erfc(x)) for x in points) < 4.0


def test_erfc_far_into_the_tail() -> None:
    for x in spread("tail", 300, (8.0, 26.0)):
        assert erfc(x) == pytest.approx(math.erfc(x), rel=2e-15)
    assert erfc(29.0) == 0.0
    assert erfc(-7.0) == 2.0
    assert erfc(-29.0) == 2.0
    assert math.isnan(erfc(math.nan))


def test_normal_cdf_is_symmetric_and_monotone() -> None:
    points = sorted(spread("cdf", 500, (-9.0, 9.0)))
    values = [normal_cdf(x) for x in points]
    assert values == sorted(values)
    assert normal_cdf(0.0) == 0.5
    for x, value in zip(points, values, strict=True):
        assert value + normal_cdf(-x) == pytest.approx(1.0, abs=3e-16)
        assert value == pytest.approx(float(exact_erfc(-x / math.sqrt(2.0))) / 2, rel=1e-13)


def test_inverse_normal_cdf_undoes_the_cdf() -> None:
    for p in spread("quantile", 400, (0.0, 1.0), (0.0, 0.03), (0.97, 1.0), (0.0, 1e-9)):
        x = inverse_normal_cdf(p)
        assert normal_cdf(x) == pytest.approx(p, rel=1e-14)
        if 1e-12 < p < 1.0 - 1e-12:
            assert x == pytest.approx(NormalDist().inv_cdf(p), rel=1e-9, abs=1e-12)


def test_inverse_normal_cdf_at_its_limits() -> None:
    assert inverse_normal_cdf(0.5) == 0.0
    assert inverse_normal_cdf(0.0) == -INFINITY
    assert inverse_normal_cdf(1.0) == INFINITY
    assert math.isnan(inverse_normal_cdf(-0.1))
    assert math.isnan(inverse_normal_cdf(1.1))
    assert math.isnan(inverse_normal_cdf(math.nan))
    assert inverse_normal_cdf(0.25) == -inverse_normal_cdf(0.75)
    assert inverse_normal_cdf(1e-310) == pytest.approx(-37.6, abs=0.2)


BITS = """
import random
from engine.special_functions import erfc, exp, inverse_normal_cdf, log, normal_cdf
chance = random.Random("bits")
for _ in range(400):
    x = chance.uniform(-30, 30)
    print(exp(x * 24).hex(), log(abs(x)).hex(), erfc(x).hex(), normal_cdf(x).hex())
    for p in (chance.random(), chance.random() / 1e9):
        print(inverse_normal_cdf(p).hex())
"""


def printed(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    return done.stdout


def test_the_compiler_does_not_change_a_bit() -> None:
    plain = printed(BITS, NUMBA_DISABLE_JIT="1")
    assert plain.count("\n") == 1200
    assert printed(BITS) == plain


@pytest.mark.parametrize("function", [exp, log, erfc, normal_cdf, inverse_normal_cdf])
def test_a_compiled_function_is_what_is_tested(function: Callable[[float], float]) -> None:
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":
        assert hasattr(function, "py_func")
    assert isinstance(function(0.3), float)
