"""exp, log and erfc by series in decimal arithmetic, as precise as asked for."""

import math
from decimal import Decimal, getcontext, localcontext

_PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534"
    "21170679821480865132823066470938446095505822317253594081284811174502841027019385211055596446229"
)


def exact_exp(x: float) -> Decimal:
    with localcontext() as context:
        context.prec = 60
        return Decimal(x).exp()


def exact_log(x: float) -> Decimal:
    with localcontext() as context:
        context.prec = 60
        return Decimal(x).ln()


def exact_erfc(x: float) -> Decimal:
    """1 − 2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)), with digits to spare for the cancellation.

    The terms of |x| ≤ 8 grow to e⁶⁴ and the result falls to e⁻⁶⁴: 56 digits are lost of 150.
    """
    assert abs(x) <= 8
    with localcontext() as context:
        context.prec = 150
        square = Decimal(x) * Decimal(x)
        term = Decimal(x)
        total = term
        n = 0
        while abs(term) > Decimal(10) ** -140 or n < 2:
            n += 1
            term *= -square / n
            total += term / (2 * n + 1)
        return 1 - 2 / _PI.sqrt(getcontext()) * total


def error_in_ulps(value: float, exact: Decimal) -> float:
    """Distance from the exact value in units of the last place of the value."""
    with localcontext() as context:
        context.prec = 60
        return float(abs(Decimal(value) - exact) / Decimal(math.ulp(value)))
