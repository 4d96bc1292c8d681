#!/usr/bin/env python3
"""Runs the pizza shop from nothing: starts a server, uploads the plugins of toppings and counter, orders pizzas over HTTP,
swaps a plugin while orders flow, adds a function and a report, and checks that nothing was lost. Exits 0, or 1 saying what was
wrong."""
import argparse
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "target" / "plugins"
EARLIEST = {"ksql.streams.auto.offset.reset": "earliest"}


class Failed(Exception):
    """Something is not as it should be."""


class Client:
    """Requests to one server; each is printed with its answer unless told otherwise."""

    def __init__(self, port):
        self.port = port

    def send(self, method, path, body=None, show=True, binary=False):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if binary or body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if show:
            shown = f"{len(body)} bytes" if binary else "" if body is None else body.get("ksql") or body.get("sql") or json.dumps(body)
            one_line = " ".join(shown.split())[:300]
            print(f"\n> {method} {path}  {one_line}")
            print(f"< {answer.status} {text.decode(errors='replace')[:700]}")
        return answer.status, text

    def statement(self, sql, show=True):
        status, text = self.send("POST", "/ksql", {"ksql": sql, "streamsProperties": EARLIEST}, show)
        if status != 200:
            raise Failed(f"{sql}\nwas refused: {text.decode(errors='replace')}")
        return json.loads(text)

    def rows(self, sql, show=True):
        """Rows of a pull query as dictionaries by column name."""
        status, text = self.send("POST", "/query-stream", {"sql": sql, "properties": EARLIEST}, show)
        if status != 200:
            raise Failed(f"{sql}\nwas refused: {text.decode(errors='replace')}")
        lines = [json.loads(line) for line in text.decode().splitlines() if line]
        if isinstance(lines[-1], dict) and len(lines) > 1:
            raise Failed(f"{sql}\nfailed: {lines[-1]}")
        return [dict(zip(lines[0]["columnNames"], row)) for row in lines[1:]]

    def upload(self, name, file, activate=False):
        path = f"/plugins/{urllib.parse.quote(name)}" + ("?activate=true" if activate else "")
        status, text = self.send("PUT", path, (PLUGINS / f"{file}.wasm").read_bytes(), binary=True)
        if status not in (200, 201):
            raise Failed(f"plugin {name} was refused: {text.decode(errors='replace')}")
        return json.loads(text)


class Customer(threading.Thread):
    """Orders pizzas without pause until told to stop."""

    def __init__(self, counter):
        super().__init__(daemon=True)
        self.counter, self.ordered, self.stopping, self.error = counter, {}, threading.Event(), None

    def order(self, count, show=False):
        status, text = self.counter.send("POST", f"/order/{count}", show=show)
        if status != 200:
            raise Failed(f"an order of {count} pizzas was refused: {text.decode(errors='replace')}")
        order_id = json.loads(text)["order_id"]
        self.ordered[order_id] = count
        return order_id

    def run(self):
        n = 0
        while not self.stopping.is_set():
            n += 1
            try:
                self.order(1 + n % 5)
            except (Failed, OSError) as e:
                self.error = e
                return

    def stop(self):
        self.stopping.set()
        self.join()
        if self.error:
            raise Failed(f"ordering stopped: {self.error}")


def wait_for(what, seconds, check):
    """Polls until `check` gives something true."""
    deadline = time.time() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.time() > deadline:
            raise Failed(f"{what}: not so after {seconds} s")
        time.sleep(0.1)


def heading(text):
    print(f"\n=== {text}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def script(file, listener, port):
    """A file of statements, with the endpoint's listener at this port instead."""
    text = (pathlib.Path(__file__).parent / file).read_text()
    if listener not in text:
        raise Failed(f"{file} has no {listener}")
    return text.replace(listener, f"http://127.0.0.1:{port}")


def run_shop(client, order_port, report_port):
    heading("The four topping plugins and the counter")
    for name in ("sauce", "cheese", "meats", "veggies", "order-api"):
        client.upload(name, name)

    heading("The shop")
    client.statement(script("shop.sql", "http://127.0.0.1:8094", order_port))
    client.statement("SHOW STAGES;")
    client.statement("DESCRIBE ENDPOINT order_api;")

    heading("One order of three pizzas")
    counter = Client(order_port)
    customer = Customer(counter)
    first = customer.order(3, show=True)

    def finished():
        status, text = counter.send("GET", f"/order/{first}", show=False)
        return status == 200 and json.loads(text)["count"] == 3
    wait_for("the order of three pizzas is finished", 30, finished)
    order = json.loads(counter.send("GET", f"/order/{first}")[1])
    if list(order) != ["id", "count", "pizzas"] or order["id"] != first or len(order["pizzas"]) != 3 or any(
            set(p) != {"order_id", "sauce", "cheese", "meats", "veggies"} or p["order_id"] != first for p in order["pizzas"]):
        raise Failed(f"the order has the wrong pizzas: {order}")
    if counter.send("GET", "/order/nobody")[0] != 404:
        raise Failed("there should be no order of that id")

    heading("Orders flow; meanwhile sauce gets its second revision")
    customer.start()
    time.sleep(1)
    if client.upload("sauce", "sauce2")["revision"] != 2:
        raise Failed("the second sauce should be revision 2")
    client.statement("ALTER PLUGIN sauce USE REVISION 2;")
    time.sleep(1)

    heading("A function from a plugin, used by a new query")
    client.upload("mask", "mask")
    client.statement("CREATE FUNCTION hide USING PLUGIN 'mask' FUNCTION 'mask';")
    client.statement("CREATE STREAM masked_orders AS SELECT order_id, hide(order_id) AS masked, veggies FROM pizza_with_veggies EMIT CHANGES;")

    heading("The meat report, added while the shop runs")
    client.upload("report", "report")
    client.statement(script("report.sql", "http://127.0.0.1:8089", report_port))
    time.sleep(1)
    customer.stop()
    total = sum(customer.ordered.values())

    heading(f"{total} pizzas in {len(customer.ordered)} orders: is every one there, once?")

    def counted(sql, column):
        return sum(row[column] for row in client.rows(sql, show=False)) == total
    wait_for("every pizza is in its order", 60, lambda: counted("SELECT * FROM orders;", "count"))

    def report(show=False):
        status, text = Client(report_port).send("GET", "/report", show=show)
        if status != 200:
            raise Failed(f"the report failed: {text.decode(errors='replace')}")
        return json.loads(text)
    wait_for("every pizza is in the meat report", 60, lambda: sum(report().values()) == total)
    orders = {row["ID"]: row["count"] for row in client.rows("SELECT * FROM orders;", show=False)}
    if orders != customer.ordered:
        wrong = {k: (v, orders.get(k)) for k, v in customer.ordered.items() if orders.get(k) != v}
        raise Failed(f"orders with a wrong count (ordered, found): {wrong}")
    for meats, pizzas in sorted(report(show=True).items(), key=lambda entry: -entry[1])[:5]:
        print(f"  {pizzas:5}  {meats}")
    masked = wait_for("every masked order is there", 60, lambda: [
        rows for rows in [client.rows("SELECT order_id, masked FROM masked_orders;", show=False)] if len(rows) == total])[0]
    if any(re.search(r"[0-9]", row["MASKED"]) for row in masked):
        raise Failed("a masked order id still has digits")
    print(f"  {len(masked)} masked order ids, for example {masked[-1]}")

    heading("Which revision of sauce met which pizza")
    sauced = len(client.rows("SELECT number FROM sauce_revisions;", show=False))
    if sauced != total:
        raise Failed(f"pizza-with-sauce has {sauced} records for {total} pizzas")
    pizzas = client.rows(f"SELECT ROWPARTITION AS p, ROWOFFSET AS o, FROM_BYTES(revision, 'utf8') AS made_by FROM sauce_revisions "
                         f"EMIT CHANGES LIMIT {total};", show=False)
    seen = set()
    for partition in sorted({row["P"] for row in pizzas}):
        made_by = [row["MADE_BY"] for row in sorted(pizzas, key=lambda r: r["O"]) if row["P"] == partition]
        changes = [i for i in range(1, len(made_by)) if made_by[i] != made_by[i - 1]]
        seen.update(made_by)
        print(f"  partition {partition}: {len(made_by)} pizzas, {made_by[0]} up to number {changes[0] if changes else len(made_by)}, then {made_by[-1]}")
        if len(changes) > 1:
            raise Failed(f"partition {partition} changed its revision {len(changes)} times")
    if seen != {"sauce@1", "sauce@2"}:
        raise Failed(f"pizzas should be of sauce@1 and sauce@2, but are of {sorted(seen)}")
    client.statement("DESCRIBE STAGE add_sauce;")


def clear_away(client):
    """On a Kafka that goes on living: the shop's topics would be in the way of the next run."""
    heading("Clearing the shop away")
    client.statement("DROP ENDPOINT order_api; DROP ENDPOINT report;", show=False)
    client.statement("".join(f"DROP STAGE {stage};" for stage in ("add_veggies", "add_meats", "add_cheese", "add_sauce")), show=False)
    for drop in ("TABLE meat_report", "TABLE orders", "STREAM masked_orders"):
        client.statement(f"DROP {drop} DELETE TOPIC;", show=False)
    client.statement("DROP STREAM sauce_revisions;", show=False)
    for stream in ("pizza_with_veggies", "pizza_with_meats", "pizza_with_cheese", "pizza_with_sauce", "pizza"):
        client.statement(f"DROP STREAM {stream} DELETE TOPIC;", show=False)
    print("  dropped")


def start_server(calzone, directory, bootstrap):
    port = free_port()
    command = [calzone, "server", "--set", f"listeners=http://127.0.0.1:{port}", "--set", f"ksql.streams.state.dir={directory}/state"]
    if bootstrap:
        unique = f"shop{os.getpid()}_"
        command += ["--set", f"bootstrap.servers={bootstrap}", "--set", f"ksql.service.id={unique}",
                    "--set", "ksql.streams.processing.guarantee=exactly_once_v2"]
    log = open(f"{directory}/server.log", "w", encoding="utf-8")
    server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def ready():
        if server.poll() is not None:
            raise Failed(f"the server ended while starting:\n{pathlib.Path(log.name).read_text()[-2000:]}")
        try:
            return Client(port).send("GET", "/info", show=False)[0] == 200
        except OSError:
            return False
    wait_for("the server is ready", 30, ready)
    return server, Client(port), log.name


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calzone", default=str(ROOT / "target" / "release" / "calzone"))
    arguments.add_argument("--bootstrap", help="run on this Kafka instead of the embedded log")
    arguments.add_argument("--order-port", type=int, help="where orders are taken; a free port by default")
    arguments.add_argument("--report-port", type=int, help="where the report is; a free port by default")
    options = arguments.parse_args()
    directory = tempfile.mkdtemp(prefix="calzone-demo-")
    started, server, log = time.time(), None, None
    try:
        heading(f"A server on {'Kafka at ' + options.bootstrap if options.bootstrap else 'the embedded log'}")
        server, client, log = start_server(options.calzone, directory, options.bootstrap)
        client.send("GET", "/info")
        run_shop(client, options.order_port or free_port(), options.report_port or free_port())
        if options.bootstrap:
            clear_away(client)
        server.send_signal(signal.SIGTERM)
        if server.wait(10) != 0:
            raise Failed(f"the server ended with status {server.returncode}")
        server = None
        print(f"\nAll well after {time.time() - started:.0f} s.")
        shutil.rmtree(directory, ignore_errors=True)
        return 0
    except (Failed, OSError, subprocess.TimeoutExpired) as e:
        print(f"\nWRONG: {e}", file=sys.stderr)
        if log:
            print(f"The server's log is {log}; its end:\n{pathlib.Path(log).read_text()[-3000:]}", file=sys.stderr)
        return 1
    finally:
        if server and server.poll() is None:
            server.kill()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
