"""exp, log, erfc and the normal distribution with the same bits on every machine.

The C library's versions differ between processors in the last bit, and one different bit can turn
into a different trade. These use only + − × ÷ √ and the bit pattern of a double, which IEEE 754
fixes. Method and coefficients are those published with Sun Microsystems' fdlibm (1993, "freely
granted"); errors, measured against exact arithmetic by the tests: exp and log below 1 ulp, erfc
below 3 ulp.
"""

import math

import numpy as np

from engine._jit import kernel

_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_INVERSE_LN2 = 1.44269504088896338700e00
_EXP_OVERFLOW = 709.782712893383973096
_EXP_UNDERFLOW = -745.13321910194110842

_EXPONENT_BITS = 52
_EXPONENT_BIAS = 1023
_MANTISSA_MASK = (1 << _EXPONENT_BITS) - 1
_HIGH_WORD_MASK = ~((1 << 32) - 1)
_SMALLEST_NORMAL = 2.2250738585072014e-308
_TWO_54 = 18014398509481984.0

_EXP_SERIES = (
    1.66666666666666019037e-01,
    -2.77777777770155933842e-03,
    6.61375632143793436117e-05,
    -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)
_LOG_ODD = (
    6.666666666666735130e-01,
    2.857142874366239149e-01,
    1.818357216161805012e-01,
    1.479819860511658591e-01,
)
_LOG_EVEN = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)

_ERF_AT_1 = 8.45062911510467529297e-01
_ERFC_TO_084 = (
    (
        1.28379167095512558561e-01,
        -3.25042107247001499370e-01,
        -2.84817495755985104766e-02,
        -5.77027029648944159157e-03,
        -2.37630166566501626084e-05,
    ),
    (
        1.0,
        3.97917223959155352819e-01,
        6.50222499887672944485e-02,
        5.08130628187576562776e-03,
        1.32494738004321644526e-04,
        -3.96022827877536812320e-06,
    ),
)
_ERFC_TO_125 = (
    (
        -2.36211856075265944077e-03,
        4.14856118683748331666e-01,
        -3.72207876035701323847e-01,
        3.18346619901161753674e-01,
        -1.10894694282396677476e-01,
        3.54783043256182359371e-02,
        -2.16637559486879084300e-03,
    ),
    (
        1.0,
        1.06420880400844228286e-01,
        5.40397917702171048937e-01,
        7.18286544141962662868e-02,
        1.26171219808761642112e-01,
        1.36370839120290507362e-02,
        1.19844998467991074170e-02,
    ),
)
_ERFC_TO_285 = (
    (
        -9.86494403484714822705e-03,
        -6.93858572707181764372e-01,
        -1.05586262253232909814e01,
        -6.23753324503260060396e01,
        -1.62396669462573470355e02,
        -1.84605092906711035994e02,
        -8.12874355063065934246e01,
        -9.81432934416914548592e00,
    ),
    (
        1.0,
        1.96512716674392571292e01,
        1.37657754143519042600e02,
        4.34565877475229228821e02,
        6.45387271733267880336e02,
        4.29008140027567833386e02,
        1.08635005541779435134e02,
        6.57024977031928170135e00,
        -6.04244152148580987438e-02,
    ),
)
_ERFC_TO_28 = (
    (
        -9.86494292470009928597e-03,
        -7.99283237680523006574e-01,
        -1.77579549177547519889e01,
        -1.60636384855821916062e02,
        -6.37566443368389627722e02,
        -1.02509513161107724954e03,
        -4.83519191608651397019e02,
    ),
    (
        1.0,
        3.03380607434824582924e01,
        3.25792512996573918826e02,
        1.53672958608443695994e03,
        3.19985821950859553908e03,
        2.55305040643316442583e03,
        4.74528541206955367215e02,
        -2.24409524465858183362e01,
    ),
)

_QUANTILE_CENTRE = (
    (
        2.506628277459239e00,
        -3.066479806614716e01,
        1.383577518672690e02,
        -2.759285104469687e02,
        2.209460984245205e02,
        -3.969683028665376e01,
    ),
    (
        1.0,
        -1.328068155288572e01,
        6.680131188771972e01,
        -1.556989798598866e02,
        1.615858368580409e02,
        -5.447609879822406e01,
    ),
)
_QUANTILE_TAIL = (
    (
        2.938163982698783e00,
        4.374664141464968e00,
        -2.549732539343734e00,
        -2.400758277161838e00,
        -3.223964580411365e-01,
        -7.784894002430293e-03,
    ),
    (
        1.0,
        3.754408661907416e00,
        2.445134137142996e00,
        3.224671290700398e-01,
        7.784695709041462e-03,
    ),
)

_ROOT_2 = math.sqrt(2.0)
_ROOT_2_PI = math.sqrt(2.0 * math.pi)


@kernel
def _polynomial(x: float, coefficients: tuple[float, ...]) -> float:
    """c₀ + x (c₁ + x (c₂ + …)), by Horner's scheme."""
    last = len(coefficients) - 1
    y = coefficients[last]
    for i in range(last):
        y = coefficients[last - 1 - i] + x * y
    return y


@kernel
def _power_of_two(k: int) -> float:
    """2^k for a normal result, assembled from its bits."""
    return float(np.int64((k + _EXPONENT_BIAS) << _EXPONENT_BITS).view(np.float64))


@kernel
def exp(x: float) -> float:
    """e^x. Overflows to infinity, underflows gradually to 0, NaN stays NaN.

    x = k ln 2 + r with |r| ≤ ln 2 / 2; a rational approximation gives e^r; the scaling by 2^k is
    made in two halves, so that it rounds once even where the result is subnormal.
    """
    if x != x:
        return x
    if x > _EXP_OVERFLOW:
        return np.inf
    if x < _EXP_UNDERFLOW:
        return 0.0
    k = int(x * _INVERSE_LN2 + (0.5 if x > 0.0 else -0.5))
    high = x - k * _LN2_HIGH
    low = k * _LN2_LOW
    r = high - low
    t = r * r
    c = r - t * _polynomial(t, _EXP_SERIES)
    y = 1.0 - ((low - (r * c) / (2.0 - c)) - high)
    half = k >> 1
    return y * _power_of_two(half) * _power_of_two(k - half)


@kernel
def log(x: float) -> float:
    """Natural logarithm. −infinity at 0, NaN below it.

    x = 2^k (1 + f) with 1 + f between √½ and √2; log(1 + f) from an odd series in f / (2 + f).
    """
    if x != x or x == np.inf:
        return x
    if x < 0.0:
        return np.nan
    if x == 0.0:
        return -np.inf
    k = 0
    if x < _SMALLEST_NORMAL:
        x = x * _TWO_54
        k = -54
    bits = int(np.float64(x).view(np.int64))
    k += (bits >> _EXPONENT_BITS) - _EXPONENT_BIAS
    one_to_two = (bits & _MANTISSA_MASK) | (_EXPONENT_BIAS << _EXPONENT_BITS)
    m = float(np.int64(one_to_two).view(np.float64))
    if m > _ROOT_2:
        m = 0.5 * m
        k += 1
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    series = w * _polynomial(w, _LOG_EVEN) + z * _polynomial(w, _LOG_ODD)
    half_square = 0.5 * f * f
    return (s * (half_square + series) + k * _LN2_LOW - half_square + f) + k * _LN2_HIGH


@kernel
def _erfc_tail(a: float) -> float:
    """erfc(a) for 1.25 ≤ a ≤ 28: e^(−a²) / a times a rational function of 1/a².

    a is split at 32 bits so that the exponent's square is exact.
    """
    s = 1.0 / (a * a)
    if a < 2.857142857142857:
        ratio = _polynomial(s, _ERFC_TO_285[0]) / _polynomial(s, _ERFC_TO_285[1])
    else:
        ratio = _polynomial(s, _ERFC_TO_28[0]) / _polynomial(s, _ERFC_TO_28[1])
    head = float(np.int64(np.float64(a).view(np.int64) & _HIGH_WORD_MASK).view(np.float64))
    return exp(-head * head - 0.5625) * exp((head - a) * (head + a) + ratio) / a


@kernel
def erfc(x: float) -> float:
    """Complementary error function, 2/√π ∫ₓ^∞ e^(−t²) dt; accurate far into the right tail."""
    if x != x:
        return x
    a = abs(x)
    if a < 0.84375:
        z = x * x
        y = _polynomial(z, _ERFC_TO_084[0]) / _polynomial(z, _ERFC_TO_084[1])
        if x < 0.25:
            return 1.0 - (x + x * y)
        return 0.5 - (x * y + (x - 0.5))
    if a < 1.25:
        s = a - 1.0
        y = _polynomial(s, _ERFC_TO_125[0]) / _polynomial(s, _ERFC_TO_125[1])
        if x > 0.0:
            return (1.0 - _ERF_AT_1) - y
        return 1.0 + (_ERF_AT_1 + y)
    if a > 28.0:
        return 0.0 if x > 0.0 else 2.0
    tail = _erfc_tail(a)
    return tail if x > 0.0 else 2.0 - tail


@kernel
def normal_cdf(x: float) -> float:
    """Probability that a standard normal variable is at most x."""
    return 0.5 * erfc(-x / _ROOT_2)


@kernel
def inverse_normal_cdf(p: float) -> float:
    """The x with ``normal_cdf(x) == p``; ∓infinity at 0 and 1, NaN outside.

    P. J. Acklam's rational approximation (relative error 1.15e-9), then two Halley steps on
    ``normal_cdf``, taken in the lower tail where the probability keeps its digits.
    """
    if not 0.0 <= p <= 1.0:
        return np.nan
    q = p if p <= 0.5 else 1.0 - p
    if q == 0.0:
        return -np.inf if p <= 0.5 else np.inf
    if q < 0.02425:
        t = math.sqrt(-2.0 * log(q))
        x = _polynomial(t, _QUANTILE_TAIL[0]) / _polynomial(t, _QUANTILE_TAIL[1])
    else:
        u = q - 0.5
        t = u * u
        x = u * _polynomial(t, _QUANTILE_CENTRE[0]) / _polynomial(t, _QUANTILE_CENTRE[1])
    for _ in range(2):
        density = exp(-0.5 * x * x) / _ROOT_2_PI
        if density > 1e-290:
            step = (normal_cdf(x) - q) / density
            x = x - step / (1.0 + 0.5 * x * step)
    return x if p <= 0.5 else -x
