/** `verify-proof`: inclusion proofs in the three kinds of trees, with nothing but arithmetic. */
import { type Command, Option } from 'commander';
import { createNodeHasher, verifyInclusion } from '../../engine/log/index.js';
import { decodeHex, verifyLegacyInclusion, verifyVesInclusion } from '../../engine/protocol/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { EXIT, keyArgument, type Outcome, plainCommand, run, wholeArgument } from './command.js';

interface Options {
  readonly leafHash: Uint8Array;
  readonly merkleRoot: Uint8Array;
  readonly proofPath: Uint8Array[];
  readonly leafIndex: number;
  readonly treeSize?: number;
  readonly tree?: Tree;
  readonly json?: boolean;
}

const TREES = ['legacy', 'ves', 'rfc9162'] as const;
type Tree = (typeof TREES)[number];

const NAMES: Record<Tree, string> = {
  legacy: 'legacy commitment (plain SHA-256 tree)',
  ves: 'VES commitment (padded tree)',
  rfc9162: "stream's log (RFC 9162)",
};

export const verifyProofCommand = (): Command =>
  plainCommand('verify-proof', 'check an inclusion proof, offline; exit code 1 when it does not hold')
    .requiredOption('--leaf-hash <hex>', 'hash of the leaf', keyArgument)
    .requiredOption('--merkle-root <hex>', 'root of the tree', keyArgument)
    .requiredOption(
      '--proof-path <hex,…>',
      'hashes of the path, separated by commas; empty for a tree of one leaf',
      pathArgument,
    )
    .requiredOption('--leaf-index <n>', 'index of the leaf, from 0', wholeArgument(0))
    .option('--tree-size <n>', 'leaves of the tree; RFC 9162 proofs need it', wholeArgument(1))
    .addOption(
      new Option('--tree <kind>', 'kind of tree; without it the one that fits is looked for').choices(TREES),
    )
    .action((options: Options) => run(options, async () => verify(options)));

function verify({ leafHash, merkleRoot, proofPath, leafIndex, treeSize, tree }: Options): Outcome {
  if (tree === 'rfc9162' && treeSize === undefined)
    return invalid('an RFC 9162 proof cannot be judged without --tree-size');
  const tried: readonly Tree[] = tree ? [tree] : treeSize === undefined ? ['legacy', 'ves'] : TREES;
  const holds: Record<Tree, () => boolean> = {
    legacy: () => verifyLegacyInclusion(leafHash, leafIndex, proofPath, merkleRoot),
    ves: () => verifyVesInclusion(leafHash, leafIndex, proofPath, merkleRoot),
    rfc9162: () =>
      verifyInclusion(leafHash, leafIndex, treeSize!, proofPath, merkleRoot, createNodeHasher(sha256Into)),
  };
  const fitting = tried.find((each) => holds[each]());
  if (fitting === undefined)
    return invalid(
      `the proof does not hold in a tree of kind ${tried.map((each) => NAMES[each]).join(', or ')}`,
    );
  return {
    lines: [`the proof holds: ${NAMES[fitting]}`],
    json: { valid: true, tree: fitting, leaf_index: leafIndex },
  };
}

const invalid = (reason: string): Outcome => ({
  lines: [reason],
  json: { valid: false, reason },
  exitCode: EXIT.no,
});

function pathArgument(text: string): Uint8Array[] {
  if (text.trim() === '') return [];
  return text.split(',').map((item) => decodeHex(item.trim(), 32) ?? keyArgument(item));
}
