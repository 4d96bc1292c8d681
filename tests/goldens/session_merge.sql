-- A record between two sessions makes them one: first the old ones are deleted, then the merged one appears.
CREATE STREAM clicks (user STRING KEY, page STRING) WITH (KAFKA_TOPIC='clicks', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE visits AS SELECT user, COUNT(*) AS n, COLLECT_LIST(page) AS pages FROM clicks WINDOW SESSION (10 SECONDS) GROUP BY user;
