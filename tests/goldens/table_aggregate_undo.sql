-- A row of a table that changes its group leaves the old group before it enters the new one.
CREATE TABLE staff (id INT PRIMARY KEY, team STRING, pay INT) WITH (KAFKA_TOPIC='staff', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE teams AS SELECT team, COUNT(*) AS n, SUM(pay) AS pay FROM staff GROUP BY team;
