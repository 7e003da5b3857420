/**
 * Whose bundle a verify worker takes next. In order of arrival, but that tenants take turns: a bundle may overtake those of other
 * tenants when the worker was busy with one of theirs just before, and a small one may even go between the parts of one that is
 * not over. Bundles that have a tenant in common never overtake each other, which keeps the order of every stream and connection;
 * the operator's bundles may hold anybody's events and are overtaken by none.
 */

/** A bundle's turn. */
export interface Turn {
  /** It goes between the parts of another one. */
  readonly isGuest: boolean;
  /** Lets a small bundle of other tenants go first, if one waits; resolves when that is over. A guest lets nobody. */
  pause(): Promise<void> | undefined;
  /** To be called when it is over. */
  done(): void;
}

export interface Turns {
  /**
   * Resolves when it is the caller's turn.
   *
   * @param tenants whose events the bundle holds; `undefined`: maybe anybody's
   * @param isSmall it takes so little time that a larger one may wait for it
   */
  wait(tenants: ReadonlySet<string> | undefined, isSmall: boolean): Promise<Turn>;
}

interface Waiting {
  readonly tenants: ReadonlySet<string> | undefined;
  readonly isSmall: boolean;
  start(turn: Turn): void;
}

export function createTurns(): Turns {
  const waiting: Waiting[] = [];
  let isBusy = false;
  /** Tenants of the bundle in work, or of the last one. */
  let latest: ReadonlySet<string> | undefined;

  /** The first that has no tenant in common with the latest bundle, nor with those it would overtake; -1: none. */
  function findOther(smallOnly: boolean): number {
    return waiting.findIndex(
      ({ tenants, isSmall }, i) =>
        (isSmall || !smallOnly) &&
        !meet(tenants, latest) &&
        !waiting.slice(0, i).some((earlier) => meet(tenants, earlier.tenants)),
    );
  }

  function next(): void {
    const [chosen] = waiting.splice(Math.max(0, findOther(false)), 1);
    isBusy = chosen !== undefined;
    if (chosen === undefined) return;
    latest = chosen.tenants;
    chosen.start({ isGuest: false, pause, done: next });
  }

  function pause(): Promise<void> | undefined {
    const place = findOther(true);
    if (place === -1) return undefined;
    const [guest] = waiting.splice(place, 1);
    return new Promise((resolve) => guest!.start({ isGuest: true, pause: () => undefined, done: resolve }));
  }

  return {
    wait: (tenants, isSmall) =>
      new Promise((resolve) => {
        waiting.push({ tenants, isSmall, start: resolve });
        if (!isBusy) next();
      }),
  };
}

function meet(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  for (const each of a) if (b.has(each)) return true;
  return false;
}
