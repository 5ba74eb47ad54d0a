"""Prints the digest of every variant of a small sweep; run with and without the compiler."""

from engine.sweep import run_sweep
from tests.support.markets import walk
from tests.support.random_variants import random_signal_variants


def main() -> None:
    base, variants = random_signal_variants(5, 40)
    result = run_sweep(base, variants, walk(1_100, 5, volatility=0.03), keep_best=0, threads=1)
    for index in range(len(result)):
        print(index, result.summary_digest(index))


if __name__ == "__main__":
    main()
