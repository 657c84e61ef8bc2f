# docker build --tag respq .
# docker run --env RESPQ_PASSWORD=secret --volume respq:/data --publish 6479:6479 respq
#
# The server listens on all of the container's addresses, so it starts only with
# RESPQ_PASSWORD or with `serve --no-protected-mode`.

FROM python:3.11-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/respq
COPY pyproject.toml README.md LICENSE ./
COPY respq respq
RUN /opt/respq/bin/pip install --no-cache-dir '.[lua]'

FROM python:3.11-slim-bookworm
# A fixed number, so that a mounted directory can be given to it beforehand.
RUN groupadd --system --gid 6479 respq \
    && useradd --system --uid 6479 --gid respq --home-dir /data --no-create-home \
        --shell /usr/sbin/nologin respq \
    && install --directory --owner respq --group respq --mode 0700 /data
COPY --from=build /opt/respq /opt/respq
ENV PATH=/opt/respq/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RESPQ_HOST=0.0.0.0 \
    RESPQ_HTTP_HOST=0.0.0.0 \
    RESPQ_DATA_DIR=/data/journal
USER respq
WORKDIR /data
VOLUME /data
EXPOSE 6479 8479
# Loading a long journal is healthy: the probe answers meanwhile.
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s --retries=3 CMD ["respq", "health"]
ENTRYPOINT ["respq"]
CMD ["serve"]
