-- The pizza shop: four topping services in a row, each a plugin, and a table of finished orders.

CREATE STREAM pizza (order_id VARCHAR KEY, number INT)
  WITH (KAFKA_TOPIC='pizza', VALUE_FORMAT='JSON', PARTITIONS=3);

CREATE STAGE add_sauce FROM pizza INTO pizza_with_sauce
  WITH (KAFKA_TOPIC='pizza-with-sauce', VALUE_FORMAT='JSON')
  USING PLUGIN 'sauce' GRANT (RANDOM);

CREATE STAGE add_cheese FROM pizza_with_sauce INTO pizza_with_cheese
  WITH (KAFKA_TOPIC='pizza-with-cheese', VALUE_FORMAT='JSON')
  USING PLUGIN 'cheese' GRANT (RANDOM);

CREATE STAGE add_meats FROM pizza_with_cheese INTO pizza_with_meats
  WITH (KAFKA_TOPIC='pizza-with-meats', VALUE_FORMAT='JSON')
  USING PLUGIN 'meats' GRANT (RANDOM);

CREATE STAGE add_veggies FROM pizza_with_meats INTO pizza_with_veggies
  WITH (KAFKA_TOPIC='pizza-with-veggies', VALUE_FORMAT='JSON')
  USING PLUGIN 'veggies' GRANT (RANDOM);

CREATE TABLE orders WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON') AS
  SELECT order_id AS id,
         COUNT(*) AS `count`,
         COLLECT_LIST(STRUCT(`order_id` := AS_VALUE(order_id), `sauce` := sauce, `cheese` := cheese, `meats` := meats, `veggies` := veggies)) AS `pizzas`
  FROM pizza_with_veggies
  GROUP BY order_id
  EMIT CHANGES;

-- The same topic with the header that says which revision made each record.
CREATE STREAM sauce_revisions (order_id VARCHAR KEY, number INT, revision BYTES HEADER('calzone.revision'))
  WITH (KAFKA_TOPIC='pizza-with-sauce', VALUE_FORMAT='JSON');

-- The counter: orders come in and are asked for over HTTP.
CREATE ENDPOINT order_api ON '/orders' USING PLUGIN 'order-api'
  GRANT (RANDOM, INSERT ON STREAM pizza, QUERY ON TABLE orders)
  LISTENER 'http://127.0.0.1:8094';
