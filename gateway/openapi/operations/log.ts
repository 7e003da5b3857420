import { z } from 'zod';
import { ConsistencyQuery, EventQuery, InclusionQuery, SizeQuery } from '../../input/log-query.js';
import { STORE, TENANT } from '../example-ids.js';
import { type Content, type Operation, type Operations, ok } from '../operation.js';
import { count, hash, note, text } from '../shapes.js';

export const LogInclusion = z.object({
  leaf_index: count(),
  tree_size: count(),
  leaf_hash: hash(),
  hashes: z.array(hash()),
  root: hash(),
  checkpoint: note(),
});
export const LogConsistency = z.object({ from: count(), to: count(), hashes: z.array(hash()) });
export const NotaryProof = z.object({
  checkpoint_body: text("Text of the stream's checkpoint"),
  tree_size: count(),
  notary_index: count(),
  notary_size: count(),
  cosigned_by: z.array(text('Verifier key of a witness')),
  proof: text('The proof as a file (c2sp.org/tlog-proof)'),
});
export const Witnesses = z.object({
  quorum: count(),
  latest_size: count().nullable(),
  witnessed_size: count().nullable(),
  witnesses: z.array(
    z.object({
      verifier_key: text(),
      has_cosigned_latest: z.boolean(),
      cosigned_size: count().nullable(),
      failures: count(),
      problem: text().nullable(),
      alarm: z
        .boolean()
        .meta({ description: 'It has seen another history of the notary log than the database holds' }),
    }),
  ),
});

const cose = (what: string): Content => ({
  type: 'application/cose',
  description: `With \`Accept: application/cose\`: a COSE receipt of ${what}`,
  binary: true,
});
const noteContent: Content = {
  type: 'text/plain; charset=utf-8',
  description: 'A signed note (c2sp.org/tlog-checkpoint)',
};

const tiles: Pick<Operation, 'tag' | 'headers' | 'answers' | 'errors'> = {
  tag: 'Log',
  headers: { 'if-none-match': 'Entity tags that the client has' },
  answers: [
    {
      status: 200,
      description: 'The checkpoint, or the bytes of a tile or entry bundle',
      content: [
        noteContent,
        {
          type: 'application/octet-stream',
          description:
            'Hashes of a tile, 32 bytes each, or entries, each behind its length (U16, big-endian)',
          binary: true,
        },
      ],
      headers: { etag: 'Of tiles and bundles', 'cache-control': 'Full tiles never change' },
    },
    { status: 304, description: 'The client has it', content: [] },
  ],
  errors: ['RESOURCE_NOT_FOUND'],
};
const resource = z.string().meta({
  pattern: '^(checkpoint|tile/[0-9a-z/.]+)$',
  description:
    '`checkpoint`, `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`; its slashes stay as they are, not percent-encoded',
});

export const LOG: Operations = {
  'GET /api/v1/log/inclusion': {
    id: 'proveInclusion',
    tag: 'Log',
    summary: 'That an event stands in the tree of a size',
    query: InclusionQuery,
    answers: [
      {
        status: 200,
        description: 'The path, and the signed checkpoint of the tree',
        content: [{ type: 'application/json', schema: LogInclusion }, cose('inclusion')],
      },
    ],
  },
  'GET /api/v1/log/consistency': {
    id: 'proveConsistency',
    tag: 'Log',
    summary: 'That one tree begins with another',
    query: ConsistencyQuery,
    answers: [
      {
        status: 200,
        description: 'The proof (RFC 9162 section 2.1.4)',
        content: [{ type: 'application/json', schema: LogConsistency }, cose('consistency')],
      },
    ],
  },
  'GET /api/v1/log/checkpoint': {
    id: 'getCheckpoint',
    tag: 'Log',
    summary: 'The signed note of the tree of a size',
    query: SizeQuery,
    answers: [{ status: 200, description: 'The note', content: [noteContent] }],
  },
  'GET /api/v1/log/proof/:event_id': {
    id: 'getEventProof',
    tag: 'Log',
    summary: 'The proof of an event, as a file to keep',
    query: EventQuery,
    answers: [
      {
        status: 200,
        description: 'The proof; the log entry is its extra data',
        content: [
          {
            type: 'text/plain; charset=utf-8',
            description: 'A proof file (c2sp.org/tlog-proof), named `<event id>.tlog-proof`',
          },
          cose('inclusion'),
        ],
        headers: { 'content-disposition': 'The name of the file' },
      },
    ],
    errors: ['EVENT_NOT_FOUND'],
  },
  'GET /api/v1/log/notary/proof': {
    id: 'getNotaryProof',
    tag: 'Log',
    summary: 'That the notary log holds a checkpoint of the stream',
    query: SizeQuery,
    answers: ok('The proof', NotaryProof),
    errors: ['RESOURCE_NOT_FOUND'],
    answerExample: {
      checkpoint_body: `localhost/log/${TENANT}/${STORE}\n3\nx9nuyvqpXPyTnRyfGb0ph0F36QN02cPeoF3We+/2WN4=\n`,
      tree_size: 3,
      notary_index: 0,
      notary_size: 1,
      cosigned_by: ['witness.example/w1+a0e561bd+BGop8ViCv9iKMS7wsQ6DMl+WSoMvk3CnNPXrwzRNko8d'],
      proof: 'c2sp.org/tlog-proof@v1\nextra …\nindex 0\n\nlocalhost/log/notary\n1\n…',
    },
  },
  'GET /api/v1/log/notary/witnesses': {
    id: 'listWitnesses',
    tag: 'Log',
    summary: 'How it goes with the witnesses',
    answers: ok('The witnesses', Witnesses),
  },
  'GET /log/:tenant_id/:store_id/*': {
    ...tiles,
    id: 'getLogResource',
    summary: "A stream's log as static resources",
    description:
      'As c2sp.org/tlog-tiles says. Ids are lower-case and hyphenated. Anybody may read logs that the operator published.',
    path: { resource },
  },
  'GET /log/notary/*': {
    ...tiles,
    id: 'getNotaryResource',
    summary: 'The notary log as static resources',
    description: 'Its `checkpoint` is the latest that enough witnesses have cosigned.',
    path: { resource },
  },
};
