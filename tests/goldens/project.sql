-- Expressions, a cast that fails (null, and a line in the log), names that are made up, and a key that is copied.
CREATE STREAM readings (id INT KEY, celsius DOUBLE, label STRING) WITH (KAFKA_TOPIC='readings', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM shown AS SELECT id, AS_VALUE(id) AS copy, celsius * 9 / 5 + 32 AS fahrenheit, CAST(label AS INT), UCASE(label) AS `Label` FROM readings;
