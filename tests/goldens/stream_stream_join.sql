-- Rows of two streams match within 10 seconds of one another; with a grace period a miss is told when its time is over.
CREATE STREAM sent (id INT KEY, text STRING) WITH (KAFKA_TOPIC='sent', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM seen (id INT KEY, reader STRING) WITH (KAFKA_TOPIC='seen', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM outcome AS SELECT s.id AS id, s.text, r.reader FROM sent s LEFT JOIN seen r WITHIN 10 SECONDS GRACE PERIOD 5 SECONDS ON s.id = r.id;
