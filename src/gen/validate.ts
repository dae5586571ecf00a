// The rules of the language that a parser and a linker do not need but protoc enforces.

import type { DeclaredFile } from "./declare.js";
import type { Diagnostics } from "./source.js";

/** Reports what is well-formed and linked but not allowed. */
export function validate(_file: DeclaredFile, _diagnostics: Diagnostics): void {}
