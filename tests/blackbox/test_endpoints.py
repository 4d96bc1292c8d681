"""Endpoints: the pizza shop's counter and report over HTTP, also across kill -9, swaps, and plugins that misbehave."""
import http.client
import json
import pathlib
import threading

from conftest import free_port, wait_for

SHOP = pathlib.Path(__file__).resolve().parents[2] / "plugins" / "pizza"


def ask(port, method, path, body=None, headers=None):
    """Status, body and headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text, answer.headers


def ask_json(port, method, path, body=None):
    status, text, _ = ask(port, method, path, body)
    return status, json.loads(text)


def statements(server, file, **replaced):
    text = (SHOP / file).read_text()
    for old, new in replaced.items():
        text = text.replace(old, new)
    # Topics of its own for each run: the Kafka lives longer than the test.
    return text.replace("KAFKA_TOPIC='", f"KAFKA_TOPIC='{server.service}")


def open_shop(server):
    for name in ("sauce", "cheese", "meats", "veggies", "order-api"):
        server.upload(name, name)
    port = free_port()
    server.sql(statements(server, "shop.sql", **{"127.0.0.1:8094": f"127.0.0.1:{port}"}))
    return port


def finished(port, order_id, count):
    def check():
        status, order = ask_json(port, "GET", f"/order/{order_id}")
        return order if status == 200 and order["count"] == count else None
    return wait_for(f"order {order_id} has its {count} pizzas", check, 60)


def test_the_pizza_shop(server):
    port = open_shop(server)
    status, answer = ask_json(port, "POST", "/order/3")
    assert status == 200 and list(answer) == ["order_id"]
    first = answer["order_id"]
    order = finished(port, first, 3)
    assert list(order) == ["id", "count", "pizzas"] and order["id"] == first and len(order["pizzas"]) == 3
    for pizza in order["pizzas"]:
        assert set(pizza) == {"order_id", "sauce", "cheese", "meats", "veggies"} and pizza["order_id"] == first
    # The same below the server's own address, where the path begins with the endpoint's.
    assert ask_json(server.port, "GET", f"/endpoints/orders/order/{first}") == (200, order)
    for method, path, wanted, word in [
        ("GET", "/order/nobody", 404, "nobody"),
        ("GET", "/order/' OR '1' = '1", 404, "OR"),
        ("GET", "/elsewhere", 404, "elsewhere"),
        ("POST", "/order/many", 400, "many"),
        ("POST", "/order/0", 400, "1000"),
        ("PUT", "/order/3", 405, "GET, POST"),
    ]:
        status, problem = ask_json(port, method, path.replace(" ", "%20"))
        assert status == wanted and word in problem["message"], (method, path, status, problem)

    # The report comes later and changes nothing else.
    before = [q["id"] for q in server.sql("SHOW QUERIES;")[0]["queries"]]
    server.upload("report", "report")
    report_port = free_port()
    server.sql(statements(server, "report.sql", **{"127.0.0.1:8089": f"127.0.0.1:{report_port}"}))
    after = [q["id"] for q in server.sql("SHOW QUERIES;")[0]["queries"]]
    assert set(before) < set(after) and len(after) == len(before) + 1
    wanted = {}
    for pizza in order["pizzas"]:
        wanted[pizza["meats"]] = wanted.get(pizza["meats"], 0) + 1
    wait_for("the report has the first order", lambda: ask_json(report_port, "GET", "/report") == (200, dict(sorted(wanted.items()))), 60)

    # Everything is served again after a crash, at the same addresses, and nothing acknowledged was lost.
    second = ask_json(port, "POST", "/order/2")[1]["order_id"]
    server.kill()
    server.start()
    finished(port, second, 2)
    assert finished(port, first, 3)["pizzas"] == order["pizzas"]
    wait_for("the report counts on", lambda: sum(ask_json(report_port, "GET", "/report")[1].values()) == 5, 60)
    assert [(e["name"], e["state"]) for e in server.sql("SHOW ENDPOINTS;")[0]["endpoints"]] == [
        ("ORDER_API", "RUNNING"), ("REPORT", "RUNNING")]
    server.sql("DROP ENDPOINT order_api; DROP ENDPOINT report;")
    assert ask(server.port, "GET", "/endpoints/orders/order/1")[0] == 404
    wait_for("the address is free again", lambda: refused(port), 5)


def refused(port):
    try:
        ask(port, "GET", "/")
        return False
    except OSError:
        return True


def test_what_endpoints_use_stays(embedded):
    port = open_shop(embedded)
    for statement, word in [
        ("DROP STREAM pizza;", "STAGE_ADD_SAUCE"),
        ("DROP TABLE orders;", "ORDER_API"),
        ("CREATE ENDPOINT order_api ON '/x' USING PLUGIN 'order-api';", "already"),
        ("CREATE ENDPOINT b ON '/orders' USING PLUGIN 'order-api';", "/orders"),
        ("CREATE ENDPOINT b ON '/b' USING PLUGIN 'sauce' GRANT (RANDOM);", "no endpoint"),
        ("CREATE ENDPOINT b ON '/b' USING PLUGIN 'order-api';", "not granted"),
        ("CREATE ENDPOINT b ON '/b' USING PLUGIN 'order-api' GRANT (RANDOM, QUERY ON TABLE orders);", "INSERT ON"),
        ("CREATE ENDPOINT b ON '/b' USING PLUGIN 'order-api' GRANT (RANDOM, QUERY ON STREAM orders);", "TABLE"),
        ("CREATE ENDPOINT b ON '/b' USING PLUGIN 'order-api' GRANT (RANDOM, INSERT ON STREAM nowhere);", "NOWHERE"),
        (f"CREATE ENDPOINT b ON '/b' USING PLUGIN 'order-api' LISTENER 'http://127.0.0.1:{port}';", "ORDER_API"),
        (f"CREATE ENDPOINT b ON '/b' USING PLUGIN 'order-api' GRANT (RANDOM, INSERT ON STREAM pizza, QUERY ON TABLE orders) "
         f"LISTENER 'http://127.0.0.1:{embedded.port}';", "listen"),
        ("CREATE ENDPOINT b ON 'b' USING PLUGIN 'order-api';", "path"),
        ("DROP ENDPOINT b;", "no endpoint"),
        ("DESCRIBE ENDPOINT b;", "no endpoint"),
    ]:
        status, body = embedded.sql_error(statement)
        assert status == 400 and word in body["message"], (statement, body["message"])
    assert embedded.request("DELETE", "/plugins/order-api")[0] == 409
    embedded.sql("CREATE ENDPOINT IF NOT EXISTS order_api ON '/x' USING PLUGIN 'order-api'; DROP ENDPOINT IF EXISTS b;")

    # A call for what was not granted is refused at the call, and says so.
    embedded.sql("CREATE STREAM other (order_id VARCHAR KEY, number INT) WITH (KAFKA_TOPIC='other', PARTITIONS=1, VALUE_FORMAT='JSON');")
    embedded.sql("CREATE OR REPLACE ENDPOINT order_api ON '/orders' USING PLUGIN 'order-api' "
                 f"GRANT (RANDOM, INSERT ON STREAM other, QUERY ON TABLE orders) LISTENER 'http://127.0.0.1:{port}';")
    status, problem = ask_json(port, "POST", "/order/3")
    assert status == 500 and "INSERT ON pizza is not granted" in problem["message"]
    described = embedded.sql("DESCRIBE ENDPOINT order_api;")[0]["endpoint"]
    assert described["path"] == "/endpoints/orders" and described["plugin"] == "order-api"
    assert [(r["method"], r["path"]) for r in described["routes"]] == [("POST", "/order/{count}"), ("GET", "/order/{id}")]
    metrics = embedded.request("GET", "/metrics")[1].decode()
    assert 'calzone_endpoint_requests_total{endpoint="ORDER_API",plugin="order-api"} 1\n' in metrics
