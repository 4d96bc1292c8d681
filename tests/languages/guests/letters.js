// A table function.
import { tableFunction } from './calzone-guest.js';
export { tableFunctions } from './calzone-guest.js';

tableFunction('letters(varchar) -> varchar', 'A row for each character.', (text) => {
  if (text === 'no') throw new Error('no letters');
  return [...text];
});
