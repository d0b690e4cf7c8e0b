import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PackageError } from '../../../src/validation/packages/package-error.ts';
import { readTar } from '../../../src/validation/packages/tar.ts';
import { makeTar } from '../../support/fhir-package.ts';

const names = (archive: Uint8Array): string[] => [...readTar(archive)].map((file) => file.name);

describe('readTar', () => {
  test('gives back what was put in, in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.stringMatching(/^[a-z]{1,20}\/[a-z]{1,20}\.json$/), fc.uint8Array({ maxLength: 2000 })), {
          maxLength: 10,
        }),
        (files) => {
          const read = [...readTar(makeTar(files.map(([name, content]) => ({ name, content }))))];
          assert.deepEqual(
            read.map((file) => [file.name, Buffer.from(file.bytes).toString('hex')]),
            files.map(([name, content]) => [name, Buffer.from(content).toString('hex')]),
          );
        },
      ),
      { numRuns: 100 },
    );
  });

  test('takes the name of a PAX header, and leaves out links and folders', () => {
    const long = `package/${'x'.repeat(120)}.json`;
    const record = ` path=${long}\n`;
    const length = record.length + 3;
    const archive = makeTar([
      { name: 'PaxHeader', content: `${length}${record}`, kind: 'x' },
      { name: 'package/short.json', content: '{}' },
      { name: 'package/link', content: '', kind: '2' },
      { name: 'package/folder', content: '', kind: '5' },
    ]);
    assert.deepEqual(names(archive), [long]);
  });

  test('takes a GNU long name', () => {
    const long = `package/${'y'.repeat(150)}.json`;
    const archive = makeTar([
      { name: '././@LongLink', content: `${long}\0`, kind: 'L' },
      { name: 'package/short.json', content: '{}' },
    ]);
    assert.deepEqual(names(archive), [long]);
  });

  test('refuses an archive that is cut short', () => {
    const archive = makeTar([{ name: 'a.json', content: 'x'.repeat(2000) }]);
    assert.throws(
      () => names(archive.subarray(0, 1024)),
      (error) => error instanceof PackageError && error.code === 'unreadable',
    );
  });

  test('refuses a header with a wrong checksum', () => {
    const archive = Buffer.from(makeTar([{ name: 'a.json', content: 'x' }]));
    archive[0] = 0x62;
    assert.throws(
      () => names(archive),
      (error) => error instanceof PackageError && error.code === 'unreadable',
    );
  });

  test('never fails on arbitrary bytes but with its own error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 2048 }), (bytes) => {
        try {
          names(bytes);
        } catch (error) {
          assert.ok(error instanceof PackageError);
        }
      }),
    );
  });
});
