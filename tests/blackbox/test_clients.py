"""Real ksqlDB clients."""
from ksql import KSQLAPI


def test_ksql_python_ng(embedded):
    client = KSQLAPI(f"http://127.0.0.1:{embedded.port}")
    assert client.get_ksql_version()
    client.ksql("CREATE STREAM orders (id INT KEY, price DOUBLE) WITH (KAFKA_TOPIC='orders', PARTITIONS=1, VALUE_FORMAT='JSON');")
    client.ksql("INSERT INTO orders VALUES (1, 2.5); INSERT INTO orders VALUES (2, 50.0);")
    assert client.ksql("SHOW STREAMS;")[0]["streams"][0]["name"] == "ORDERS"
    rows = list(client.query("SELECT id, price FROM orders EMIT CHANGES LIMIT 2;", stream_properties={"ksql.streams.auto.offset.reset": "earliest"}))
    assert "2.5" in "".join(map(str, rows))
