/** Output formats of `validate`. Each writes as results come, so that bulk input needs no memory; what needs all of them says so. */
import { outcomeOf } from '../validation/outcome.ts';
import { createJunitFormat } from './validate-junit.ts';
import type { FormattedResult, Totals } from './validate-result.ts';
import { createSarifFormat } from './validate-sarif.ts';

export interface ResultFormat {
  readonly begin: () => string;
  readonly add: (formatted: FormattedResult) => string;
  readonly end: (totals: Totals) => string;
}

export interface FormatContext {
  /** As `Validator.context`. */
  readonly packages: readonly string[];
  readonly engine: string;
}

export const formatNames = ['text', 'json', 'ndjson', 'junit', 'sarif', 'outcome'] as const;
export type FormatName = (typeof formatNames)[number];

export function createFormat(name: FormatName, context: FormatContext): ResultFormat {
  switch (name) {
    case 'text':
      return textFormat();
    case 'json':
      return jsonFormat();
    case 'ndjson':
      return { begin: () => '', add: ({ result }) => `${JSON.stringify(result)}\n`, end: () => '' };
    case 'junit':
      return createJunitFormat();
    case 'sarif':
      return createSarifFormat(context);
    case 'outcome':
      return outcomeFormat(context);
  }
}

/** `file:line:column: severity id expression: text`, as compilers write, so that editors find the place. */
function textFormat(): ResultFormat {
  return {
    begin: () => '',
    add: ({ result }) =>
      result.issues
        .map((issue) => {
          const place = [result.file ?? 'stdin', issue.line, issue.column].filter((part) => part !== null).join(':');
          return `${place}: ${issue.severity} ${issue.id}${issue.expression === null ? '' : ` ${issue.expression}`}: ${issue.text}\n`;
        })
        .join(''),
    end: ({ resources, invalid, fatal, error, warning }) =>
      `${resources} resources, ${resources - invalid} valid, ${invalid} not valid; ${fatal + error} errors, ${warning} warnings\n`,
  };
}

function jsonFormat(): ResultFormat {
  let separator = '[';
  return {
    begin: () => '',
    add: ({ result }) => {
      const text = `${separator}\n${JSON.stringify(result)}`;
      separator = ',';
      return text;
    },
    end: () => (separator === '[' ? '[]\n' : '\n]\n'),
  };
}

/** One resource: its OperationOutcome. Several: a Bundle of type collection, one OperationOutcome an entry, in the order of the input. */
function outcomeFormat(context: FormatContext): ResultFormat {
  let held: string | undefined;
  let several = false;
  const entry = (outcome: string): string => `{"resource":${outcome}}`;
  return {
    begin: () => '',
    add: ({ report }) => {
      const outcome = JSON.stringify(outcomeOf(report, context));
      if (several) return `,\n${entry(outcome)}`;
      if (held === undefined) {
        held = outcome;
        return '';
      }
      several = true;
      return `{"resourceType":"Bundle","type":"collection","entry":[\n${entry(held)},\n${entry(outcome)}`;
    },
    end: () => (several ? '\n]}\n' : `${held ?? '{"resourceType":"Bundle","type":"collection"}'}\n`),
  };
}
