/** Agreement of results with a suite's recorded outcomes. */
import { expressionKey } from './conformance-suite.ts';
import type { ValidationIssue } from '../src/validation/validator.ts';

export interface CheckRow {
  readonly case: string;
  readonly mode: string;
  readonly tier: string;
  readonly valid: boolean;
  readonly crash: string | null;
  readonly missing: readonly string[];
  readonly issues: readonly ValidationIssue[];
}

export interface ScoredCheck {
  readonly row: CheckRow;
  readonly module: string;
  readonly expectedValid: boolean;
  /** Places of the recorded errors; undefined when there is no outcome to compare with. */
  readonly expected: ReadonlySet<string> | undefined;
}

export interface Score {
  checks: number;
  agreed: number;
  falseAccepts: number;
  falseRejects: number;
  crashes: number;
  /** Distinct places: in both, only recorded, only found. */
  placesBoth: number;
  placesMissed: number;
  placesExtra: number;
}

export function scoreOf(checks: readonly ScoredCheck[]): Score {
  const score: Score = {
    checks: 0,
    agreed: 0,
    falseAccepts: 0,
    falseRejects: 0,
    crashes: 0,
    placesBoth: 0,
    placesMissed: 0,
    placesExtra: 0,
  };
  for (const { row, expectedValid, expected } of checks) {
    score.checks++;
    if (row.valid === expectedValid) score.agreed++;
    else if (row.valid) score.falseAccepts++;
    else score.falseRejects++;
    if (row.crash !== null) score.crashes++;
    if (expected === undefined) continue;
    const found = foundPlaces(row.issues);
    for (const place of expected) {
      if (found.has(place)) score.placesBoth++;
      else score.placesMissed++;
    }
    for (const place of found) if (!expected.has(place)) score.placesExtra++;
  }
  return score;
}

export function foundPlaces(issues: readonly ValidationIssue[]): Set<string> {
  const places = new Set<string>();
  for (const issue of issues)
    if ((issue.severity === 'error' || issue.severity === 'fatal') && issue.expression !== undefined)
      places.add(expressionKey(issue.expression));
  return places;
}

export function printScores(checks: readonly ScoredCheck[], print: (line: string) => void): void {
  print(line('tier / module', 'checks', 'agree', 'false accept', 'false reject', 'crash', 'recall', 'precision'));
  for (const tier of distinct(checks.map((check) => check.row.tier))) {
    const inTier = checks.filter((check) => check.row.tier === tier);
    print(scoreLine(tier, scoreOf(inTier)));
    for (const module of distinct(inTier.map((check) => check.module)))
      print(scoreLine(`  ${module}`, scoreOf(inTier.filter((check) => check.module === module))));
  }
  print(scoreLine('all', scoreOf(checks)));
}

function scoreLine(name: string, score: Score): string {
  const { checks, agreed, falseAccepts, falseRejects, crashes, placesBoth, placesMissed, placesExtra } = score;
  return line(
    name,
    String(checks),
    percent(agreed, checks),
    String(falseAccepts),
    String(falseRejects),
    String(crashes),
    percent(placesBoth, placesBoth + placesMissed),
    percent(placesBoth, placesBoth + placesExtra),
  );
}

function line(name: string, ...columns: string[]): string {
  return name.padEnd(22) + columns.map((column) => column.padStart(13)).join('');
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`;
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
