import type { BindingQuestion, Finding, Rule } from '../checks/report.ts';
import type { RemoteAnswer, RemoteQuestion, RemoteTerminology } from './remote.ts';

/** What becomes of a code that nobody could judge because the server is down, by binding strength. */
export interface WhenDown {
  readonly required: 'ignore' | 'warning' | 'error';
  readonly extensible: 'ignore' | 'warning' | 'error';
}

const downText = 'The code could not be judged, because the terminology server does not answer';
const downRules: Readonly<Record<'warning' | 'error', Rule>> = {
  warning: { id: 'terminology-server-down', severity: 'warning', code: 'transient', text: downText },
  error: { id: 'terminology-server-down-required', severity: 'error', code: 'transient', text: downText },
};

/** Lets a terminology server settle the findings that only say that a code could not be judged here; the others stay as they are. */
export async function settleRemotely(
  findings: readonly Finding[],
  remote: RemoteTerminology,
  whenDown: WhenDown,
): Promise<readonly Finding[]> {
  if (findings.every(({ rule }) => rule.question === undefined)) return findings;
  const settled = await Promise.all(findings.map((finding) => settle(finding, remote, whenDown)));
  return settled.filter((finding) => finding !== undefined);
}

async function settle(finding: Finding, remote: RemoteTerminology, whenDown: WhenDown): Promise<Finding | undefined> {
  const { question } = finding.rule;
  if (question === undefined || finding.found === undefined) return finding;
  const answers = await Promise.all(questionsOf(finding.found, question).map((one) => remote.ask(one)));
  const answer = best(answers);
  switch (answer) {
    case 'yes':
      return undefined;
    case 'no':
      return { ...finding, rule: question.refused };
    case 'cannot-tell':
      return finding;
    case 'down': {
      const choice = whenDown[question.strength === 'extensible' ? 'extensible' : 'required'];
      return choice === 'ignore'
        ? undefined
        : { ...finding, rule: { ...downRules[choice], profile: finding.rule.profile } };
    }
  }
}

/** One coding of a concept is enough; `no` needs all of them. */
function best(answers: readonly RemoteAnswer[]): RemoteAnswer {
  for (const wanted of ['yes', 'down', 'cannot-tell'] as const) if (answers.includes(wanted)) return wanted;
  return answers.length === 0 ? 'cannot-tell' : 'no';
}

/** Bindings write what they found as `system#code`, several with commas between, a bare code without system. */
function questionsOf(found: string, { valueSet }: BindingQuestion): RemoteQuestion[] {
  return found
    .split(', ')
    .filter((coding) => coding !== '')
    .map((coding) => {
      const hash = coding.lastIndexOf('#');
      const system = hash > 0 ? coding.slice(0, hash) : undefined;
      return { valueSet, system, code: coding.slice(hash + 1) };
    });
}
