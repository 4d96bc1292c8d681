-- A stream's row meets the table's row as it is at that moment; changes of the table alone make nothing.
CREATE STREAM orders (id INT KEY, customer INT, item STRING) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE customers (id INT PRIMARY KEY, name STRING) WITH (KAFKA_TOPIC='customers', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM named AS SELECT o.customer, o.id, c.name, o.item FROM orders o LEFT JOIN customers c ON o.customer = c.id;
