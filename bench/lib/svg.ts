// The words that the benchmarks' pictures are drawn in. A picture can be read on light and on dark pages, needs nothing from
// elsewhere, and says in words what it shows.

/** What a picture is about. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  /** What there is to see, in words. */
  readonly description: string;
  /** Rules beside those of every picture. */
  readonly style?: string;
  readonly darkStyle?: string;
}

/** The text of a picture with these elements. */
export function drawPicture(picture: Picture, elements: readonly string[]): string {
  const { width, height, title, description, style = "", darkStyle = "" } = picture;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escapeText(title)}</title>`,
    `<desc id="desc">${escapeText(description)}</desc>`,
    "<style>",
    "text { font: 13px system-ui, sans-serif; fill: #57606a }",
    "path { fill: none }",
    ".grid { stroke: #8c959f; stroke-opacity: 0.4 }",
    ...(style === "" ? [] : [style]),
    "@media (prefers-color-scheme: dark) {",
    "  text { fill: #9ea7b3 }",
    ...(darkStyle === "" ? [] : [darkStyle]),
    "}",
    "</style>",
    ...elements,
    "</svg>",
    "",
  ].join("\n");
}

/** A line of text. */
export function drawText(x: number, y: number, content: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escapeText(content)}</text>`;
}

/** Text as it stands in SVG and HTML, between tags or in an attribute. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => ESCAPES[sign]!);
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
