// Which declaration a name means, by protoc's rules: the innermost enclosing scope first, then outwards; of a dotted
// name the first part decides the scope. Only what a file imports (and what that imports publicly) can be seen.

import type {
  Element,
  EnumModel,
  EnumValueModel,
  FieldModel,
  MessageModel,
  MethodModel,
  OneofModel,
  ServiceModel,
} from "./model.js";
import { MAX_GUESSES, nearest } from "./nearest.js";
import { type Diagnostics, formatPosition } from "./source.js";

/** Anything with a full name, packages aside. */
export type Declaration =
  | MessageModel
  | EnumModel
  | EnumValueModel
  | FieldModel
  | OneofModel
  | ServiceModel
  | MethodModel;

interface Entry {
  readonly declaration: Declaration;
  readonly file: string;
}

/** What a file can see. */
export interface View {
  /** Names of the files: itself, its imports, and what those import publicly. */
  readonly files: ReadonlySet<string>;
  /** Packages of those files, and the packages around them. */
  readonly packages: ReadonlySet<string>;
}

/** What looking a name up found; `unimported` names the file that has it but is not imported. */
export interface Lookup {
  readonly found: Declaration | undefined;
  readonly unimported: string | undefined;
}

/** All declarations by full name. */
export class SymbolTable {
  private readonly entries = new Map<string, Entry>();
  private readonly diagnostics: Diagnostics;
  private guesses = 0;

  constructor(diagnostics: Diagnostics) {
    this.diagnostics = diagnostics;
  }

  /** Adds a declaration; reports a name that is taken. */
  add(declaration: Declaration): void {
    const { fullName, position } = declaration;
    const taken = this.entries.get(fullName);
    if (taken === undefined) {
      this.entries.set(fullName, { declaration, file: position.file.name });
      return;
    }
    const note = declaration.kind === "enum value" ? "; values of an enum are named in the scope around the enum" : "";
    const first = formatPosition(taken.declaration.position);
    this.diagnostics.error(
      position,
      `"${fullName}" is already declared as ${withArticle(taken.declaration.kind)} at ${first}${note}`,
    );
  }

  /** Reports a declaration whose full name is also a package. */
  refusePackageClash(name: string, owner: Element["position"]): void {
    const taken = this.entries.get(name);
    if (taken !== undefined)
      this.diagnostics.error(taken.declaration.position, `"${name}" is also a package, in ${owner.file.shownAs}`);
  }

  /** The declaration of exactly this full name, visible or not. */
  get(fullName: string): Declaration | undefined {
    return this.entries.get(fullName)?.declaration;
  }

  /** What `name`, as written inside `scope` (a full name), means to a file with this view. */
  lookup(name: string, scope: string, view: View, wanted: (found: Declaration) => boolean): Lookup {
    if (name.startsWith(".")) return this.exactly(name.slice(1), view);
    const dot = name.indexOf(".");
    const first = dot === -1 ? name : name.slice(0, dot);
    let unimported: string | undefined;
    for (let at: string | undefined = scope; at !== undefined; at = outerScope(at)) {
      const prefix = at === "" ? "" : `${at}.`;
      const lookup = this.exactly(prefix + first, view);
      unimported ??= dot === -1 ? lookup.unimported : this.exactly(prefix + name, view).unimported;
      if (dot === -1) {
        if (lookup.found !== undefined && wanted(lookup.found)) return lookup;
      } else if (view.packages.has(prefix + first) || isScope(lookup.found)) {
        return this.exactly(prefix + name, view);
      }
    }
    return { found: undefined, unimported };
  }

  /** The visible declaration whose name is most like `name`, for "did you mean". */
  nearest(name: string, view: View, wanted: (found: Declaration) => boolean): string | undefined {
    if (this.guesses++ >= MAX_GUESSES) return undefined;
    const visible = this.visible(view, wanted);
    return nearest(name.slice(name.lastIndexOf(".") + 1), visible, ({ name: other }) => other)?.fullName;
  }

  private *visible(view: View, wanted: (found: Declaration) => boolean): Generator<Declaration> {
    for (const { declaration, file } of this.entries.values()) {
      if (view.files.has(file) && wanted(declaration)) yield declaration;
    }
  }

  private exactly(fullName: string, view: View): Lookup {
    const entry = this.entries.get(fullName);
    if (entry === undefined) return { found: undefined, unimported: undefined };
    return view.files.has(entry.file)
      ? { found: entry.declaration, unimported: undefined }
      : { found: undefined, unimported: entry.file };
  }
}

/** True for what a type name may mean. */
export function isType(declaration: Declaration): declaration is MessageModel | EnumModel {
  return declaration.kind === "message" || declaration.kind === "enum";
}

function isScope(declaration: Declaration | undefined): boolean {
  return declaration !== undefined && (isType(declaration) || declaration.kind === "service");
}

function outerScope(scope: string): string | undefined {
  if (scope === "") return undefined;
  const dot = scope.lastIndexOf(".");
  return dot === -1 ? "" : scope.slice(0, dot);
}

function withArticle(kind: string): string {
  return `${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}`;
}
