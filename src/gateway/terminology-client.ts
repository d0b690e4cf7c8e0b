import { request } from 'undici';
import { parseJsonText, toValue } from '../fhir/json-text.ts';
import { UpstreamError } from './upstream-error.ts';

const MAXIMUM_ANSWER_BYTES = 4 * 1024 * 1024;

/**
 * Sends a batch of `$validate-code` calls to a terminology server. Codes and value sets leave the gateway here, never anything else of a resource.
 * @param baseUrl FHIR base of the server
 * @returns what `RemoteTerminology` takes as `send`; it rejects after the time with {UpstreamError} timeout | unreachable | broken | too-long | not-fhir
 */
export function createTerminologySender(baseUrl: string): (batch: object, timeoutMs: number) => Promise<unknown> {
  return async (batch, timeoutMs) => {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await request(baseUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/fhir+json', accept: 'application/fhir+json' },
        body: JSON.stringify(batch),
        signal,
      });
      const chunks: Buffer[] = [];
      let length = 0;
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > MAXIMUM_ANSWER_BYTES) throw new UpstreamError('too-long', 'terminology');
        chunks.push(chunk);
      }
      if (answer.statusCode !== 200) throw new UpstreamError('broken', 'terminology');
      return toValue(parseJsonText(Buffer.concat(chunks).toString('utf8')).root);
    } catch (error) {
      if (error instanceof UpstreamError) throw error;
      throw new UpstreamError(signal.aborted ? 'timeout' : 'unreachable', 'terminology', { cause: error });
    }
  };
}
