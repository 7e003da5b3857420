/**
 * Whose bundle a verify worker takes next. In order of arrival, but that tenants take turns: a bundle may overtake those of other
 * tenants when the worker was busy with one of theirs just before. Bundles that have a tenant in common never overtake each other,
 * which keeps the order of every stream and connection; the operator's bundles may hold anybody's events and are overtaken by none.
 */

/** What waits for its turn. */
interface Waiting {
  /** `undefined`: any. */
  readonly tenants: ReadonlySet<string> | undefined;
  start(): void;
}

export interface Turns {
  /** Resolves when it is the caller's turn; `done` is to be called when it is over. */
  wait(tenants: ReadonlySet<string> | undefined): Promise<{ done(): void }>;
}

export function createTurns(): Turns {
  const waiting: Waiting[] = [];
  let isBusy = false;
  /** Tenants of the bundle before. */
  let before: ReadonlySet<string> | undefined;

  /** The first that does not belong to those who just had their turn and overtakes nobody of its own; otherwise the first. */
  function choose(): number {
    for (let i = 0; i < waiting.length; i++) {
      const { tenants } = waiting[i]!;
      if (meet(tenants, before)) continue;
      if (!waiting.slice(0, i).some((earlier) => meet(tenants, earlier.tenants))) return i;
    }
    return 0;
  }

  function next(): void {
    const [chosen] = waiting.splice(choose(), 1);
    isBusy = chosen !== undefined;
    if (chosen === undefined) return;
    before = chosen.tenants;
    chosen.start();
  }

  return {
    wait: (tenants) =>
      new Promise((resolve) => {
        waiting.push({ tenants, start: () => resolve({ done: next }) });
        if (!isBusy) next();
      }),
  };
}

function meet(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  for (const each of a) if (b.has(each)) return true;
  return false;
}
