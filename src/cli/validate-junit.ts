import type { ResultFormat } from './validate-format.ts';
import type { ResultIssue } from './validate-result.ts';

/** JUnit XML as CI servers read it: one test case a resource, its errors the failure, its warnings in the output. */
export function createJunitFormat(): ResultFormat {
  const cases: string[] = [];
  return {
    begin: () => '',
    add: ({ result }) => {
      const name = [result.file ?? 'stdin', result.line, result.id].filter((part) => part !== null).join(' ');
      const serious = result.issues.filter(isSerious);
      const others = result.issues.filter((issue) => !isSerious(issue));
      const failure =
        serious.length === 0
          ? ''
          : `<failure message="${escapeXml(`${serious.length} errors`)}" type="${escapeXml(serious[0]?.id ?? '')}">${escapeXml(lines(serious))}</failure>`;
      const output = others.length === 0 ? '' : `<system-out>${escapeXml(lines(others))}</system-out>`;
      cases.push(
        `    <testcase classname="${escapeXml(result.file ?? 'stdin')}" name="${escapeXml(name)}">${failure}${output}</testcase>\n`,
      );
      return '';
    },
    end: ({ resources, invalid }) =>
      `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="${resources}" failures="${invalid}">\n` +
      `  <testsuite name="concordat validate" tests="${resources}" failures="${invalid}">\n${cases.join('')}  </testsuite>\n</testsuites>\n`,
  };
}

function isSerious(issue: ResultIssue): boolean {
  return issue.severity === 'fatal' || issue.severity === 'error';
}

function lines(issues: readonly ResultIssue[]): string {
  return issues
    .map(
      (issue) =>
        `${issue.line ?? '-'}:${issue.column ?? '-'} ${issue.severity} ${issue.id} ${issue.expression ?? ''}: ${issue.text}`,
    )
    .join('\n');
}

/** Characters that XML 1.0 cannot hold are replaced: file names and found values come from anywhere. */
function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
