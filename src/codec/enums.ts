// The types of enum values. Generated code declares each enum as a constant object of numbers.

/**
 * A value of an open enum, as proto3 has them: one of the declared numbers, or any other number that a newer sender
 * may know. Editors still offer the declared ones.
 */
export type OpenEnum<Declared extends Readonly<Record<string, number>>> =
  | Declared[keyof Declared]
  | (number & Record<never, never>);

/** A value of a closed enum, as proto2 has them: only a declared number; others are dropped on decoding. */
export type ClosedEnum<Declared extends Readonly<Record<string, number>>> = Declared[keyof Declared];
