//! Settings of a cluster, by ksqlDB's names.

use std::collections::BTreeMap;
use std::time::Duration;

/// How servers watch each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// `ksql.heartbeat.…`; `None`: no heartbeats, a server is alive as long as it answers.
    pub heartbeat: Option<HeartbeatSettings>,
    /// `ksql.lag.reporting.…`: how often lags are told to the others.
    pub lag_interval: Option<Duration>,
    /// `ksql.query.pull.forwarding.timeout.ms`: how long another server's answer is waited for.
    pub forwarding_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// How often one is sent.
    pub send_interval: Duration,
    /// How often it is looked who is alive.
    pub check_interval: Duration,
    /// Heartbeats older than this do not count.
    pub window: Duration,
    /// A server is dead when so many heartbeats in a row are missing.
    pub missed_threshold: u32,
}

impl ClusterSettings {
    /// Values that are no numbers mean the default.
    pub fn of(properties: &BTreeMap<String, String>) -> ClusterSettings {
        let number = |name: &str, default: u64| properties.get(name).and_then(|v| v.trim().parse().ok()).unwrap_or(default);
        let millis = |name: &str, default: u64| Duration::from_millis(number(name, default).max(1));
        let is_on = |name: &str| properties.get(name).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
        ClusterSettings {
            heartbeat: is_on("ksql.heartbeat.enable").then(|| HeartbeatSettings {
                send_interval: millis("ksql.heartbeat.send.interval.ms", 100),
                check_interval: millis("ksql.heartbeat.check.interval.ms", 200),
                window: millis("ksql.heartbeat.window.ms", 2000),
                missed_threshold: number("ksql.heartbeat.missed.threshold.ms", 3).min(1_000_000) as u32,
            }),
            lag_interval: is_on("ksql.lag.reporting.enable").then(|| millis("ksql.lag.reporting.send.interval.ms", 5000)),
            forwarding_timeout: millis("ksql.query.pull.forwarding.timeout.ms", 20_000),
        }
    }
}

impl HeartbeatSettings {
    /// Is a server alive that was heard so long ago?
    pub fn is_alive(&self, silence: Duration) -> bool {
        silence < self.window && silence <= self.send_interval * (self.missed_threshold + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_missed_heartbeats_make_a_server_dead() {
        let settings = |pairs: &[(&str, &str)]| {
            ClusterSettings::of(&pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
        };
        assert_eq!(settings(&[]).heartbeat, None);
        let on = ("ksql.heartbeat.enable", "true");
        let heartbeat = settings(&[on]).heartbeat.unwrap();
        assert!(heartbeat.is_alive(Duration::from_millis(400)));
        assert!(!heartbeat.is_alive(Duration::from_millis(401)));
        let slow = [on, ("ksql.heartbeat.send.interval.ms", "1000"), ("ksql.heartbeat.window.ms", "1500")];
        assert!(!settings(&slow).heartbeat.unwrap().is_alive(Duration::from_millis(1500)), "out of the window");
    }
}
