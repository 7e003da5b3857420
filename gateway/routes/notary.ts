/** The notary log as its clients see it: that it covers a stream, and how it goes with the witnesses. */
import type { Config } from '../../engine/config/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { readVesHead } from '../../engine/store/heads.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { logSizeOf, sizeWithin } from '../input/log-query.js';
import type { TransparencyServices } from '../transparency.js';

export const notaryRoutes = (deps: {
  readonly config: Pick<Config, 'transparency'>;
  readonly sql: Sql;
  readonly transparency: TransparencyServices;
}): Route[] => {
  const { sql } = deps;
  const { witnessQuorum } = deps.config.transparency;
  const { notary, witnessing } = deps.transparency;

  async function streamProof(exchange: Exchange): Promise<Reply> {
    const { log, size } = logSizeOf(exchange);
    if (size !== undefined)
      sizeWithin('size', size, Number(await readVesHead(sql, log.tenantId, log.storeId)));
    const proof = await notary.proveStream(log, size);
    return json({
      checkpoint_body: proof.body,
      tree_size: proof.size,
      notary_index: proof.leafIndex,
      notary_size: proof.notarySize,
      cosigned_by: proof.cosignedBy,
      proof: proof.tlogProof,
    });
  }

  async function witnesses(): Promise<Reply> {
    const [latest, witnessed] = await Promise.all([notary.published.latest(), notary.published.witnessed()]);
    return json({
      quorum: witnessQuorum,
      latest_size: latest?.size ?? null,
      witnessed_size: witnessed?.size ?? null,
      witnesses: witnessing.status().map((each) => ({
        verifier_key: each.vkey,
        has_cosigned_latest: latest?.cosignedBy.includes(each.vkey) ?? false,
        cosigned_size: each.cosignedSize,
        failures: each.failures,
        problem: each.problem ?? null,
        alarm: each.alarm,
      })),
    });
  }

  return [
    {
      method: 'GET',
      path: '/api/v1/log/notary/proof',
      scope: 'read',
      handler: answering(streamProof),
    },
    {
      method: 'GET',
      path: '/api/v1/log/notary/witnesses',
      scope: 'admin',
      handler: answering(witnesses),
    },
  ];
};
