//! `GET /metrics`: figures in Prometheus' text format.

use std::fmt::Write;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use calzone_engine::Metrics;
use calzone_engine::answer::QueryState;
use calzone_engine::endpoints::{BUCKET_MILLIS, EndpointMetrics};
use calzone_engine::query::{RestoreProgress, WaitingRecords};

use crate::app::App;
use crate::error::Failure;

pub async fn metrics(State(app): State<App>) -> Result<Response, Failure> {
    let metrics = app.blocking(|engine| Ok(engine.metrics())).await.map_err(|e| Failure::of(&e, &super::names(&app)))?;
    let process = Process { resident_bytes: resident_bytes(), uptime_seconds: app.started().elapsed().as_secs_f64() };
    let text = render(&metrics, &process, app.service_id());
    Ok(super::with_type(Body::from(text), "text/plain; version=0.0.4; charset=utf-8"))
}

struct Process {
    resident_bytes: Option<u64>,
    uptime_seconds: f64,
}

/// Resident memory, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: sysconf has no preconditions.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page_bytes).ok()?)
}

fn render(metrics: &Metrics, process: &Process, service_id: &str) -> String {
    let mut out = String::new();
    if let Some(bytes) = process.resident_bytes {
        family(
            &mut out,
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory of the server.",
            [(String::new(), bytes as f64)],
        );
    }
    family(
        &mut out,
        "calzone_uptime_seconds",
        "gauge",
        "Time since the server was ready.",
        [(String::new(), process.uptime_seconds)],
    );
    let cluster = format!("{{ksql_cluster=\"{}\"}}", escape(service_id));
    family(&mut out, "calzone_push_queries", "gauge", "Push queries that run now.", [(cluster, metrics.push_queries as f64)]);
    let states = metrics.queries.iter().flat_map(|q| {
        [QueryState::Running, QueryState::Paused, QueryState::Error, QueryState::Unresponsive].map(|state| {
            let labels = format!(
                "{{ksql_cluster=\"{}\",ksql_query=\"{}\",query_status=\"{}\"}}",
                escape(service_id),
                escape(&q.id),
                crate::entity::query_state(state)
            );
            (labels, f64::from(u8::from(q.state == state)))
        })
    });
    family(
        &mut out,
        "ksql_ksql_metrics_ksql_queries_query_status",
        "gauge",
        "1 for the state that a persistent query is in.",
        states,
    );
    let counters: [(&str, &str, fn(&calzone_engine::QueryMetrics) -> f64); 6] = [
        ("calzone_query_records_in_total", "Records that a query has read.", |q| q.records_in as f64),
        ("calzone_query_records_out_total", "Records that a query has written.", |q| q.records_out as f64),
        ("calzone_query_bytes_in_total", "Bytes of records that a query has read.", |q| q.bytes_in as f64),
        ("calzone_query_errors_total", "Records that a query could not process.", |q| q.errors as f64),
        ("calzone_query_commits_total", "Commits of a query.", |q| q.commits as f64),
        ("calzone_query_guest_seconds_total", "Time that a query has spent in plugins.", |q| q.guest_micros as f64 / 1e6),
    ];
    for (name, help, value) in counters {
        let samples = metrics.queries.iter().map(|q| (labels(q), value(q)));
        family(&mut out, name, "counter", help, samples);
    }
    stores(&mut out, metrics);
    policies(&mut out, metrics);
    endpoints(&metrics.endpoints, &mut out);
    out
}

/// Stores that are read again from changelogs, and copies of those of other servers.
fn stores(out: &mut String, metrics: &Metrics) {
    let families: [(&str, &str, &str, fn(&RestoreProgress) -> u64); 2] = [
        ("calzone_store_restored_records_total", "counter", "Records of a store read again from its changelog.", |p| p.restored),
        ("calzone_store_restore_remaining", "gauge", "Offsets of a store's changelog still to be read.", |p| p.remaining),
    ];
    for (name, kind, help, value) in families {
        let samples = metrics.queries.iter().flat_map(|query| {
            query.restores.iter().map(move |((store, partition), progress)| {
                let (query, store) = (escape(&query.id), escape(store));
                let labels = format!("{{ksql_query=\"{query}\",store=\"{store}\",partition=\"{partition}\"}}");
                (labels, value(progress) as f64)
            })
        });
        family(out, name, kind, help, samples);
    }
    let samples = metrics.queries.iter().flat_map(|query| {
        query
            .standbys
            .iter()
            .map(|(partition, lag)| (format!("{{ksql_query=\"{}\",partition=\"{partition}\"}}", escape(&query.id)), *lag as f64))
    });
    let help = "Records that this server's copy of another server's partition is behind.";
    family(out, "calzone_standby_lag_records", "gauge", help, samples);
}

/// What error policies have done.
fn policies(out: &mut String, metrics: &Metrics) {
    let decisions = metrics.queries.iter().flat_map(|query| {
        query.policy.decisions.iter().map(|(counted, n)| {
            let labels = format!(
                "{{ksql_query=\"{}\",policy=\"{}\",class=\"{}\",action=\"{}\",topic=\"{}\"}}",
                escape(&query.id),
                escape(&counted.policy),
                escape(&counted.class),
                counted.action,
                escape(&counted.topic)
            );
            (labels, *n as f64)
        })
    });
    family(out, "calzone_error_policy_decisions_total", "counter", "Decisions about records of a topic that failed.", decisions);
    let gauges: [(&str, &str, fn(&WaitingRecords) -> usize); 2] = [
        ("calzone_error_policy_waiting_records", "Records that wait to be tried again.", |w| w.records),
        ("calzone_error_policy_locked_groups", "Groups of records that wait in order.", |w| w.locked_groups),
    ];
    for (name, help, value) in gauges {
        let samples = metrics.queries.iter().flat_map(|query| {
            query.policy.waiting.iter().map(move |(partition, waiting)| {
                (format!("{{ksql_query=\"{}\",partition=\"{partition}\"}}", escape(&query.id)), value(waiting) as f64)
            })
        });
        family(out, name, "gauge", help, samples);
    }
}

fn endpoints(endpoints: &[EndpointMetrics], out: &mut String) {
    let labels = |e: &EndpointMetrics| format!("endpoint=\"{}\",plugin=\"{}\"", escape(&e.name), escape(&e.plugin));
    let counters: [(&str, &str, fn(&EndpointMetrics) -> u64); 3] = [
        ("calzone_endpoint_requests_total", "Requests that an endpoint has worked on.", |e| e.requests),
        ("calzone_endpoint_failures_total", "Requests that an endpoint's plugin has failed on.", |e| e.failures),
        ("calzone_endpoint_turned_away_total", "Requests that an endpoint had no room for.", |e| e.turned_away),
    ];
    for (name, help, value) in counters {
        family(out, name, "counter", help, endpoints.iter().map(|e| (format!("{{{}}}", labels(e)), value(e) as f64)));
    }
    let name = "calzone_endpoint_request_seconds";
    let _ = writeln!(out, "# HELP {name} Time that an endpoint's requests took.\n# TYPE {name} histogram");
    for endpoint in endpoints {
        let labels = labels(endpoint);
        let mut below = 0;
        for (count, ms) in endpoint.buckets.iter().zip(BUCKET_MILLIS) {
            below += count;
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{}\"}} {below}", ms as f64 / 1e3);
        }
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", endpoint.requests);
        let _ = writeln!(out, "{name}_sum{{{labels}}} {}", endpoint.micros as f64 / 1e6);
        let _ = writeln!(out, "{name}_count{{{labels}}} {}", endpoint.requests);
    }
}

fn labels(query: &calzone_engine::QueryMetrics) -> String {
    match &query.stage {
        Some((stage, plugin)) => {
            format!("{{ksql_query=\"{}\",stage=\"{}\",plugin=\"{}\"}}", escape(&query.id), escape(stage), escape(plugin))
        }
        None => format!("{{ksql_query=\"{}\"}}", escape(&query.id)),
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str, samples: impl IntoIterator<Item = (String, f64)>) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use calzone_engine::query::Counted;

    #[test]
    fn families_of_each_query() {
        let query = calzone_engine::QueryMetrics {
            id: "CSAS_A\"_1".into(),
            state: QueryState::Running,
            stage: Some(("S".into(), "p".into())),
            records_in: 3,
            records_out: 2,
            bytes_in: 10,
            errors: 1,
            commits: 4,
            guest_micros: 1500,
            last_record_ms: 0,
            policy: calzone_engine::PolicyMetrics {
                decisions: vec![(Counted { policy: "P".into(), class: "plugin".into(), action: "retry", topic: "s".into() }, 6)],
                waiting: [(0, WaitingRecords { records: 8, locked_groups: 9 })].into(),
            },
            restores: [(("result".into(), 1), RestoreProgress { restored: 11, remaining: 12 })].into(),
            standbys: [(2, 13)].into(),
        };
        let mut endpoint =
            EndpointMetrics { name: "E".into(), plugin: "p".into(), requests: 3, micros: 1500, ..Default::default() };
        (endpoint.buckets[0], endpoint.buckets[2]) = (2, 1);
        let metrics = Metrics { queries: vec![query], push_queries: 5, endpoints: vec![endpoint] };
        let text = render(&metrics, &Process { resident_bytes: Some(7), uptime_seconds: 1.5 }, "s_");
        for line in [
            "process_resident_memory_bytes 7",
            "calzone_push_queries{ksql_cluster=\"s_\"} 5",
            "calzone_query_records_in_total{ksql_query=\"CSAS_A\\\"_1\",stage=\"S\",plugin=\"p\"} 3",
            "calzone_error_policy_decisions_total{ksql_query=\"CSAS_A\\\"_1\",policy=\"P\",class=\"plugin\",action=\"retry\",topic=\"s\"} 6",
            "calzone_error_policy_waiting_records{ksql_query=\"CSAS_A\\\"_1\",partition=\"0\"} 8",
            "calzone_error_policy_locked_groups{ksql_query=\"CSAS_A\\\"_1\",partition=\"0\"} 9",
            "calzone_store_restored_records_total{ksql_query=\"CSAS_A\\\"_1\",store=\"result\",partition=\"1\"} 11",
            "calzone_store_restore_remaining{ksql_query=\"CSAS_A\\\"_1\",store=\"result\",partition=\"1\"} 12",
            "calzone_standby_lag_records{ksql_query=\"CSAS_A\\\"_1\",partition=\"2\"} 13",
            "calzone_endpoint_requests_total{endpoint=\"E\",plugin=\"p\"} 3",
            "calzone_endpoint_request_seconds_bucket{endpoint=\"E\",plugin=\"p\",le=\"0.002\"} 2",
            "calzone_endpoint_request_seconds_bucket{endpoint=\"E\",plugin=\"p\",le=\"0.005\"} 3",
            "calzone_endpoint_request_seconds_sum{endpoint=\"E\",plugin=\"p\"} 0.0015",
            "calzone_query_guest_seconds_total{ksql_query=\"CSAS_A\\\"_1\",stage=\"S\",plugin=\"p\"} 0.0015",
            "ksql_ksql_metrics_ksql_queries_query_status{ksql_cluster=\"s_\",ksql_query=\"CSAS_A\\\"_1\",query_status=\"RUNNING\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\nin\n{text}");
        }
    }
}
