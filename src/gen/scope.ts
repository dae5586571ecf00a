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
  private readonly entries = new Map<string, Declaration>();
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
      this.entries.set(fullName, declaration);
      return;
    }
    const note = declaration.kind === "enum value" ? "; values of an enum are named in the scope around the enum" : "";
    const first = formatPosition(taken.position);
    this.diagnostics.error(
      position,
      `"${fullName}" is already declared as ${withArticle(taken.kind)} at ${first}${note}`,
    );
  }

  /** Reports a declaration whose full name is also a package. */
  refusePackageClash(name: string, owner: Element["position"]): void {
    const taken = this.entries.get(name);
    if (taken !== undefined)
      this.diagnostics.error(taken.position, `"${name}" is also a package, in ${owner.file.shownAs}`);
  }

  /** The declaration of exactly this full name, visible or not. */
  get(fullName: string): Declaration | undefined {
    return this.entries.get(fullName);
  }

  /** What `name`, as written inside `scope` (a full name), means to a file with this view. */
  lookup(name: string, scope: string, view: View, wanted: (found: Declaration) => boolean): Lookup {
    const found = name.startsWith(".") ? this.visible(name.slice(1), view) : this.inScopes(name, scope, view, wanted);
    return { found, unimported: found === undefined ? this.unimported(name, scope, view) : undefined };
  }

  private inScopes(
    name: string,
    scope: string,
    view: View,
    wanted: (found: Declaration) => boolean,
  ): Declaration | undefined {
    const dot = name.indexOf(".");
    const first = dot === -1 ? name : name.slice(0, dot);
    for (let at: string | undefined = scope; at !== undefined; at = outerScope(at)) {
      const prefix = at === "" ? "" : `${at}.`;
      const found = this.visible(prefix + first, view);
      if (dot === -1) {
        if (found !== undefined && wanted(found)) return found;
      } else if (view.packages.has(prefix + first) || isScope(found)) {
        return this.visible(prefix + name, view);
      }
    }
    return undefined;
  }

  /** The file that has what `name` may have meant, for a name that no imported file has. */
  private unimported(name: string, scope: string, view: View): string | undefined {
    const elsewhere = (fullName: string): string | undefined => {
      const file = this.entries.get(fullName)?.position.file.name;
      return file === undefined || view.files.has(file) ? undefined : file;
    };
    if (name.startsWith(".")) return elsewhere(name.slice(1));
    for (let at: string | undefined = scope; at !== undefined; at = outerScope(at)) {
      const file = elsewhere(at === "" ? name : `${at}.${name}`);
      if (file !== undefined) return file;
    }
    return undefined;
  }

  /** The visible declaration whose name is most like `name`, for "did you mean". */
  nearest(name: string, view: View, wanted: (found: Declaration) => boolean): string | undefined {
    if (this.guesses++ >= MAX_GUESSES) return undefined;
    const candidates = this.candidates(view, wanted);
    return nearest(name.slice(name.lastIndexOf(".") + 1), candidates, ({ name: other }) => other)?.fullName;
  }

  private *candidates(view: View, wanted: (found: Declaration) => boolean): Generator<Declaration> {
    for (const declaration of this.entries.values()) {
      if (view.files.has(declaration.position.file.name) && wanted(declaration)) yield declaration;
    }
  }

  private visible(fullName: string, view: View): Declaration | undefined {
    const found = this.entries.get(fullName);
    return found !== undefined && view.files.has(found.position.file.name) ? found : undefined;
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
