# sts-bridge beside Postfix. docker-compose.yml runs it; Documentation/deployment/container.md explains the settings.

FROM swift:6.3-bookworm AS build
WORKDIR /src
# The packages on a layer of their own: they change less often than the sources.
COPY Makefile .ci/install-packages ./
RUN apt-get update -q && apt-get install -q -y --no-install-recommends make \
    && mkdir .ci && mv install-packages .ci/ && make packages
COPY . .
# The cache keeps what SwiftPM fetched and compiled for the next build; the image gets the program alone.
RUN --mount=type=cache,target=/src/.build \
    make build && install -D --strip --mode=755 .build/release/sts-bridge /program/sts-bridge

FROM debian:bookworm-slim
# The shared libraries (what `dpkg-shlibdeps` finds), the CAs of policy hosts, and the root's keys.
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends ca-certificates dns-root-data \
        libcurl4 libidn2-0 libsqlite3-0 libssl3 libstdc++6 libunbound8 zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/*.log /var/log/apt
# Postfix's group has the same number in postfix/Dockerfile. A volume begins with the rights of the directory below it.
RUN groupadd --gid 8462 postfix \
    && useradd --uid 8461 --user-group --groups postfix --no-create-home --home-dir /var/lib/sts-bridge \
        --shell /usr/sbin/nologin sts-bridge \
    && install -d -o sts-bridge -g sts-bridge -m 750 /var/lib/sts-bridge \
    && install -d -o sts-bridge -g sts-bridge -m 755 /run/sts-bridge \
    && install -d -o sts-bridge -g postfix -m 750 /var/spool/postfix/run/sts-bridge
COPY LICENSE /usr/share/doc/sts-bridge/
COPY --from=build /program/sts-bridge /usr/local/bin/

LABEL org.opencontainers.image.title="sts-bridge" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.description="MTA-STS and DANE policies for Postfix" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"

# Loopback would be this container's own. Every other key of the configuration can be set in the same way.
ENV STS_BRIDGE_LISTEN_SOCKETMAP=0.0.0.0:8461 STS_BRIDGE_LISTEN_TCP_TABLE=
EXPOSE 8461
# The policies, which are the protection; the operator's socket; the socket for Postfix.
VOLUME ["/var/lib/sts-bridge", "/run/sts-bridge", "/var/spool/postfix/run/sts-bridge"]
USER 8461
HEALTHCHECK --interval=10s --timeout=10s --start-period=5s CMD ["sts-bridge", "healthcheck"]
ENTRYPOINT ["sts-bridge"]
CMD ["serve"]
