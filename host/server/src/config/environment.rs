//! `KSQL_…` environment variables, as the container images of ksqlDB take them.

use super::Gathered;

/// Variables that only a Java program has a use for.
const FOR_JAVA: &[&str] = &[
    "KSQL_HEAP_OPTS",
    "KSQL_JMX_OPTS",
    "KSQL_JMX_PORT",
    "KSQL_JMX_HOSTNAME",
    "KSQL_JVM_PERFORMANCE_OPTS",
    "KSQL_GC_LOG_OPTS",
    "KSQL_CLASSPATH",
    "KSQL_DEBUG",
    "KSQL_DIR",
    "KSQL_HOME",
    "KSQL_CONFIG_DIR",
    "KSQL_LOG_DIR",
];

/// Begin names of variables of Java's logging.
const LOGGING: &[&str] = &["KSQL_LOG4J", "KSQL_LOG4J2"];

/// Settings from `KSQL_NAME_OF_SETTING` and, over them, from `-Dname=value` in `KSQL_OPTS`.
pub fn read(variables: impl Iterator<Item = (String, String)>) -> Gathered {
    let mut gathered = Gathered::default();
    let mut options = String::new();
    let mut ignored = Vec::new();
    for (name, value) in variables {
        if name == "KSQL_OPTS" {
            options = value;
        } else if FOR_JAVA.contains(&name.as_str()) || LOGGING.iter().any(|prefix| name.starts_with(prefix)) {
            ignored.push(name);
        } else if let Some(rest) = name.strip_prefix("KSQL_")
            && !rest.is_empty()
        {
            gathered.properties.insert(setting_name(rest), value);
        }
    }
    for option in options.split_whitespace() {
        match option.strip_prefix("-D").and_then(|o| o.split_once('=')) {
            Some((name, value)) => {
                gathered.properties.insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
            }
            None => ignored.push(format!("{option} in KSQL_OPTS")),
        }
    }
    if !ignored.is_empty() {
        ignored.sort();
        gathered.notes.push(format!("ignored, as there is no Java here: {}", ignored.join(", ")));
    }
    gathered
}

/// `KSQL_STREAMS_NUM_STREAM_THREADS` is `ksql.streams.num.stream.threads`; two underscores are a dash, three are one underscore.
fn setting_name(variable: &str) -> String {
    variable.to_lowercase().replace("___", "\0").replace("__", "-").replace('_', ".").replace('\0', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_pairs(pairs: &[(&str, &str)]) -> Gathered {
        read(pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())))
    }

    #[test]
    fn names_of_variables_become_names_of_settings() {
        for (variable, setting) in [
            ("KSQL_LISTENERS", "listeners"),
            ("KSQL_BOOTSTRAP_SERVERS", "bootstrap.servers"),
            ("KSQL_KSQL_SERVICE_ID", "ksql.service.id"),
            ("KSQL_KSQL_STREAMS_AUTO_OFFSET_RESET", "ksql.streams.auto.offset.reset"),
            ("KSQL_KSQL_FUNCTIONS_MY___UDF_X", "ksql.functions.my_udf.x"),
            ("KSQL_A__B", "a-b"),
        ] {
            let gathered = read_pairs(&[(variable, "v")]);
            assert_eq!(gathered.properties.into_iter().collect::<Vec<_>>(), [(setting.to_owned(), "v".to_owned())]);
        }
    }

    #[test]
    fn options_win_over_variables_and_the_rest_is_noted() {
        let gathered = read_pairs(&[
            ("KSQL_KSQL_SERVICE_ID", "a_"),
            ("KSQL_OPTS", "-Dksql.service.id=b_ -Xmx1g"),
            ("KSQL_HEAP_OPTS", "-Xmx3g"),
            ("KSQL_LOG4J_OPTS", "x"),
            ("HOME", "/root"),
        ]);
        assert_eq!(gathered.properties.len(), 1);
        assert_eq!(gathered.properties["ksql.service.id"], "b_");
        assert_eq!(gathered.notes, ["ignored, as there is no Java here: -Xmx1g in KSQL_OPTS, KSQL_HEAP_OPTS, KSQL_LOG4J_OPTS"]);
    }
}
