-- The four patterns of error handling, on one stream of payments. The plugin declines three attempts for each payment of
-- acct-1, and every attempt for acct-7.

CREATE STREAM payments (account VARCHAR KEY, id BIGINT, amount DECIMAL(10, 2))
  WITH (KAFKA_TOPIC='payments', VALUE_FORMAT='JSON', PARTITIONS=2);

-- 1. Stop at the first payment that fails, and wait for a person.
CREATE ERROR POLICY halt AS STOP;
CREATE STAGE charge_or_halt FROM payments INTO charged_or_halted
  WITH (KAFKA_TOPIC='charged-or-halted', VALUE_FORMAT='JSON')
  USING PLUGIN 'charge' CONFIG (fails = 'acct-1:3,acct-7:1000') ON ERROR halt;

-- 2. Lay it aside, as it was, with the reason in its headers.
CREATE ERROR POLICY bury AS DEAD LETTER;
CREATE STAGE charge_or_bury FROM payments INTO charged_or_buried
  WITH (KAFKA_TOPIC='charged-or-buried', VALUE_FORMAT='JSON')
  USING PLUGIN 'charge' CONFIG (fails = 'acct-1:3,acct-7:1000') ON ERROR bury;

-- 3. Try again later; other payments, also those of the same account, pass meanwhile.
CREATE ERROR POLICY again AS RETRY THEN DEAD LETTER WITH (ATTEMPTS=5, BACKOFF='FIXED', BACKOFF_INITIAL_MS=500);
CREATE STAGE charge_again FROM payments INTO charged_again
  WITH (KAFKA_TOPIC='charged-again', VALUE_FORMAT='JSON')
  USING PLUGIN 'charge' CONFIG (fails = 'acct-1:3,acct-7:1000') ON ERROR again;

-- 4. Try again later, in order: later payments of the same account wait, those of other accounts pass.
CREATE ERROR POLICY orderly AS RETRY IN ORDER THEN DEAD LETTER WITH (ATTEMPTS=5, BACKOFF='FIXED', BACKOFF_INITIAL_MS=500);
CREATE STAGE charge_in_order FROM payments INTO charged_in_order
  WITH (KAFKA_TOPIC='charged-in-order', VALUE_FORMAT='JSON')
  USING PLUGIN 'charge' CONFIG (fails = 'acct-1:3,acct-7:1000') ON ERROR orderly;
