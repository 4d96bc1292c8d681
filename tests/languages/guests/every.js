// Values of every type there and back, wrong ones, and a function that does not return.
import { sqlFunction } from './calzone-guest.js';
export { scalarFunctions } from './calzone-guest.js';

const asFirst = { returnType: ([first]) => first.type };
sqlFunction('same(any) -> computed', 'Its argument.', (value) => value, asFirst);
sqlFunction('wrong(any) -> computed', 'A value of another type.', () => Symbol('wrong'), asFirst);
sqlFunction('or_null(varchar) -> varchar', '`null` for null, null for `null`.', (text) => (text === null ? 'null' : text === 'null' ? null : text), {
  nulls: true,
});

sqlFunction('crash(varchar) -> varchar', 'Ends the guest on `crash`.', (text) => {
  console.log('this goes nowhere');
  // An exception would be the row's error; a loop meets the deadline, which costs the instance.
  while (text === 'crash');
  return text;
});
