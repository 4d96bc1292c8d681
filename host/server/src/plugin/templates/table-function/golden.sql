-- Each word is a row.
CREATE FUNCTION explode_words USING PLUGIN 'PLUGIN';
CREATE STREAM texts (id INT KEY, text VARCHAR) WITH (KAFKA_TOPIC='texts', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM words AS SELECT id, explode_words(text) AS word FROM texts;
