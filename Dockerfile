FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE dagster.yaml ./
COPY analytics_pipeline analytics_pipeline
COPY dbt_project dbt_project
COPY expectations expectations
RUN python -m venv /opt/analytics \
 && /opt/analytics/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home analytics \
 && install -d -o analytics -g analytics /var/lib/analytics /var/lib/analytics/landing /var/lib/dagster
COPY --from=build /opt/analytics /opt/analytics
COPY --chown=analytics dagster.yaml /var/lib/dagster/dagster.yaml
ENV PATH=/opt/analytics/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ANALYTICS_HOME=/var/lib/analytics \
    DAGSTER_HOME=/var/lib/dagster
USER 10001:10001
WORKDIR /var/lib/analytics
ENTRYPOINT []
CMD ["analytics-pipeline", "--help"]
