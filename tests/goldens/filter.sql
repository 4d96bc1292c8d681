-- Rows that do not pass leave no trace; a record that cannot be read is skipped and logged.
CREATE STREAM clicks (user STRING KEY, page STRING, ms INT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM slow AS SELECT user, page FROM clicks WHERE ms > 100 AND page LIKE '/%';
