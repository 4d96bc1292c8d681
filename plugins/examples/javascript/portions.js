// Stage `portions` in JavaScript: 0, 1 or 2 rows for each row.
import { plugin, stage } from './calzone-guest.js';
export { stages } from './calzone-guest.js';

plugin('Calzone', '1.0.0');

stage(
  'portions',
  'portion VARCHAR, grams BIGINT',
  'Sets PORTION and GRAMS: small or large; leaves out what has no weight, and cuts in two what is above 1 kg.',
  ['grams'],
  ({ grams }, { large_from }) => {
    if (grams < 0n) throw new RangeError(`a pizza of ${grams} g`);
    const parts = grams <= 1_000n ? [grams] : [grams / 2n, grams - grams / 2n];
    return parts.filter((part) => part > 0n).map((part) => [part >= BigInt(large_from) ? 'large' : 'small', part]);
  },
  { rows: true, settings: { large_from: ['Grams from which a pizza is large.', '500'] } },
);
