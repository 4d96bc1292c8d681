-- Two tables by key, both sides optional: a row is there while one of its halves is.
CREATE TABLE names (id INT PRIMARY KEY, name STRING) WITH (KAFKA_TOPIC='names', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE ages (id INT PRIMARY KEY, age INT) WITH (KAFKA_TOPIC='ages', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE people AS SELECT ROWKEY AS id, n.name, a.age FROM names n FULL JOIN ages a ON n.id = a.id;
