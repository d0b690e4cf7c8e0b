import { relative } from 'node:path';
import type { Refusal } from './refusals.ts';

/** What the demo says when its story is told. */
export interface DemoSummary {
  readonly members: readonly MemberSummary[];
  readonly origin: string;
  /** Paths of files. */
  readonly genesis: string;
  readonly policy: string;
  readonly receipt: string;
  readonly final: TreeHead;
  readonly accepted: number;
  readonly refusals: readonly Refusal[];
  readonly dataDir: string;
  readonly token: string;
  readonly patients: number;
  readonly resources: number;
  /** What the stand-alone verifier said of the receipt. */
  readonly verdict: string;
  /** What did not hold; empty when all did. */
  readonly faults: readonly string[];
  readonly seconds: number;
}

export interface TreeHead {
  readonly size: number;
  /** Standard base64. */
  readonly root: string;
}

export interface MemberSummary {
  readonly name: string;
  readonly gatewayUrl: string;
  readonly auditUrl: string;
  readonly ledgerUrl: string;
  readonly upstreams: readonly { readonly name: string; readonly url: string }[];
  /** This member's own tree at the size of the final checkpoint. */
  readonly replica: TreeHead;
  readonly originKey: string;
}

/** The summary for programs. */
export function summaryJson(summary: DemoSummary): object {
  const { members, origin, genesis, policy, receipt, final, accepted, refusals, dataDir, token } = summary;
  return {
    members,
    origin,
    genesis,
    policy,
    receipt,
    final,
    accepted,
    refused: refusals.length,
    refusals: refusals.map(({ status, upstream, type, event, issues }) => {
      return { status, upstream, type, event, issues: issues.map(({ code, expression }) => ({ code, expression })) };
    }),
    dataDir,
    token,
  };
}

/** The summary for people, line by line. */
export function summaryText(summary: DemoSummary): string {
  return [
    '',
    `Concordat demo: ${summary.members.length} members, ${summary.patients} Synthea patients (${summary.resources} resources), ${summary.seconds} s`,
    '',
    `Accepted  ${summary.accepted} exchanges`,
    `Refused   ${summary.refusals.length}, each as it must be:`,
    ...summary.refusals.flatMap(refusalLines),
    '',
    'Replicas  each member read the topic, checked it and built its own tree:',
    ...summary.members.map(
      ({ name, replica }) => `  ${name.padEnd(10)} ${String(replica.size).padStart(6)} leaves  root ${replica.root}`,
    ),
    `Final     ${summary.final.size} leaves, cosigned by all three: ${agreement(summary)}`,
    `Receipt   ${shortPath(summary.receipt)}: ${summary.verdict}`,
    '',
    ...goingOn(summary),
    ...(summary.faults.length === 0 ? [] : ['', 'NOT as it must be:', ...summary.faults.map((fault) => `  ${fault}`)]),
    '',
  ].join('\n');
}

function refusalLines({ title, status, upstream, type, issues }: Refusal): string[] {
  const [first] = issues;
  const place = first?.expression == null ? '' : ` at ${first.expression}`;
  return [
    `  ${status}  ${`${upstream}/${type}`.padEnd(18)} ${title}`,
    ...(first === undefined ? [] : [`       ${first.code}${place}${first.text === null ? '' : `: ${first.text}`}`]),
  ];
}

function agreement({ members, final }: DemoSummary): string {
  const same = members.every(({ replica }) => replica.size === final.size && replica.root === final.root);
  return same ? 'the same root everywhere' : 'the roots DIFFER';
}

function goingOn({ members, dataDir, receipt, genesis, token }: DemoSummary): string[] {
  const [first] = members;
  const upstream = first?.upstreams[0]?.name ?? '';
  return [
    'Addresses',
    ...members.map(
      ({ name, gatewayUrl, auditUrl, ledgerUrl }) =>
        `  ${name.padEnd(10)} FHIR ${gatewayUrl}   audit ${auditUrl}   ledger ${ledgerUrl}`,
    ),
    '',
    'To go on (the token may do everything, for a day)',
    `  TOKEN=${token}`,
    `  curl -H "Authorization: Bearer $TOKEN" '${first?.gatewayUrl}/${upstream}/Patient?_count=1'`,
    `  curl -H "Authorization: Bearer $TOKEN" '${first?.gatewayUrl}/Observation?_count=3&_sort=-date'`,
    `  curl -H "Authorization: Bearer $TOKEN" '${first?.auditUrl}/AuditEvent?_count=5'`,
    `  curl '${first?.ledgerUrl}/checkpoint'`,
    `  npx concordat verify ${shortPath(receipt)} --genesis ${shortPath(genesis)}`,
    `Data      ${dataDir}`,
  ];
}

function shortPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}
