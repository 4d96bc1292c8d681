// Writes Calzone plugins in JavaScript. A function, whole:
//
//     import { sqlFunction } from './calzone-guest.js';
//     export { scalarFunctions } from './calzone-guest.js';
//
//     sqlFunction('mask(varchar) -> varchar', 'Replaces letters by x.', (text) => text.replace(/\p{L}/gu, 'x'));
//
// and a stage, whose function gets an object with the columns that it reads:
//
//     import { stage } from './calzone-guest.js';
//     export { stages } from './calzone-guest.js';
//
//     stage('measure', 'name_length BIGINT', 'Adds the number of characters of NAME.', ['name'], ({ name }) => [...name].length);
//
// What is thrown is that row's error. A row with a null in an argument gives null without a call, unless `nulls: true`.
//
// | SQL                                | JavaScript                                                   |
// |------------------------------------|--------------------------------------------------------------|
// | BOOLEAN, INTEGER, DOUBLE           | boolean, number, number                                      |
// | BIGINT                             | bigint; as a result also a number that is a safe integer     |
// | VARCHAR, BYTES, DECIMAL            | string, Uint8Array, string ("12.50")                         |
// | DATE, TIME, TIMESTAMP              | number: days since 1970, milliseconds of the day, since 1970 |
// | ARRAY, MAP, STRUCT                 | Array, Map, object by the fields' names                      |

import { Writer, parseType, readColumn, typeText } from './calzone-types.js';

// QuickJS has none; what is printed goes nowhere in any case.
const nowhere = () => {};
globalThis.console ??= { debug: nowhere, error: nowhere, info: nowhere, log: nowhere, warn: nowhere };

const about = { author: '', version: '' };
const functions = new Map();
const tableFunctions_ = new Map();
const stages_ = new Map();

/** Says whose work the plugin is. */
export function plugin(author, version) {
  Object.assign(about, { author, version });
}

/**
 * Makes a SQL function of `call(...arguments, settings)`; settings are an object of texts. More of one name are overloads.
 * Options: `nulls`; `returnType([{type, literal}])`, which gives the result's type as text where `signature` ends in `-> computed`.
 */
export function sqlFunction(signature, doc, call, options = {}) {
  declare(functions, signature, doc, call, options);
}

/** Makes a table function: `call` returns anything that can be iterated, a row each. The type behind the arrow is that of a row. */
export function tableFunction(signature, doc, call, options = {}) {
  declare(tableFunctions_, signature, doc, (...all) => Array.from(call(...all) ?? []), options);
}

function declare(all, signature, doc, call, options) {
  const name = signature.split('(')[0].trim();
  const key = name.toLowerCase();
  if (!all.has(key)) all.set(key, []);
  all.get(key).push({ name, signature, doc, call, ...options });
}

/**
 * Makes a stage that sets `columns` ('size VARCHAR' or 'a BIGINT, b VARCHAR') and passes all others by. `call` gets an object with the
 * columns named in `reads`, and one of settings; it returns the column's value, or an array of values for several columns.
 * Options: `nulls`; `rows: true`: it returns an array of such, a row each; `settings: {key: [doc, default]}`, without default CONFIG
 * must give it.
 */
export function stage(name, columns, doc, reads, call, options = {}) {
  const fields = parseType(`STRUCT<${columns}>`).fields;
  stages_.set(name.toLowerCase(), { name, fields, doc, reads, call, settings: {}, ...options });
}

const textOf = (error) => (error instanceof Error ? error.message || error.name : String(error));
const settingsOf = (settings) => Object.fromEntries(settings.map(({ key, value }) => [key, value]));

// What the interfaces of scalar and table functions share. An instance is bound once, to one function.
function interfaceOf(all, resultType) {
  let bound = null;
  return {
    describe() {
      const described = [...all.values()].map((overloads) => ({
        name: overloads[0].name,
        doc: overloads[0].doc,
        signatures: overloads.map(({ signature, doc }) => ({ text: signature, doc })),
      }));
      return { about, functions: described };
    },

    returnType(name, signature, args) {
      const { returnType } = all.get(name.toLowerCase())[signature];
      if (!returnType) throw `${name}: the result type is not computed, but the signature says so`;
      try {
        return returnType(args);
      } catch (e) {
        throw textOf(e);
      }
    },

    bind(name, signature, args, returns, settings) {
      const declared = all.get(name.toLowerCase())[signature];
      bound = { ...declared, types: args.map(parseType), returns: parseType(resultType(returns)), settings: settingsOf(settings) };
    },

    call(rows, args) {
      const { call, nulls, settings } = bound;
      const columns = args[Symbol.iterator]();
      const values = bound.types.map((type) => readColumn(type, columns));
      const [writer, errors] = [new Writer(bound.returns), []];
      for (let row = 0; row < rows; row++) {
        const given = values.map((column) => column[row]);
        try {
          writer.append(!nulls && given.includes(null) ? null : call(...given, settings));
        } catch (e) {
          errors.push({ row, message: textOf(e) });
          writer.append(null);
        }
      }
      return { columns: writer.columns(), errors };
    },
  };
}

export const scalarFunctions = interfaceOf(functions, (type) => type);
export const tableFunctions = interfaceOf(tableFunctions_, (row) => `ARRAY<${row}>`);

let open = null;

export const stages = {
  describe() {
    const described = [...stages_.values()].map(({ name, doc, settings }) => ({
      name,
      doc,
      settings: Object.entries(settings).map(([key, [text, value]]) => ({ key, doc: text, default: value })),
    }));
    return { about, stages: described };
  },

  open(name, settings, input) {
    const declared = stages_.get(name.toLowerCase());
    const same = (a, b) => a.toUpperCase() === b.toUpperCase();
    const reads = declared.reads.map((wanted) => {
      const found = input.findIndex((column) => same(column.name, wanted));
      if (found < 0) throw `the source has no column \`${wanted}\`; it has ${input.map((c) => c.name).join(', ')}`;
      return found;
    });
    const computed = (type) => ({ tag: 'computed', val: typeText(type) });
    const order = []; // the fields, as the sink has them
    const columns = input.map(({ name, key }, i) => {
      const field = declared.fields.findIndex(([made]) => same(made, name));
      if (field < 0) return { name, key, source: { tag: 'input', val: i } };
      order.push(field);
      return { name, key, source: computed(declared.fields[field][1]) };
    });
    declared.fields.forEach(([made, type], field) => {
      if (order.includes(field)) return;
      order.push(field);
      columns.push({ name: made, key: false, source: computed(type) });
    });
    open = { ...declared, order, settings: settingsOf(settings), types: reads.map((i) => parseType(input[i].type)) };
    return { reads, timestamps: false, headers: false, outputs: [{ name: '', columns }] };
  },

  process(batch) {
    const columns = batch.columns[Symbol.iterator]();
    const values = open.types.map((type) => readColumn(type, columns));
    const writers = open.fields.map(([, type]) => new Writer(type));
    const [sources, errors] = [[], []];
    for (let row = 0; row < batch.rows; row++) {
      const marks = writers.map((writer) => writer.mark());
      try {
        const results = open.rows ? rowsOf(row, values) : [rowOf(row, values)];
        for (const result of results) {
          const made = open.fields.length > 1 ? result ?? [] : [result];
          writers.forEach((writer, i) => writer.append(made[i]));
        }
        results.forEach(() => sources.push(row));
      } catch (e) {
        errors.push({ row, message: textOf(e) });
        writers.forEach((writer, i) => writer.rollback(marks[i]));
      }
    }
    const made = open.order.flatMap((field) => writers[field].columns());
    const sourceRows = new Uint8Array(Uint32Array.from(sources).buffer);
    return { outputs: [{ sourceRows, columns: made, timestamps: undefined, headers: undefined }], errors };
  },
};

function rowOf(row, values) {
  const given = Object.fromEntries(open.reads.map((name, i) => [name, values[i][row]]));
  if (!open.nulls && open.reads.some((name) => given[name] === null)) return null;
  return open.call(given, open.settings);
}

const rowsOf = (row, values) => Array.from(rowOf(row, values) ?? []);
