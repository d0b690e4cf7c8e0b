import { patientsOf } from '../../fhir/compartment.ts';
import { matchesParameter } from '../../fhir/search-parameters.ts';
import type { Principal } from './authenticator.ts';
import type { Scope, ScopeAction } from './scopes.ts';

/**
 * Types that belong to no patient and that a patient's record refers to all the time: a `patient/` scope that names them may read them.
 * @see SMART App Launch 2, "Scopes for requesting FHIR resources"
 */
const SHARED_TYPES = new Set([
  'Organization',
  'Practitioner',
  'PractitionerRole',
  'Location',
  'HealthcareService',
  'Medication',
  'Substance',
  'Endpoint',
  'Questionnaire',
  'ValueSet',
  'CodeSystem',
]);

/** What one principal may do, with requests and with each single resource. */
export class Access {
  readonly #scopes: readonly Scope[];
  readonly #launchPatient: string | undefined;
  readonly #launchUpstream: string | undefined;

  /**
   * @param upstreams names of all upstreams. A launch patient is `{upstream}.{id}`; a bare id counts only where there is one upstream, because the
   *   same id on another one is another person.
   */
  constructor(principal: Principal, upstreams: readonly string[]) {
    this.#scopes = principal.scopes;
    const text = principal.caller.patient;
    const named = upstreams.find((upstream) => text?.startsWith(`${upstream}.`) === true);
    this.#launchUpstream = named ?? (upstreams.length === 1 ? upstreams[0] : undefined);
    this.#launchPatient = named === undefined ? text : text?.slice(named.length + 1);
  }

  /** The patient that the token is bound to, as `{upstream}.{id}`. */
  get launchPatientId(): string | undefined {
    if (this.#launchPatient === undefined || this.#launchUpstream === undefined) return undefined;
    return `${this.#launchUpstream}.${this.#launchPatient}`;
  }

  /** Whether any scope lets the action happen on some resource of the type; `undefined` stands for every type. */
  allowsType(action: ScopeAction, resourceType: string | undefined): boolean {
    return this.#scopes.some((scope) => this.#concerns(scope, action, resourceType));
  }

  /** Whether every resource of the type may be acted on, so that no single one needs a look. */
  allowsAllOf(action: ScopeAction, resourceType: string | undefined): boolean {
    return this.#scopes.some(
      (scope) =>
        scope.context !== 'patient' && scope.constraints.length === 0 && this.#concerns(scope, action, resourceType),
    );
  }

  /** @param resource with its `resourceType`, ids as the upstream has them */
  allowsResource(action: ScopeAction, upstream: string, resource: unknown): boolean {
    const type = (resource as { resourceType?: unknown } | null)?.resourceType;
    if (typeof type !== 'string') return false;
    return this.#scopes.some(
      (scope) =>
        this.#concerns(scope, action, type) &&
        scope.constraints.every(({ parameter, values }) => matchesParameter(resource, parameter, values)) &&
        (scope.context !== 'patient' || this.#isOfLaunchPatient(action, upstream, resource, type)),
    );
  }

  #concerns(scope: Scope, action: ScopeAction, resourceType: string | undefined): boolean {
    const isNamed = scope.resourceType === '*' || scope.resourceType === resourceType;
    return isNamed && scope.actions.has(action) && (scope.context !== 'patient' || this.#launchPatient !== undefined);
  }

  #isOfLaunchPatient(action: ScopeAction, upstream: string, resource: unknown, type: string): boolean {
    if ((action === 'r' || action === 's') && SHARED_TYPES.has(type)) return true;
    if (upstream !== this.#launchUpstream || this.#launchPatient === undefined) return false;
    return patientsOf(resource).includes(this.#launchPatient);
  }
}
