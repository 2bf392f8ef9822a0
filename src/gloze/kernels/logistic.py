"""The logistic loss of many scores at once, without calls of the mathematical library.

exp(-|x|) is a power of two, put together from its bits, times a polynomial; log(1 + e) is a series
in e / (2 + e). Both are within 3e-6 of the true value and run in parallel lanes.
"""

from __future__ import annotations

import numpy as np

from gloze.kernels.compiled import part

_LOG2_E = np.float32(1.4426950408889634)


@part
def judging_memory(count):  # type: ignore[no-untyped-def]
    """Return what judging needs: int32, the same memory as float32, and float32, each [count]."""
    bits = np.zeros(count, np.int32)
    return bits, bits.view(np.float32), np.zeros(count, np.float32)


@part
def judge(scores, label, weights, count, rate, memory):  # type: ignore[no-untyped-def]
    """Turn scores into errors, ``(label - sigmoid(score)) * weight * rate``; return the loss.

    Args:
        scores: of the answers, [count]; replaced by the errors.
        label: of all of them, 1 or 0.
        weights: of each in the loss, [count].
        count: of the scores.
        rate: learning rate.
        memory: of :func:`judging_memory`, for as many.

    Returns:
        The sum of ``weight * -log(sigmoid(score))``, of ``-score`` where the label is 0.
    """
    bits, powers, parts = memory
    for i in range(count):
        t = -min(abs(scores[i]), np.float32(80)) * _LOG2_E
        whole = np.floor(t)
        bits[i] = (np.int32(whole) + np.int32(127)) << np.int32(23)
        parts[i] = t - whole
    loss, one, zero = np.float32(0), np.float32(1), np.float32(0)
    wanted = np.float32(label)
    sign = np.float32(1) - np.float32(2) * wanted
    for i in range(count):
        f = parts[i]
        # 2 ** f for f from 0 to 1, by Chebyshev points.
        p = np.float32(1.8775767e-3) * f + np.float32(8.9893397e-3)
        p = p * f + np.float32(5.5826318e-2)
        p = p * f + np.float32(2.4015361e-1)
        p = p * f + np.float32(6.9315308e-1)
        p = p * f + np.float32(9.9999994e-1)
        e = p * powers[i]
        score, weight = scores[i], weights[i]
        share = one / (one + e)
        sigmoid = share if score >= zero else e * share
        scores[i] = (wanted - sigmoid) * weight * rate
        z = e / (np.float32(2) + e)
        q = z * z
        series = np.float32(2 / 9) * q + np.float32(2 / 7)
        series = series * q + np.float32(2 / 5)
        series = series * q + np.float32(2 / 3)
        log = z * (series * q + np.float32(2))
        loss += weight * (log + max(sign * score, zero))
    return loss
