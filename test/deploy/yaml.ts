/**
 * Reads the YAML that the files under deploy/ are written in: block mappings and sequences, plain and quoted scalars,
 * `|` and `>-` blocks, flow sequences and empty flow mappings. Anything else is an error, which is what the tests want: a
 * file that this reads is read alike by everything else.
 */
export type Yaml = string | number | boolean | null | Yaml[] | { [key: string]: Yaml };

interface Line {
  readonly indent: number;
  readonly text: string;
  readonly number: number;
}

/** @throws Error with the number of the line */
export function parseYaml(source: string): Yaml {
  const raw = source.split('\n');
  const lines: Line[] = raw
    .map((text, index) => ({
      indent: text.length - text.trimStart().length,
      text: text.trim(),
      number: index + 1,
    }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
  let at = 0;
  const fail = (line: Line | undefined, what: string): never => {
    throw new Error(`line ${line?.number ?? raw.length}: ${what}`);
  };

  function block(indent: number): Yaml {
    const first = lines[at];
    if (first === undefined || first.indent !== indent)
      return fail(first, 'a value is missing or indented wrongly');
    if (first.text.startsWith('- ') || first.text === '-') return sequence(indent);
    if (keyOf(first.text) !== undefined) return mapping(indent);
    at++;
    return scalar(first.text, first);
  }

  function sequence(indent: number): Yaml[] {
    const items: Yaml[] = [];
    for (let line = lines[at]; line?.indent === indent && line.text.startsWith('-'); line = lines[at]) {
      const rest = line.text.slice(1).trimStart();
      const inner = indent + line.text.length - rest.length;
      if (rest === '') {
        at++;
        items.push(block(lines[at]?.indent ?? indent));
      } else if (keyOf(rest) !== undefined) {
        lines[at] = { ...line, indent: inner, text: rest }; // a mapping that begins on the dash's line
        items.push(mapping(inner));
      } else {
        at++;
        items.push(scalar(rest, line));
      }
    }
    return items;
  }

  function mapping(indent: number): Yaml {
    const members: { [key: string]: Yaml } = {};
    for (let line = lines[at]; line !== undefined && line.indent >= indent; line = lines[at]) {
      if (line.indent !== indent) return fail(line, 'indented wrongly');
      const found = keyOf(line.text);
      if (found === undefined) return fail(line, `no "key: value": ${line.text}`);
      const [key, rest] = found;
      if (Object.hasOwn(members, key)) return fail(line, `${key} is given twice`);
      at++;
      const next = lines[at];
      if (rest === '|' || rest === '>-') members[key] = text(rest, line);
      else if (rest !== '') members[key] = scalar(rest, line);
      else if (next !== undefined && next.indent > indent) members[key] = block(next.indent);
      else if (next?.indent === indent && next.text.startsWith('- ')) members[key] = sequence(indent);
      else members[key] = null;
    }
    return members;
  }

  /** Lines of a block scalar are taken as they are, comments and blanks included. */
  function text(style: string, line: Line): string {
    const own: string[] = [];
    let row = line.number;
    for (; row < raw.length; row++) {
      const here = raw[row]!;
      if (here.trim() !== '' && here.length - here.trimStart().length <= line.indent) break;
      own.push(here.trim());
    }
    while (lines[at] !== undefined && lines[at]!.number <= row) at++;
    return own.join(style === '|' ? '\n' : ' ').trim();
  }

  function scalar(given: string, line: Line): Yaml {
    if (given === '{}') return {};
    if (given.startsWith('['))
      return given.endsWith(']')
        ? given
            .slice(1, -1)
            .split(',')
            .map((item) => item.trim())
            .filter((item) => item !== '')
            .map((item) => scalar(item, line))
        : fail(line, 'a flow sequence over several lines');
    if (given.startsWith('"')) return JSON.parse(given) as string;
    if (given.startsWith("'")) return given.slice(1, -1).replaceAll("''", "'");
    const value = given.replace(/\s+#.*$/, '');
    if (/^[{&*!%@`]/.test(value) || /: |:$/.test(value)) return fail(line, `quote this: ${value}`);
    if (value === 'true' || value === 'false') return value === 'true';
    if (value === 'null' || value === '~') return null;
    return /^-?\d+(\.\d+)?(e\d+)?$/.test(value) ? Number(value) : value;
  }

  const value = block(lines[0]?.indent ?? 0);
  if (at < lines.length) fail(lines[at], 'indented wrongly');
  return value;
}

function keyOf(text: string): [key: string, rest: string] | undefined {
  const match = /^("[^"]*"|[A-Za-z0-9_./$-]+):(?:\s+(.*))?$/.exec(text);
  return match ? [match[1]!.replaceAll('"', ''), match[2] ?? ''] : undefined;
}
