/**
 * Who holds how much of something limited. A full house must not be one guest's doing (L10): an owner may hold at most
 * {@link SHARE_OF_FREE} times what is still free. One owner alone comes to three quarters, two of them to three sevenths each, and
 * however many fill the house, whoever holds little still gets in. (The dynamic thresholds of Choudhury and Hahne for shared
 * packet buffers, IEEE/ACM Transactions on Networking 6(2), 1998.)
 */

/** What an owner may hold, as a multiple of what nobody holds. */
export const SHARE_OF_FREE = 3;

/** Amounts by owner, all of one unit. */
export interface Shares {
  /**
   * Whether the owner may have this much more now.
   *
   * @param elsewhere taken from the same limit by what is not counted here
   */
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
  return {
    fits(owner, amount, elsewhere = 0) {
      const free = max - total - elsewhere;
      const wanted = held(owner) + amount;
      // The first of an owner only has to find room.
      if (wanted === amount) return amount <= free && amount <= ownerMax;
      return amount <= free && wanted <= Math.min(ownerMax, SHARE_OF_FREE * free);
    },
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
