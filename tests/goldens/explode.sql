-- Table functions advance together; where one has no more rows, it gives null. Nothing comes of an empty array.
CREATE STREAM baskets (id INT KEY, items ARRAY<STRING>, widths ARRAY<INT>) WITH (KAFKA_TOPIC='baskets', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM items AS SELECT id, EXPLODE(items) AS item, EXPLODE(widths) AS width FROM baskets;
