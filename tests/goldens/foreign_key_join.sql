-- A change on either side of a foreign-key join re-makes the rows that depend on it.
CREATE TABLE orders (id INT PRIMARY KEY, product INT, n INT) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE products (id INT PRIMARY KEY, name STRING) WITH (KAFKA_TOPIC='products', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE lines AS SELECT o.id, p.name, o.n FROM orders o JOIN products p ON o.product = p.id;
