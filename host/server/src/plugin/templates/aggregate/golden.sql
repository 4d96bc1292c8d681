-- The range of a sensor's temperatures, after each of them.
CREATE FUNCTION value_range USING PLUGIN 'PLUGIN';
CREATE STREAM temperatures (sensor INT KEY, celsius BIGINT) WITH (KAFKA_TOPIC='temperatures', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE ranges AS SELECT sensor, value_range(celsius) AS celsius_range FROM temperatures GROUP BY sensor;
