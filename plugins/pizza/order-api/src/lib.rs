//! The pizza shop's counter: orders go into the stream PIZZA, finished ones come out of the table ORDERS.

use calzone_guest::endpoint::{Json, Problem, insert, json, select};
use calzone_guest::{Random, endpoint, plugin};

/// The most pizzas of one order.
const PIZZAS_MAX: u32 = 1000;

/// Orders so many pizzas, and gives the id to ask for them by.
#[endpoint("POST /order/{count}")]
fn order(count: u32, random: &mut Random) -> Result<Json, Problem> {
    if count == 0 || count > PIZZAS_MAX {
        return Err(Problem::bad_request(format!("an order has 1 to {PIZZAS_MAX} pizzas, not {count}")));
    }
    let order_id = format!("{:016x}", random.next_u64());
    insert("pizza", &pizzas(&order_id, count))?;
    Ok(json!({ "order_id": order_id }))
}

/// An order, with the pizzas of it that are finished.
#[endpoint("GET /order/{id}")]
fn find_order(id: &str) -> Result<Json, Problem> {
    let mut found = select("SELECT id AS `id`, `count`, `pizzas` FROM orders WHERE id = ?", &[&id])?;
    found.pop().ok_or_else(|| Problem::not_found(format!("there is no order {id}, or none of its pizzas is finished yet")))
}

/// Rows for the stream PIZZA.
fn pizzas(order_id: &str, count: u32) -> Vec<Json> {
    (1..=count).map(|number| json!({ "order_id": order_id, "number": number })).collect()
}

plugin!(endpoint: [order, find_order]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_its_pizzas() {
        let rows = pizzas("a", 2);
        assert_eq!(rows, [json!({ "order_id": "a", "number": 1 }), json!({ "order_id": "a", "number": 2 })]);
    }

    #[test]
    fn silly_orders_are_refused() {
        let mut random = Random::from_seed(1);
        for count in [0, PIZZAS_MAX + 1] {
            assert_eq!(super::order(count, &mut random).unwrap_err().status, 400);
        }
    }
}
