-- Two queries fill one stream; the second reads what the first has written, too.
CREATE STREAM a (id INT KEY, v INT) WITH (KAFKA_TOPIC='a', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM b (id INT KEY, v INT) WITH (KAFKA_TOPIC='b', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM both AS SELECT * FROM a;
INSERT INTO both SELECT id, v * 10 AS v FROM b;
CREATE TABLE sums AS SELECT id, SUM(v) AS v FROM both GROUP BY id;
