// SQL function `mask` in JavaScript. docs/plugin-languages.md says how to build it.
import { plugin, sqlFunction } from './calzone-guest.js';
export { scalarFunctions } from './calzone-guest.js';

plugin('Calzone', '1.0.0');

function masked(text, letter) {
  if (text.includes('\0')) throw new Error('the text has a NUL in it');
  return Array.from(text, (c) => {
    const [lower, upper] = [c.toLowerCase(), c.toUpperCase()];
    if (lower !== upper) return c === lower ? letter : letter.toUpperCase();
    return c >= '0' && c <= '9' ? 'n' : c;
  }).join('');
}

sqlFunction(
  'mask(input varchar) -> varchar',
  'Replaces letters by x or X, or what the setting `letter` says, and digits by n.',
  (input, { letter = 'x' }) => masked(input, letter),
);

sqlFunction('mask(input varchar, keep integer) -> varchar', 'Masks all but the last `keep` characters.', (input, keep, { letter = 'x' }) => {
  if (keep < 0) throw new RangeError(`\`keep\` must not be negative, it is ${keep}`);
  const characters = [...input];
  const hidden = Math.max(characters.length - keep, 0);
  return masked(characters.slice(0, hidden).join(''), letter) + characters.slice(hidden).join('');
});
