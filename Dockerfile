# One image, a command per service: `docker run fraudstream --help`.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/fraud
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/fraud/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
# .dockerignore lists what belongs in: packages, and what builds them.
COPY . ./
RUN /opt/fraud/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index .

FROM ${PYTHON_IMAGE}
# Volumes mounted here for the first time take over these owners.
RUN useradd --uid 10001 --create-home --home-dir /home/fraud fraud \
    && install -d -o 10001 -g 10001 /data /var/cache/numba
COPY --from=build /opt/fraud /opt/fraud
COPY deploy/write_secrets.py /app/deploy/
COPY config/ /app/config/
# numba compiles for the processor it runs on, so its cache cannot come with the image: mount a volume to keep it.
ENV PATH=/opt/fraud/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/var/cache/numba \
    FRAUD_DATA_DIR=/data \
    FRAUD_RULES_FILE=/app/config/rules.yaml
USER 10001:10001
WORKDIR /app
ENTRYPOINT ["fraud"]
CMD ["--help"]
