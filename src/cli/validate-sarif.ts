import { pathToFileURL } from 'node:url';
import type { FormatContext, ResultFormat } from './validate-format.ts';

const levels: Readonly<Record<string, string>> = {
  fatal: 'error',
  error: 'error',
  warning: 'warning',
  information: 'note',
};

/** SARIF 2.1.0 (OASIS): one run, one result a finding; kept in memory until the end, because the rules come first. */
export function createSarifFormat(context: FormatContext): ResultFormat {
  const rules = new Set<string>();
  const results: unknown[] = [];
  return {
    begin: () => '',
    add: ({ result, report }) => {
      result.issues.forEach((issue, index) => {
        rules.add(issue.id);
        results.push({
          ruleId: issue.id,
          level: levels[issue.severity] ?? 'none',
          message: { text: issue.text },
          locations: [
            {
              ...(result.file !== null && {
                physicalLocation: {
                  artifactLocation: { uri: pathToFileURL(result.file).href },
                  ...(issue.line !== null && { region: { startLine: issue.line, startColumn: issue.column ?? 1 } }),
                },
              }),
              ...(issue.expression !== null && { logicalLocations: [{ fullyQualifiedName: issue.expression }] }),
            },
          ],
          partialFingerprints: { 'concordat/v1': report.issues[index]?.fingerprint ?? '' },
          ...(issue.profile !== null && { properties: { profile: issue.profile } }),
        });
      });
      return '';
    },
    end: () => {
      const [name = 'concordat', version = ''] = context.engine.split(/[ /#@]/);
      const driver = { name, ...(version !== '' && { version }), rules: [...rules].map((id) => ({ id })) };
      const run = { tool: { driver }, columnKind: 'utf16CodeUnits', results };
      return `${JSON.stringify({ $schema: 'https://json.schemastore.org/sarif-2.1.0.json', version: '2.1.0', runs: [run] })}\n`;
    },
  };
}
