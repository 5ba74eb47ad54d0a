# One image, several commands: `serve` (worker, the default), `control`, `poll`, `sweep`.
#
#   docker build -t backtest-worker .
#   docker run --read-only --tmpfs /tmp -p 8080:8080 -e WORKER_AUTH=iam backtest-worker
ARG BASE_IMAGE=python:3.13-slim

# What build and run time must agree on. A compiled kernel is only found again under the same CPU
# name and the same features (an empty list, which is not the same as none given).
FROM ${BASE_IMAGE} AS base
ENV NUMBA_CACHE_DIR=/opt/backtest/kernels \
    NUMBA_CPU_NAME=x86-64-v3 \
    NUMBA_CPU_FEATURES="" \
    PATH=/opt/backtest/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
# Python's own images come without bytecode, and a read-only container could never keep any. What
# no server imports goes without: tests, windows, the interactive interpreter.
RUN python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash \
      -x '(site|dist)-packages|/(test|idlelib|tkinter|turtledemo|ensurepip|lib2to3|pydoc_data|_pyrepl)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# It makes one library of all kernels, makes the installed ones smaller, and stays in this stage.
# hadolint ignore=DL3008
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/*
RUN python -m venv --without-pip /opt/backtest
COPY requirements/runtime.lock requirements/runtime.lock
RUN pip --python /opt/backtest/bin/python install --no-compile \
      --require-hashes --only-binary :all: --requirement requirements/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY worker worker
RUN pip --python /opt/backtest/bin/python install --no-compile --no-index --no-deps --no-build-isolation . \
 && pip --python /opt/backtest/bin/python uninstall --yes setuptools \
 && pip --python /opt/backtest/bin/python check
COPY deploy/image deploy/image
COPY samples samples
COPY examples examples
RUN sh deploy/image/strip.sh /opt/backtest/lib \
 && python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash /opt/backtest/lib \
 && ENGINE_KERNELS=collect \
      python deploy/image/bake_kernels.py --samples samples --examples examples

FROM base
LABEL org.opencontainers.image.title="backtest-worker" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/backtest /opt/backtest
# The kernels stay where they are: kernels.so, and beside it what numba would use in its place
# (see engine/baked_cache.py).
ENV NUMBA_CACHE_LOCATOR_CLASSES=engine.baked_cache.BakedCacheLocator \
    HOST=0.0.0.0 \
    PORT=8080
WORKDIR /tmp
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["backtest-worker"]
CMD ["serve"]
