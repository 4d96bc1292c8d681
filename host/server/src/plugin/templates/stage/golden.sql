-- A row that fails goes to the processing log, its neighbours go on.
CREATE STREAM pizza (id INT KEY, grams BIGINT) WITH (KAFKA_TOPIC='pizza', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STAGE add_portion FROM pizza INTO portions WITH (KAFKA_TOPIC='portions', VALUE_FORMAT='JSON') USING PLUGIN 'PLUGIN';
