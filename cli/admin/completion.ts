/** Completion scripts. They hold the tree of commands as it is now; nothing is asked of the program while somebody types. */
import type { Command } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Level {
  /** Words in front, separated by spaces; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly {
    readonly name: string;
    readonly description: string;
    readonly takesValue: boolean;
  }[];
}

const PROGRAM = 'stateset-sequencer-admin';

export function completionScript(program: Command, shell: Shell): string {
  const levels = levelsOf(program, []);
  switch (shell) {
    case 'bash':
      return bash(levels);
    case 'zsh':
      return `#compdef ${PROGRAM}\nautoload -U +X bashcompinit && bashcompinit\n${bash(levels)}`;
    case 'fish':
      return fish(levels);
  }
}

function levelsOf(command: Command, path: readonly string[]): Level[] {
  const level: Level = {
    path: path.join(' '),
    commands: command.commands.map((each) => ({ name: each.name(), description: each.description() })),
    options: command.options.flatMap(({ long, description, required, optional }) =>
      long ? [{ name: long, description, takesValue: required || optional }] : [],
    ),
  };
  return [level, ...command.commands.flatMap((each) => levelsOf(each, [...path, each.name()]))];
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function bash(levels: readonly Level[]): string {
  const cases = levels.map(({ path, commands, options }) => {
    const words = [...commands.map(({ name }) => name), ...options.map(({ name }) => name), '--help'];
    return `    ${quote(path)}) words=${quote(words.join(' '))} ;;`;
  });
  const paths = levels.map(({ path }) => quote(path)).join('|');
  return `_stateset_sequencer_admin() {
  local path='' next word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in ${paths}) path="$next" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _stateset_sequencer_admin ${PROGRAM}
`;
}

function fish(levels: readonly Level[]): string {
  const lines = [`complete -c ${PROGRAM} -f`];
  for (const { path, commands, options } of levels) {
    const words = path === '' ? [] : path.split(' ');
    const inside = words.map((word) => `__fish_seen_subcommand_from ${word}`);
    const outside =
      commands.length > 0
        ? [`not __fish_seen_subcommand_from ${commands.map(({ name }) => name).join(' ')}`]
        : [];
    const condition = quote([...inside, ...outside].join('; and ') || 'true');
    for (const { name, description } of commands)
      lines.push(`complete -c ${PROGRAM} -n ${condition} -a ${name} -d ${quote(description)}`);
    for (const { name, description, takesValue } of options)
      lines.push(
        `complete -c ${PROGRAM} -n ${condition} -l ${name.slice(2)}${takesValue ? ' -r' : ''} -d ${quote(description)}`,
      );
  }
  return `${lines.join('\n')}\n`;
}
