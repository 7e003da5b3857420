/**
 * Which keys have tables. A key gets one at its `warmAfter`-th check; when there is no room, in place of the table that has
 * not been used for the longest time, but only if nobody has needed that one since the newcomer's first check without a table: with
 * more busy keys than room, building tables only to throw them away would cost more than checking without.
 */
import type { KeyState, TableSlot } from './verification-key.js';
import { growMemory, type WasmExports } from './wasm-exports.js';

export interface KeyTables {
  /**
   * The address of the key's table for the next check, or 0 if it has none; counts the check. The tables of checks from `pinnedFrom`
   * on are not given away. May grow the memory.
   */
  tableFor(key: KeyState, pinnedFrom: number): number;
  /** Checks so far, with those of the open batch. */
  checks(): number;
  stats(): KeyTableStats;
}

export interface KeyTableStats {
  /** Keys with a table, and the bytes of all tables that were ever used at the same time. */
  readonly tables: number;
  readonly tableBytes: number;
  readonly warmChecks: number;
  readonly coldChecks: number;
  readonly builds: number;
  readonly evictions: number;
}

export function createKeyTables(wasm: WasmExports, tablesMax: number, warmAfter: number): KeyTables {
  const tableBytes = wasm.keyTableBytes();
  const ring = createRing();
  let slots = 0;
  let checks = 0;
  let warmChecks = 0;
  let builds = 0;
  let evictions = 0;

  function tableFor(key: KeyState, pinnedFrom: number): number {
    checks++;
    if (key.slot === undefined) {
      if (key.coldChecks === 0) key.coldSince = checks;
      if (key.coldChecks >= warmAfter) giveTable(key, pinnedFrom);
    }
    const slot = key.slot;
    if (slot === undefined) {
      key.coldChecks++;
      return 0;
    }
    warmChecks++;
    slot.usedAt = checks;
    ring.makeNewest(slot);
    return slot.address;
  }

  function giveTable(key: KeyState, pinnedFrom: number): void {
    const slot = slots < tablesMax ? newSlot() : takeOldest(key, pinnedFrom);
    key.coldChecks = 0;
    if (slot === undefined) {
      key.coldSince = checks; // may try again after as many checks
      return;
    }
    new Uint8Array(wasm.memory.buffer, wasm.stagingAddress(), 64).set(key.point);
    wasm.buildKeyTable(slot.address);
    builds++;
    slot.key = key;
    key.slot = slot;
  }

  function newSlot(): TableSlot | undefined {
    const address = wasm.keyTablesAddress() + slots * tableBytes;
    try {
      growMemory(wasm.memory, address + tableBytes);
    } catch {
      tablesMax = slots; // the system has no more: slower, but no reason to refuse signatures
      return undefined;
    }
    slots++;
    return ring.create(address);
  }

  function takeOldest(key: KeyState, pinnedFrom: number): TableSlot | undefined {
    const slot = ring.oldest();
    if (slot === undefined || slot.usedAt >= Math.min(pinnedFrom, key.coldSince)) return undefined;
    if (slot.key) slot.key.slot = undefined;
    evictions++;
    return slot;
  }

  return {
    tableFor,
    checks: () => checks,
    stats: () => ({
      tables: slots,
      tableBytes: slots * tableBytes,
      warmChecks,
      coldChecks: checks - warmChecks,
      builds,
      evictions,
    }),
  };
}

/** The slots in the order of their last use, as a doubly linked ring. */
function createRing() {
  let newest: TableSlot | undefined;

  const unlink = (slot: TableSlot): void => {
    slot.older.newer = slot.newer;
    slot.newer.older = slot.older;
  };
  const linkAsNewest = (slot: TableSlot): void => {
    if (newest) {
      slot.older = newest;
      slot.newer = newest.newer;
      slot.newer.older = slot;
      newest.newer = slot;
    }
    newest = slot;
  };
  return {
    create(address: number): TableSlot {
      const slot = { address, key: undefined, usedAt: 0 } as unknown as TableSlot;
      slot.older = slot;
      slot.newer = slot;
      linkAsNewest(slot);
      return slot;
    },
    makeNewest(slot: TableSlot): void {
      if (slot === newest) return;
      unlink(slot);
      linkAsNewest(slot);
    },
    /** In the ring the newest one's next newer is the oldest. */
    oldest: (): TableSlot | undefined => newest?.newer,
  };
}
