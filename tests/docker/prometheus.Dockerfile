# Prometheus of Debian, for the tests: where no image can be pulled it stands in for the one that
# docker/compose.yaml names.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus \
    && mkdir -p /prometheus && chown 65534:65534 /prometheus
USER 65534:65534
VOLUME /prometheus
EXPOSE 9090
ENTRYPOINT ["prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus", \
     "--web.console.templates=/etc/prometheus/consoles", \
     "--web.console.libraries=/usr/share/prometheus/console_libraries"]
