"""The API's own metrics as Prometheus reads them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from api.metrics import ApiMetrics


def test_the_exposition_is_read_back_by_the_prometheus_parser() -> None:
    metrics = ApiMetrics()
    for seconds in (0.0005, 0.001, 0.3, 99.0):
        metrics.observe("GET", "/v1/blocks/{at}", 200, seconds)
    metrics.observe("POST", "/rpc", 413, 0.002)
    families = {f.name: f for f in text_string_to_metric_families(metrics.expose().decode())}
    counts = {
        (s.labels["route"], s.labels["status"]): s.value
        for s in families["bulwark_http_requests"].samples
    }
    assert counts == {("/v1/blocks/{at}", "200"): 4, ("/rpc", "413"): 1}
    buckets = {
        s.labels["le"]: s.value
        for s in families["bulwark_http_request_seconds"].samples
        if s.name.endswith("_bucket") and s.labels["route"] == "/v1/blocks/{at}"
    }
    assert (buckets["0.001"], buckets["0.25"], buckets["0.5"], buckets["+Inf"]) == (2, 2, 3, 4)


def test_nothing_observed_is_still_an_exposition() -> None:
    assert list(text_string_to_metric_families(ApiMetrics().expose().decode()))
