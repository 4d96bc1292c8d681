-- PARTITION BY gives a stream another key; what was the key is an ordinary column from there on.
CREATE STREAM clicks (user STRING KEY, page STRING, ms INT) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM by_page WITH (FORMAT='JSON') AS SELECT page, ms / 100 AS tenths, user FROM clicks PARTITION BY page, ms / 100;
