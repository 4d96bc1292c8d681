// Values of every type there and back, wrong ones, and an exception that leaves the guest.
import { scalarFunctions as calls, sqlFunction } from './calzone-guest.js';

const asFirst = { returnType: ([first]) => first.type };
sqlFunction('same(any) -> computed', 'Its argument.', (value) => value, asFirst);
sqlFunction('wrong(any) -> computed', 'A value of another type.', () => Symbol('wrong'), asFirst);
sqlFunction('or_null(varchar) -> varchar', '`null` for null, null for `null`.', (text) => (text === null ? 'null' : text === 'null' ? null : text), {
  nulls: true,
});

let crashed = false;
sqlFunction('crash(varchar) -> varchar', 'Ends the guest on `crash`.', (text) => {
  crashed ||= text === 'crash';
  console.log('this goes nowhere');
  return text;
});

export const scalarFunctions = {
  ...calls,
  call(rows, args) {
    const answer = calls.call(rows, args);
    // No text, and so no error that the interface has a place for.
    if (crashed) throw new Error('no more');
    return answer;
  },
};
