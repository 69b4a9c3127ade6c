# The services of examples/services, all in one image: `docker compose --profile demo up`.

FROM rust:1-slim-trixie AS build
# librdkafka is built from source.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches are not in the image, so the program is copied out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package otel-messaging-services \
    && cp target/release/services /usr/local/bin/services

FROM debian:trixie-slim
COPY --from=build /usr/local/bin/services /usr/local/bin/services
USER nobody
ENTRYPOINT ["/usr/local/bin/services"]
