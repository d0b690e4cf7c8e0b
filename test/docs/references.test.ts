import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { root } from '../support/source-files.ts';
import { runCli } from '../support/run-cli.ts';

const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];
const textOf = (document: string) => readFileSync(join(root, document), 'utf8');

test('every link between documents leads somewhere', () => {
  const broken = documents.flatMap((document) =>
    [...textOf(document).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)]
      .map((match) => match[1] ?? '')
      .filter((target) => !existsSync(join(root, dirname(document), target)))
      .map((target) => `${document}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('every path of the project that a document names is there', () => {
  const broken = documents.flatMap((document) =>
    [...textOf(document).matchAll(/`((?:src|test|docs|deploy|profiles|scripts)\/[A-Za-z0-9_./-]+)`/g)]
      .map((match) => match[1] ?? '')
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${document}: ${path}`),
  );
  assert.deepEqual(broken, []);
});

test('every script that a document names is in package.json', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
  const unknown = documents.flatMap((document) =>
    [...textOf(document).matchAll(/npm run ([a-z][a-z0-9:-]*)/g)]
      .map((match) => match[1] ?? '')
      .filter((name) => scripts[name] === undefined)
      .map((name) => `${document}: ${name}`),
  );
  assert.deepEqual(unknown, []);
});

test('the command line has every command that a document names, and the README names every command', async () => {
  const help = (await runCli(['--help'])).stdout;
  const commands = [...help.matchAll(/^ {2}([a-z][a-z-]+) /gm)]
    .map((match) => match[1] ?? '')
    .filter((name) => name !== 'help');
  const named = documents.flatMap((document) =>
    [...textOf(document).matchAll(/(?:npx |`)concordat ([a-z][a-z-]+)/g)].map((match) => match[1] ?? ''),
  );
  assert.deepEqual(
    [...new Set(named)].filter((name) => !commands.includes(name)),
    [],
  );
  const table = textOf('README.md').split('## Commands')[1]?.split('\n## ')[0] ?? '';
  assert.deepEqual(
    commands.filter((name) => !table.includes(`\`${name}\``)),
    [],
  );
});
