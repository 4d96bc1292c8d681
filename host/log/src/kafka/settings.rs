//! Client settings: the user's over our defaults.

use std::collections::BTreeMap;

/// How to reach the cluster: client settings by Kafka's names, such as `bootstrap.servers` and `security.protocol`.
/// `consumer.`, `producer.` or `admin.` before a name restricts it to one kind of client.
#[derive(Clone, Debug, Default)]
pub struct KafkaSettings {
    pub client: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientKind {
    Admin,
    Consumer,
    Producer,
}

/// librdkafka's settings of one client.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientSettings {
    values: BTreeMap<String, String>,
}

impl ClientSettings {
    /// Our defaults for this kind of client under the settings of the server, then of the query.
    pub(super) fn new(kind: ClientKind, server: &BTreeMap<String, String>, query: &BTreeMap<String, String>) -> ClientSettings {
        let mut settings = ClientSettings::default();
        settings.set_all(&COMMON);
        match kind {
            ClientKind::Admin => settings.set_all(&ADMIN),
            ClientKind::Consumer => settings.set_all(&CONSUMER),
            ClientKind::Producer => settings.set_all(&PRODUCER),
        }
        for values in [server, query] {
            settings.apply(kind, values, false);
            settings.apply(kind, values, true);
        }
        settings
    }

    fn apply(&mut self, kind: ClientKind, values: &BTreeMap<String, String>, with_prefix: bool) {
        for (name, value) in values {
            let (prefix, plain) = match name.split_once('.') {
                Some(("consumer", rest)) => (Some(ClientKind::Consumer), rest),
                Some(("producer", rest)) => (Some(ClientKind::Producer), rest),
                Some(("admin", rest)) => (Some(ClientKind::Admin), rest),
                _ => (None, name.as_str()),
            };
            if prefix.is_some() == with_prefix && prefix.is_none_or(|prefix| prefix == kind) {
                self.set_user(kind, plain, value);
            }
        }
    }

    /// A setting by its name in Kafka's Java client, where that differs.
    fn set_user(&mut self, kind: ClientKind, name: &str, value: &str) {
        match name {
            // What these mean is decided elsewhere, or only a Java client has it.
            "group.id"
            | "group.instance.id"
            | "transactional.id"
            | "enable.auto.commit"
            | "enable.auto.offset.store"
            | "isolation.level"
            | "auto.offset.reset"
            | "enable.partition.eof"
            | "partition.assignment.strategy"
            | "max.poll.records"
            | "enable.idempotence"
            | "acks"
            | "key.serializer"
            | "value.serializer"
            | "key.deserializer"
            | "value.deserializer" => {}
            "sasl.jaas.config" => {
                for (option, setting) in [("username", "sasl.username"), ("password", "sasl.password")] {
                    if let Some(found) = jaas_option(value, option) {
                        self.set(setting, found);
                    }
                }
            }
            "ssl.truststore.location" | "ssl.truststore.certificates" if value.ends_with(".pem") => {
                self.set("ssl.ca.location", value)
            }
            // Java's names for settings that librdkafka has by others, too.
            "max.partition.fetch.bytes" => self.set("fetch.message.max.bytes", value),
            "fetch.max.wait.ms" => self.set("fetch.wait.max.ms", value),
            "message.timeout.ms" => self.set("delivery.timeout.ms", value),
            "max.request.size" => self.set("message.max.bytes", value),
            "buffer.memory" => {
                if let Ok(bytes) = value.parse::<u64>() {
                    self.set("queue.buffering.max.kbytes", &(bytes / 1024).max(1).to_string());
                }
            }
            // librdkafka refuses settings of the other kind with a warning on every start.
            _ if kind != ClientKind::Producer && PRODUCER.iter().any(|(ours, _)| *ours == name) => {}
            _ if kind != ClientKind::Consumer && CONSUMER.iter().any(|(ours, _)| *ours == name) => {}
            _ => self.set(name, value),
        }
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// The value that librdkafka will get for this name of its own, or an alias of it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Makes this the settings of a group's member with a name of its own: the same name after a restart takes over the
    /// partitions of the one before at once. Names that Kafka would not take are left out.
    pub(super) fn set_member(&mut self, name: &str) {
        if !name.is_empty() && name.len() <= MEMBER_NAME_MAX {
            self.set("group.instance.id", name);
        }
    }

    /// Makes this the settings of a producer of transactions.
    pub(super) fn set_transactional(&mut self, transactional_id: &str) {
        self.set("transactional.id", transactional_id);
        let milliseconds = |name: &str| self.values.get(name).and_then(|value| value.parse::<u64>().ok());
        // A record cannot be on its way for longer than its transaction lasts.
        if let (Some(delivery), Some(transaction)) = (milliseconds("delivery.timeout.ms"), milliseconds("transaction.timeout.ms"))
            && delivery > transaction
        {
            self.set("delivery.timeout.ms", &transaction.to_string());
        }
    }

    fn set_all(&mut self, values: &[(&str, &str)]) {
        for (name, value) in values {
            self.set(name, value);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Bytes of a `group.instance.id`.
const MEMBER_NAME_MAX: usize = 249;

const COMMON: [(&str, &str); 4] = [
    ("client.id", "calzone"),
    // Bounds how long a broker that is back goes unnoticed.
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.keepalive.enable", "true"),
    // Stale metadata after a broker died is asked for again at this pace.
    ("topic.metadata.refresh.fast.interval.ms", "100"),
];

const ADMIN: [(&str, &str); 1] = [("allow.auto.create.topics", "false")];

const CONSUMER: [(&str, &str); 15] = [
    ("allow.auto.create.topics", "false"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("isolation.level", "read_committed"),
    // Partition p of all topics of equal partition count goes to the same member, so that joined topics meet.
    ("partition.assignment.strategy", "range"),
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "1000"),
    // The queue of a fast consumer is full now and then; by default it would then not be filled for a second.
    ("fetch.queue.backoff.ms", "2"),
    // How long a fetch that is under way when partitions come and go may hold them up. An idle consumer asks as often:
    // at 100 ms a hundred idle queries would take a third more CPU time.
    ("fetch.wait.max.ms", "250"),
    ("fetch.min.bytes", "1"),
    ("fetch.message.max.bytes", "1048576"),
    ("fetch.max.bytes", "16777216"),
    // Records that are fetched and not yet polled: the limits of the consumer's memory.
    ("queued.min.messages", "100000"),
    ("queued.max.messages.kbytes", "65536"),
    ("max.poll.interval.ms", "300000"),
];

const PRODUCER: [(&str, &str); 14] = [
    ("acks", "all"),
    ("enable.idempotence", "true"),
    // As Java's clients place keys.
    ("partitioner", "murmur2_random"),
    ("linger.ms", "5"),
    ("batch.size", "1000000"),
    ("batch.num.messages", "100000"),
    ("message.max.bytes", "8388608"),
    ("compression.type", "none"),
    // Records that are sent and not yet acknowledged: the limits of the producer's memory. A full queue waits.
    ("queue.buffering.max.messages", "200000"),
    ("queue.buffering.max.kbytes", "65536"),
    // By default a transaction that follows another one at once waits 100 ms for the coordinator.
    ("retry.backoff.ms", "5"),
    ("retry.backoff.max.ms", "1000"),
    ("delivery.timeout.ms", "30000"),
    // After that the cluster gives up the transaction of a worker that died.
    ("transaction.timeout.ms", "10000"),
];

/// The value of `option="value"` in Java's login configuration.
fn jaas_option<'a>(text: &'a str, option: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("{option}="))?;
    let rest = rest.strip_prefix('"')?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(kind: ClientKind, server: &[(&str, &str)], query: &[(&str, &str)]) -> BTreeMap<String, String> {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        ClientSettings::new(kind, &map(server), &map(query)).values
    }

    #[test]
    fn the_query_overrides_the_server_and_a_prefix_overrides_a_plain_name() {
        let server = [("bootstrap.servers", "b:1"), ("producer.linger.ms", "7"), ("fetch.min.bytes", "9")];
        let producer = settings(ClientKind::Producer, &server, &[("linger.ms", "8")]);
        assert_eq!(producer["linger.ms"], "8");
        assert_eq!(producer["bootstrap.servers"], "b:1");
        assert!(!producer.contains_key("fetch.min.bytes"));
        let consumer = settings(ClientKind::Consumer, &server, &[("fetch.min.bytes", "1"), ("consumer.fetch.min.bytes", "2")]);
        assert_eq!(consumer["fetch.min.bytes"], "2");
        assert!(!consumer.contains_key("linger.ms"));
    }

    #[test]
    fn what_exactly_once_rests_on_cannot_be_switched_off() {
        let query = [("isolation.level", "read_uncommitted"), ("enable.auto.commit", "true"), ("acks", "0")];
        assert_eq!(settings(ClientKind::Consumer, &[], &query)["isolation.level"], "read_committed");
        assert_eq!(settings(ClientKind::Consumer, &[], &query)["enable.auto.commit"], "false");
        assert_eq!(settings(ClientKind::Producer, &[], &query)["acks"], "all");
    }

    #[test]
    fn a_java_login_configuration_gives_name_and_password() {
        let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"ann\" password=\"se=cret\";";
        let admin = settings(ClientKind::Admin, &[("sasl.jaas.config", jaas)], &[]);
        assert_eq!((admin["sasl.username"].as_str(), admin["sasl.password"].as_str()), ("ann", "se=cret"));
    }
}
