# syntax=docker/dockerfile:1
FROM rust:1-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/lockkeeper /lockkeeper

FROM debian:bookworm-slim
# git: release notes over long ranges are read from a fetch without file contents. curl: the health check.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home lockkeeper \
    && install -d -o lockkeeper -g lockkeeper -m 0700 /data
COPY --from=build /lockkeeper /usr/local/bin/lockkeeper
ENV LOCKKEEPER_LISTEN=0.0.0.0:8080 \
    LOCKKEEPER_DATA_DIR=/data \
    LOCKKEEPER_LOG_FORMAT=json
USER lockkeeper
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=5s CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8080/healthz"]
# The server drains on SIGTERM.
STOPSIGNAL SIGTERM
ENTRYPOINT ["lockkeeper"]
CMD ["serve"]
