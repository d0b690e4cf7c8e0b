import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeKey, writeKeyFile } from '../../src/cli/key-files.ts';
import { memberFile, readMemberFile } from '../../src/cli/member-file.ts';
import { runCli } from '../support/run-cli.ts';
import { CommandError } from '../../src/cli/command-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-files-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const origin = 'log.example/files';

describe('what governance commands read', () => {
  const server = createServer((_request, response) => response.end('<html>welcome</html>'));
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => server.close());

  test('an answer that is no report is told in one line', async () => {
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { code, stderr } = await runCli(['governance', 'list', '--url', `http://127.0.0.1:${port}`]);
    assert.equal(code, 4);
    assert.match(stderr, /^concordat: [^\n]* no governance report\n$/);
  });

  for (const [name, content] of Object.entries({ nothing: 'null', 'a number': '7', 'a list': '[]', 'no JSON': '{' })) {
    test(`a member file that is ${name} cannot be read`, () => {
      const file = join(folder, 'member.json');
      writeFileSync(file, content);
      const isUnreadable = (error: unknown) => error instanceof CommandError && error.code === 'unreadable';
      assert.throws(() => readMemberFile(file), isUnreadable);
    });
  }

  test('an agreement key that is none is told by its file, without what is in it', () => {
    for (const kind of ['batch', 'origin', 'cosigner'] as const) {
      const key = makeKey({ kind, member: 'a', origin, random: (length) => new Uint8Array(randomBytes(length)) });
      writeKeyFile(join(folder, `${kind}.key`), key.secret);
    }
    writeFileSync(join(folder, 'agreement.key'), 'AAAA\n');
    assert.throws(
      () => memberFile({ origin, name: 'a', keyDir: folder }),
      (error) => error instanceof CommandError && /agreement\.key/.test(error.message) && !/AAAA/.test(error.message),
    );
  });
});
