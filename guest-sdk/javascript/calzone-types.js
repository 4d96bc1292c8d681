// SQL types, and columns as they cross: Arrow's buffers ⇄ JavaScript's values. For calzone-guest.js.

// Bytes of a value, and the view that reads them.
const FIXED = {
  INTEGER: Int32Array, DATE: Int32Array, TIME: Int32Array,
  BIGINT: BigInt64Array, TIMESTAMP: BigInt64Array, DOUBLE: Float64Array,
};
const ALIASES = { INT: 'INTEGER', VARCHAR: 'STRING' };
const DAY_MS = 86_400_000;

/** Reads a type as the server writes it: ARRAY<STRUCT<`A` INTEGER>>. Gives {name, children, fields, precision, scale}. */
export function parseType(text) {
  const tokens = text.match(/`(?:[^`]|``)*`|[A-Za-z_][A-Za-z0-9_]*|\d+|\S/g) ?? [];
  const expect = (token) => {
    const found = tokens.shift();
    if (found !== token) throw new Error(`\`${text}\` is no SQL type: \`${token}\` is missing`);
  };
  const parse = () => {
    const word = (tokens.shift() ?? '').toUpperCase();
    const name = ALIASES[word] ?? word;
    if (name === 'DECIMAL') {
      expect('(');
      const precision = Number(tokens.shift());
      expect(',');
      const scale = Number(tokens.shift());
      expect(')');
      return { name, precision, scale };
    }
    if (!['ARRAY', 'MAP', 'STRUCT'].includes(name)) {
      if (!FIXED[name] && !['BOOLEAN', 'STRING', 'BYTES'].includes(name)) throw new Error(`there is no SQL type \`${name}\``);
      return { name };
    }
    expect('<');
    const parts = [];
    while (tokens.length && tokens[0] !== '>') {
      if (parts.length) expect(',');
      if (name === 'STRUCT') {
        const field = tokens.shift();
        parts.push([field.startsWith('`') ? field.slice(1, -1).replaceAll('``', '`') : field.toUpperCase(), parse()]);
      } else parts.push(parse());
    }
    expect('>');
    return name === 'STRUCT' ? { name, fields: parts } : { name, children: parts };
  };
  const type = parse();
  if (tokens.length) throw new Error(`\`${text}\` is no SQL type: \`${tokens.join(' ')}\` is left over`);
  return type;
}

/** The type as text. */
export function typeText(type) {
  if (type.name === 'STRUCT') {
    const fields = type.fields.map(([name, child]) => `\`${name.replaceAll('`', '``')}\` ${typeText(child)}`);
    return `STRUCT<${fields.join(', ')}>`;
  }
  if (type.name === 'DECIMAL') return `DECIMAL(${type.precision}, ${type.scale})`;
  return type.children ? `${type.name}<${type.children.map(typeText).join(', ')}>` : type.name;
}

/** Bytes as an array of numbers. The engine may have put them where no number may lie. */
export function view(Kind, bytes) {
  const size = Kind.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return new Kind(aligned.buffer, aligned.byteOffset, bytes.length / size);
}

const bit = (bitmap, i) => (bitmap[i >> 3] >> (i & 7)) & 1;

// QuickJS has no TextDecoder and no TextEncoder.
const decoder = typeof TextDecoder === 'undefined' ? null : new TextDecoder();
const encoder = typeof TextEncoder === 'undefined' ? null : new TextEncoder();

function decodeText(bytes) {
  if (decoder) return decoder.decode(bytes);
  let text = '';
  // An engine's stack bounds how many arguments a call may have.
  for (let i = 0; i < bytes.length; i += 8_192) text += String.fromCharCode.apply(null, bytes.subarray(i, i + 8_192));
  return bytes.some((b) => b > 127) ? decodeURIComponent(escape(text)) : text;
}

function encodeText(text) {
  if (encoder) return encoder.encode(text);
  const bytes = unescape(encodeURIComponent(text.toWellFormed ? text.toWellFormed() : text));
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes.charCodeAt(i);
  return out;
}

/** The values of the next column of an iterator in preorder, null where null. */
export function readColumn(type, columns) {
  const column = columns.next().value;
  const values = read(type, column, columns);
  const { validity } = column;
  if (validity) for (let i = 0; i < values.length; i++) if (!bit(validity, i)) values[i] = null;
  return values;
}

function read(type, column, columns) {
  const { length, data } = column;
  const make = (value) => Array.from({ length }, (_, i) => value(i));
  switch (type.name) {
    case 'TIMESTAMP': return Array.from(view(BigInt64Array, data), Number);
    case 'BOOLEAN': return make((i) => bit(data, i) === 1);
    case 'DECIMAL': {
      const words = view(BigInt64Array, data);
      return make((i) => decimalText((words[2 * i + 1] << 64n) | BigInt.asUintN(64, words[2 * i]), type.scale));
    }
    case 'STRUCT': {
      const fields = type.fields.map(([name, child]) => [name, readColumn(child, columns)]);
      return make((i) => Object.fromEntries(fields.map(([name, values]) => [name, values[i]])));
    }
  }
  if (FIXED[type.name]) return Array.from(view(FIXED[type.name], data));
  const ends = view(Uint32Array, column.offsets);
  switch (type.name) {
    case 'STRING': return make((i) => decodeText(data.subarray(ends[i], ends[i + 1])));
    case 'BYTES': return make((i) => data.slice(ends[i], ends[i + 1]));
    case 'ARRAY': {
      const elements = readColumn(type.children[0], columns);
      return make((i) => elements.slice(ends[i], ends[i + 1]));
    }
    default: {
      const keys = readColumn(type.children[0], columns);
      const values = readColumn(type.children[1], columns);
      return make((i) => {
        const map = new Map();
        for (let at = ends[i]; at < ends[i + 1]; at++) map.set(keys[at], values[at]);
        return map;
      });
    }
  }
}

function decimalText(unscaled, scale) {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  return (unscaled < 0n ? '-' : '') + digits.slice(0, point) + (scale ? `.${digits.slice(point)}` : '');
}

/** The unscaled number of a DECIMAL given as text or number, rounded half up. */
function unscaledOf(value, type) {
  const found = /^\s*([+-]?)(\d*)(?:\.(\d*))?\s*$/.exec(String(value));
  if (!found || !(found[2] || found[3])) throw wrong(type, value);
  const fraction = (found[3] ?? '').padEnd(type.scale + 1, '0');
  let unscaled = BigInt(found[2] + fraction.slice(0, type.scale));
  if (fraction[type.scale] >= '5') unscaled += 1n;
  if (unscaled >= 10n ** BigInt(type.precision)) throw new Error(`${value} does not fit ${typeText(type)}`);
  return found[1] === '-' ? -unscaled : unscaled;
}

const wrong = (type, value) => new TypeError(`${String(value).slice(0, 100)} (${typeof value}) is no ${typeText(type)}`);

/** Gives of a value what is stored, or throws. */
function stored(type, value) {
  switch (type.name) {
    case 'STRING':
      if (typeof value !== 'string') throw wrong(type, value);
      return encodeText(value);
    case 'BYTES':
      if (!(value instanceof Uint8Array)) throw wrong(type, value);
      return value;
    case 'BOOLEAN':
      if (typeof value !== 'boolean') throw wrong(type, value);
      return value;
    case 'DOUBLE':
      if (typeof value !== 'number') throw wrong(type, value);
      return value;
    case 'BIGINT':
    case 'TIMESTAMP': {
      const whole = Number.isSafeInteger(value) ? BigInt(value) : value;
      if (typeof whole !== 'bigint' || BigInt.asIntN(64, whole) !== whole) throw wrong(type, value);
      return whole;
    }
    case 'DECIMAL':
      return unscaledOf(value, type);
    default: {
      const good = Number.isInteger(value) && (value | 0) === value && (type.name !== 'TIME' || (value >= 0 && value < DAY_MS));
      if (!good) throw wrong(type, value);
      return value;
    }
  }
}

/** A column being written: `append` throws on a value that is not of the type, and has changed nothing then. */
export class Writer {
  constructor(type) {
    this.type = type;
    this.values = []; // stored values; of ARRAY and MAP the numbers of their elements
    this.valid = [];
    this.children = (type.children ?? type.fields?.map(([, child]) => child) ?? []).map((child) => new Writer(child));
  }

  append(value) {
    const mark = this.mark();
    try {
      this.values.push(this.#store(value ?? null));
      this.valid.push(value != null);
    } catch (e) {
      this.rollback(mark);
      throw e;
    }
  }

  #store(value) {
    const { type, children } = this;
    switch (type.name) {
      case 'ARRAY':
        if (value !== null && !Array.isArray(value)) throw wrong(type, value);
        for (const element of value ?? []) children[0].append(element);
        return value?.length ?? 0;
      case 'MAP':
        if (value !== null && !(value instanceof Map)) throw wrong(type, value);
        for (const [key, entry] of value ?? []) {
          if (key == null) throw new Error('a MAP has no null key');
          children[0].append(key);
          children[1].append(entry);
        }
        return value?.size ?? 0;
      case 'STRUCT': {
        if (value !== null && typeof value !== 'object') throw wrong(type, value);
        const names = type.fields.map(([name]) => name);
        const unknown = Object.keys(value ?? {}).find((name) => !names.includes(name));
        if (unknown !== undefined) throw new Error(`${typeText(type)} has no field ${unknown}`);
        names.forEach((name, i) => children[i].append(value?.[name]));
        return null;
      }
      default:
        return value === null ? null : stored(type, value);
    }
  }

  mark() {
    return [this.valid.length, this.values.length, this.children.map((child) => child.mark())];
  }

  rollback([valid, values, children]) {
    this.valid.length = valid;
    this.values.length = values;
    this.children.forEach((child, i) => child.rollback(children[i]));
  }

  /** The column, and its children. */
  columns() {
    const { type, values, valid } = this;
    const length = valid.length;
    const column = { length, validity: valid.every(Boolean) ? undefined : bitmap(valid), offsets: undefined, data: undefined };
    const bytesOf = (array) => new Uint8Array(array.buffer);
    if (type.name === 'ARRAY' || type.name === 'MAP') column.offsets = offsets(values);
    else if (type.name === 'STRING' || type.name === 'BYTES') {
      column.offsets = offsets(values.map((bytes) => bytes?.length ?? 0));
      column.data = new Uint8Array(values.reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0));
      let end = 0;
      for (const bytes of values) {
        if (bytes) column.data.set(bytes, end);
        end += bytes?.length ?? 0;
      }
    } else if (type.name === 'BOOLEAN') column.data = bitmap(values);
    else if (type.name === 'DECIMAL') {
      const words = new BigInt64Array(length * 2);
      values.forEach((unscaled, i) => {
        words[2 * i] = BigInt.asIntN(64, unscaled ?? 0n);
        words[2 * i + 1] = BigInt.asIntN(64, (unscaled ?? 0n) >> 64n);
      });
      column.data = bytesOf(words);
    } else if (FIXED[type.name]) {
      const zero = FIXED[type.name] === BigInt64Array ? 0n : 0;
      column.data = bytesOf(FIXED[type.name].from(values, (value) => value ?? zero));
    }
    return [column, ...this.children.flatMap((child) => child.columns())];
  }
}

function bitmap(flags) {
  const bytes = new Uint8Array((flags.length + 7) >> 3);
  flags.forEach((flag, i) => { if (flag) bytes[i >> 3] |= 1 << (i & 7); });
  return bytes;
}

function offsets(lengths) {
  const ends = new Uint32Array(lengths.length + 1);
  lengths.forEach((length, i) => { ends[i + 1] = ends[i] + length; });
  return new Uint8Array(ends.buffer);
}
