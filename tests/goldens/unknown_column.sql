-- A statement that is wrong says what is wrong, where, and what to do.
CREATE STREAM clicks (user STRING KEY, page STRING) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM copy AS SELECT user, pages FROM clicks;
