# Builds the services of the demo into one image: `docker compose --profile demo up`.

FROM rust:1-slim-trixie AS build
# librdkafka is built from source.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The program is copied in the same step that builds it: the caches are not part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package otel-messaging-demo --bin services \
    && cp target/release/services /usr/local/bin/services

FROM debian:trixie-slim
COPY --from=build /usr/local/bin/services /usr/local/bin/services
USER nobody
# A service stops in order when it is interrupted.
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/local/bin/services"]
