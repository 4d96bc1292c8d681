-- How many pizzas got which meats: added to the running shop, which does not notice.

CREATE TABLE meat_report WITH (KAFKA_TOPIC='meat-report') AS
  SELECT meats, COUNT(*) AS pizzas FROM pizza_with_meats GROUP BY meats EMIT CHANGES;

CREATE ENDPOINT report ON '/report' USING PLUGIN 'report'
  GRANT (QUERY ON TABLE meat_report)
  LISTENER 'http://127.0.0.1:8089';
