-- Each record is in several hopping windows, which are updated by their start.
CREATE STREAM payments (account INT KEY, amount DECIMAL(8, 2)) WITH (KAFKA_TOPIC='payments', VALUE_FORMAT='DELIMITED', PARTITIONS=1);
CREATE TABLE spent AS SELECT account, SUM(amount) AS total, WINDOWSTART AS ws FROM payments WINDOW HOPPING (SIZE 30 SECONDS, ADVANCE BY 10 SECONDS) GROUP BY account;
