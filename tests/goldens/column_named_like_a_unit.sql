-- A bare unit of time is a column where there is one of that name, and a unit everywhere else.
CREATE STREAM laps (driver STRING KEY, second INT, minutes INT) WITH (KAFKA_TOPIC='laps', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM shown AS SELECT driver, GREATEST(second, 5) AS a, GREATEST(minutes, second) AS b, TIMESTAMPADD(HOURS, 1, FROM_UNIXTIME(ROWTIME)) AS later FROM laps;
