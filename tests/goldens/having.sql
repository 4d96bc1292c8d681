-- A group that no longer passes HAVING is deleted; one that never passed is not mentioned.
CREATE STREAM votes (who STRING KEY, points INT) WITH (KAFKA_TOPIC='votes', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE winners AS SELECT who, SUM(points) AS points FROM votes GROUP BY who HAVING SUM(points) >= 10;
