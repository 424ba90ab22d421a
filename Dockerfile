# syntax=docker/dockerfile:1
FROM rust:1.95-slim-trixie AS build
WORKDIR /source
# The toolchain of the image, instead of a download of what `rust-toolchain.toml` has for developers.
ENV RUSTUP_TOOLCHAIN=1.95.0
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin bonafide \
    && install -D target/release/bonafide /built/bonafide

FROM debian:trixie-slim
# Certificates are built in, and everything else is configured: the binary is all that is added.
COPY --from=build /built/bonafide /usr/local/bin/bonafide
USER 65532:65532
ENV BONAFIDE_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '^HTTP/1\\.[01] 200 ' <&3"]
ENTRYPOINT ["bonafide"]
CMD ["serve"]
