import { Router } from 'express';
import type { Response } from 'express';
import { FormatError } from '../ledger/format-error.ts';
import { parseTilePath } from '../ledger/tile.ts';
import { TransportError } from '../ledger/transport.ts';
import { readBody } from './body.ts';
import { GatewayError } from './gateway-error.ts';
import type { GatewayParts } from './parts.ts';
import { receiptRoute } from './receipt-route.ts';

const LONGEST_CHECKPOINT_REQUEST = 64 * 1024;
const LONGEST_FRAME = 1024 * 1024;
const FOR_EVER = 'public, max-age=31536000, immutable';
const NOW = 'no-cache';

/**
 * `/ledger/…`: this member's replica, for anybody, without a token (C2SP tlog-tiles and tlog-witness): what is here names no person. Beside them receipts,
 * headers and bodies by hash, and what other members and verifiers need to begin.
 */
export function logRoutes(parts: GatewayParts): Router {
  const { ledger } = parts;
  const router = Router();
  router.use((_request, response, next) => {
    response.setHeader('Access-Control-Allow-Origin', '*');
    next();
  });
  router.get('/checkpoint', (_request, response) => {
    sendFound(response, ledger.checkpoint(), 'text/plain; charset=utf-8', NOW);
  });
  router.get('/tile/{*path}', (request, response) => {
    const id = tileId(request.path);
    const { index, width } = id;
    const bytes = id.level === 'entries' ? ledger.entryBundle(index, width) : ledger.tile(id.level, index, width);
    sendFound(response, bytes, 'application/octet-stream', FOR_EVER);
  });
  router.get('/receipt/:eventId', receiptRoute(parts));
  router.get('/blob/:hash', (request, response) => {
    if (!/^[0-9a-f]{64}$/.test(request.params.hash)) throw notHere();
    const bytes = ledger.blob(Buffer.from(request.params.hash, 'hex'));
    sendFound(response, bytes, 'application/octet-stream', FOR_EVER);
  });
  router.get('/head/:writer', (request, response) => {
    const head = ledger.head(request.params.writer);
    if (head === undefined) throw notHere();
    response.setHeader('Cache-Control', NOW);
    response.json({ writer: head.writer, batch: head.batch });
  });
  router.get('/policy', (_request, response) => {
    sendFound(response, Buffer.from(ledger.policyFile(), 'utf8'), 'text/plain; charset=utf-8', NOW);
  });
  router.get('/genesis', (_request, response) => {
    sendFound(response, ledger.genesisBytes(), 'application/json', FOR_EVER);
  });
  router.get('/bad-bodies', (_request, response) => {
    response.setHeader('Cache-Control', NOW);
    response.json({ leaves: ledger.badBodies() });
  });
  router.get('/history', (_request, response) => {
    sendFound(response, ledger.history(), 'application/json', NOW);
  });
  router.get('/governance', (_request, response) => {
    response.setHeader('Cache-Control', NOW);
    response.json(ledger.governance());
  });
  router.get('/evidence', (_request, response) => {
    response.setHeader('Cache-Control', NOW);
    response.json({ evidence: ledger.evidenceNames() });
  });
  router.get('/evidence/:name', (request, response) => {
    sendFound(response, ledger.evidence(request.params.name), 'application/octet-stream', FOR_EVER);
  });
  router.get('/status', (_request, response) => {
    response.setHeader('Cache-Control', NOW);
    response.json(statusOf(ledger));
  });
  // A member that cannot reach the topic itself has its batches appended by others. A batch proves by itself whose it is and that it comes next.
  router.post('/relay', async (request, response) => {
    const frame = await readBody(request, LONGEST_FRAME);
    try {
      response.status((await ledger.relay?.(frame)) === true ? 200 : 403).end();
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      // It may stand in the topic: who asked must not take this for a no.
      response.status(503).end();
    }
  });
  router.post('/add-checkpoint', async (request, response) => {
    const result = await ledger.addCheckpoint(await readBody(request, LONGEST_CHECKPOINT_REQUEST));
    response.status(result.status);
    if (result.status === 200) response.type('text/plain; charset=utf-8').send(result.cosignatures);
    else if (result.status === 409 && result.size !== undefined) {
      // Clients compare the whole value: with a charset, which `type` and `send` would add, it is none that they know.
      response.setHeader('Content-Type', 'text/x.tlog.size');
      response.end(`${result.size}\n`);
    } else response.end();
  });
  return router;
}

function statusOf(ledger: GatewayParts['ledger']): Record<string, unknown> {
  const { root, finalRoot, ...rest } = ledger.status();
  return {
    ...rest,
    root: Buffer.from(root).toString('base64'),
    finalRoot: Buffer.from(finalRoot).toString('base64'),
    originKey: ledger.originKey,
  };
}

function tileId(path: string): ReturnType<typeof parseTilePath> {
  try {
    return parseTilePath(path.slice(1));
  } catch (error) {
    if (error instanceof FormatError) throw notHere();
    throw error;
  }
}

function sendFound(response: Response, bytes: Uint8Array | undefined, contentType: string, cacheControl: string): void {
  if (bytes === undefined) throw notHere();
  response.setHeader('Content-Type', contentType);
  response.setHeader('Cache-Control', cacheControl);
  response.end(bytes);
}

function notHere(): GatewayError {
  return new GatewayError('not-found', { external: 'The ledger has nothing at this address.' });
}
