// Decoded messages as plain values: comparing and copying them without their schema. A message is objects, arrays, maps
// (objects, with or without a prototype), bytes and primitives; nothing here knows more.

/**
 * True if two decoded values are the same. A property that is undefined is one that is missing; objects are compared by
 * their own enumerable properties, whatever their prototype and order; NaN is itself, and 0 is not -0.
 */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array)
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (Array.isArray(a) || Array.isArray(b)) return Array.isArray(a) && Array.isArray(b) && sameList(a, b);
  return sameProperties(a as Record<string, unknown>, b as Record<string, unknown>);
}

function sameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => sameValue(item, b[index]));
}

function sameProperties(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  const keys = definedKeys(a);
  if (keys.length !== definedKeys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && sameValue(a[key], b[key]));
}

function definedKeys(value: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(value).filter((key) => value[key] !== undefined);
}

/** A copy that shares nothing that could be changed. Prototypes are kept: those of maps are null. */
export function copyValue<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value) as Value & Uint8Array;
  if (Array.isArray(value)) return value.map(copyValue) as Value & unknown[];
  const copy: Record<string, unknown> = Object.create(Object.getPrototypeOf(value));
  for (const [key, item] of Object.entries(value)) defineProperty(copy, key, copyValue(item));
  return copy as Value;
}

/** As an assignment, but `__proto__`, which JSON and maps may have as a key, is a property like any other. */
function defineProperty(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== "__proto__") target[key] = value;
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}
