# fetchd in an image. scripts/image builds it, with its labels and its bill of materials; README.md says how it is run.
ARG DEBIAN=debian:bookworm-slim
# Where the programs come from: "compile" makes them in here, "prebuilt" takes what scripts/image has put into build/image.
ARG BINARIES=compile

FROM ${DEBIAN} AS compile
WORKDIR /src
# Packages first: they change less often than the sources.
COPY scripts/common.sh scripts/install-deps scripts/
RUN scripts/install-deps build release
COPY . .
ARG SOURCE_DATE_EPOCH
RUN scripts/release --no-install --no-package
RUN mkdir /programs && cp build/release/dist/fetchd build/release/dist/fetchctl build/release/dist/sbom.cdx.json /programs/

FROM ${DEBIAN} AS prebuilt
COPY build/image/ /programs/

FROM ${BINARIES} AS programs

FROM ${DEBIAN} AS runtime
# What the programs are linked with, and the authorities of origins' certificates; tests/image holds the list against the programs.
# Nobody becomes another user in here, and nothing is kept that would differ from one build to the next.
RUN export DEBIAN_FRONTEND=noninteractive && apt-get -q -o Acquire::Languages=none update && \
    apt-get -q upgrade -y --no-install-recommends && \
    apt-get -q install -y --no-install-recommends \
      ca-certificates \
      libabsl20220623 libbrotli1 libc-ares2 libcjose0 libexpat1 libgrpc++1.51 libgrpc29 libidn2-0 libjansson4 libncursesw6 libnghttp2-14 libpq5 \
      libprometheus-cpp-core1.0 libprotobuf32 libre2-9 libsqlite3-0 libssl3 libstdc++6 libtinfo6 libyaml-cpp0.7 libzstd1 zlib1g && \
    find / -xdev -type f -perm /6000 -exec chmod u-s,g-s {} + && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/lib/dpkg/*-old \
      /var/log/apt /var/log/dpkg.log /var/log/alternatives.log && \
    install -d -o 65532 -g 65532 -m 750 /var/lib/fetchd && install -d -m 755 /etc/fetchd
COPY --from=programs --chmod=755 /programs/fetchd /programs/fetchctl /usr/bin/
COPY --from=programs --chmod=644 /programs/sbom.cdx.json /usr/share/doc/fetchd/sbom.cdx.json
COPY --chmod=644 packaging/systemd/fetchd.yaml /etc/fetchd/fetchd.yaml

# A number: whoever enforces "not root" cannot look a name up.
USER 65532:65532
WORKDIR /var/lib/fetchd
# A file and not FETCHD_DATA_DIR: variables go before files, and would before the file of whoever brings one.
ENV FETCHD_CONFIG=/etc/fetchd/fetchd.yaml
# Jobs outlive the container only in a volume that has a name.
VOLUME ["/var/lib/fetchd"]
EXPOSE 7070/tcp 7071/tcp
# fetchd is process 1 itself: it handles its signals, and waits for the one kind of child that it has.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/fetchd"]
# Over TLS: FETCHCTL_CA_FILE and, where the certificate does not name the address, FETCHCTL_SERVER_NAME.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/bin/fetchctl", "health", "--request-timeout", "3s", "--quiet"]

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="fetchd" \
      org.opencontainers.image.description="Fetch service, controlled over gRPC" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
