-- Letters are hidden; digits and nulls stay.
CREATE FUNCTION hide USING PLUGIN 'PLUGIN';
CREATE STREAM people (id INT KEY, name VARCHAR) WITH (KAFKA_TOPIC='people', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM hidden AS SELECT id, hide(name) AS name FROM people;
