import { describe, expect, test } from 'vitest';
import { createTrees } from '../../engine/commitments/trees.js';
import type { MerkleLevels } from '../../engine/protocol/index.js';

const MIB = 1024 * 1024;
const tree = (bytes = 32): MerkleLevels => ({ leafCount: bytes / 32, levels: [new Uint8Array(bytes)] });

/** Work that ends when it is told to. */
function gated() {
  const started: string[] = [];
  const ends = new Map<string, { resolve: (tree: MerkleLevels) => void; reject: (error: Error) => void }>();
  const work = (name: string) => () => {
    started.push(name);
    return new Promise<MerkleLevels>((resolve, reject) => ends.set(name, { resolve, reject }));
  };
  return { started, ends, work };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('trees', () => {
  test('are built two at a time, the others wait in their order, and a failure makes room too', async () => {
    const trees = createTrees();
    const { started, ends, work } = gated();
    const builds = ['a', 'b', 'c', 'd', 'e'].map((name) => trees.build(work(name)));
    builds[0]!.catch(() => {});
    await turn();
    expect(started).toEqual(['a', 'b']);
    ends.get('a')!.reject(new Error('broken'));
    await expect(builds[0]).rejects.toThrow('broken');
    await turn();
    expect(started).toEqual(['a', 'b', 'c']);
    for (const name of ['b', 'c', 'd', 'e']) {
      ends.get(name)!.resolve(tree());
      await turn();
    }
    await Promise.all(builds.slice(1));
    // All turns have been given back.
    const again = [trees.build(work('f')), trees.build(work('g')), trees.build(work('h'))];
    await turn();
    expect(started.slice(5)).toEqual(['f', 'g']);
    for (const name of ['f', 'g', 'h']) {
      ends.get(name)!.resolve(tree());
      await turn();
    }
    await Promise.all(again);
  });

  test('that nobody has room for are refused', async () => {
    const trees = createTrees();
    const { ends, work } = gated();
    const builds = Array.from({ length: 2 + 256 }, (_, i) => trees.build(work(String(i))));
    await expect(trees.build(work('one too many'))).rejects.toMatchObject({ code: 'OVERLOADED' });
    for (let i = 0; i < builds.length; i++) {
      ends.get(String(i))!.resolve(tree());
      await builds[i];
      await turn();
    }
  });

  test('are shared by callers at the same time and kept afterwards; failures are not kept', async () => {
    const trees = createTrees();
    let built = 0;
    const work = async () => {
      built++;
      await turn();
      if (built === 1) throw new Error('broken');
      return tree();
    };
    await expect(Promise.all([trees.get('x', work), trees.get('x', work)])).rejects.toThrow('broken');
    const [a, b] = await Promise.all([trees.get('x', work), trees.get('x', work)]);
    expect(built).toBe(2);
    expect(await trees.get('x', work)).toBe(a);
    expect(b).toBe(a);
    expect(built).toBe(2);
  });

  test('are kept up to 64 MB, the latest used ones; larger ones are not kept', async () => {
    const trees = createTrees();
    let built = 0;
    const use = async (name: string, bytes: number) => {
      const before = built;
      await trees.get(name, async () => {
        built++;
        return tree(bytes);
      });
      return built === before ? 'kept' : 'built';
    };
    for (const name of ['a', 'b', 'c']) expect(await use(name, 20 * MIB)).toBe('built');
    expect(await use('a', 20 * MIB)).toBe('kept');
    expect(await use('d', 20 * MIB)).toBe('built');
    expect(await use('b', 20 * MIB)).toBe('built');
    expect(await use('a', 20 * MIB)).toBe('kept');
    expect(await use('huge', 65 * MIB)).toBe('built');
    expect(await use('huge', 65 * MIB)).toBe('built');
    trees.keep('given', tree());
    expect(await use('given', 32)).toBe('kept');
  });
});
