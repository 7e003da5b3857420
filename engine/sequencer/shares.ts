/**
 * Who holds how much of something limited. A full house must not be one guest's doing (L10): an owner may hold at most
 * {@link SHARE_OF_FREE} times what is still free. One owner alone comes to three quarters, two of them to three sevenths each, and
 * however many fill the house, whoever holds little still gets in. (The dynamic thresholds of Choudhury and Hahne for shared
 * packet buffers, IEEE/ACM Transactions on Networking 6(2), 1998.)
 */

/** What an owner may hold, as a multiple of what nobody holds. */
export const SHARE_OF_FREE = 3;

/** Who stands in the way of more: all owners together, or this one with what it holds already. */
export type Shortage = 'all' | 'owner';

/** What several limits come to: where one has nothing left for anybody, that is what there is to say. */
export const shortageOf = (...shortages: readonly (Shortage | undefined)[]): Shortage | undefined =>
  shortages.includes('all') ? 'all' : shortages.find((each) => each !== undefined);

/** Amounts by owner, all of one unit. */
export interface Shares {
  /**
   * What keeps the owner from having this much more now; undefined: nothing does.
   *
   * @param elsewhere taken from the same limit by what is not counted here
   */
  shortage(owner: string, amount: number, elsewhere?: number): Shortage | undefined;
  /** Whether nothing does. */
  fits(owner: string, amount: number, elsewhere?: number): boolean;
  add(owner: string, amount: number): void;
  /** Gives back what was added. */
  remove(owner: string, amount: number): void;
  held(owner: string): number;
  readonly total: number;
}

/**
 * @param max of all owners together
 * @param ownerMax of one owner, whatever is free
 */
export function createShares(max: number, ownerMax: number = max): Shares {
  const holdings = new Map<string, number>();
  let total = 0;
  const held = (owner: string): number => holdings.get(owner) ?? 0;
  const shortage = (owner: string, amount: number, elsewhere = 0): Shortage | undefined => {
    const free = max - total - elsewhere;
    if (amount > free) return 'all';
    const wanted = held(owner) + amount;
    // The first of an owner only has to find room.
    const share = wanted === amount ? ownerMax : Math.min(ownerMax, SHARE_OF_FREE * free);
    return wanted > share ? 'owner' : undefined;
  };
  return {
    shortage,
    fits: (owner, amount, elsewhere) => shortage(owner, amount, elsewhere) === undefined,
    add(owner, amount) {
      total += amount;
      holdings.set(owner, held(owner) + amount);
    },
    remove(owner, amount) {
      total -= amount;
      const left = held(owner) - amount;
      if (left > 0) holdings.set(owner, left);
      else holdings.delete(owner);
    },
    held,
    get total() {
      return total;
    },
  };
}
