import { Router } from 'express';
import type { GatewayParts } from './parts.ts';

/** `/.well-known/smart-configuration`, also below each FHIR base (SMART App Launch 2.0, "Conformance"). */
export function smartRoutes({ smart }: GatewayParts): Router {
  const router = Router();
  const paths = [
    '/.well-known/smart-configuration',
    '/fhir/.well-known/smart-configuration',
    '/fhir/:upstream/.well-known/smart-configuration',
  ];
  router.get(paths, (_request, response, next) => {
    if (smart === undefined) {
      next();
      return;
    }
    response.json({
      issuer: smart.issuer,
      ...(smart.jwksUri === undefined ? {} : { jwks_uri: smart.jwksUri }),
      ...(smart.authorizationEndpoint === undefined ? {} : { authorization_endpoint: smart.authorizationEndpoint }),
      ...(smart.tokenEndpoint === undefined ? {} : { token_endpoint: smart.tokenEndpoint }),
      grant_types_supported: ['client_credentials', 'authorization_code'],
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['RS384', 'ES384'],
      scopes_supported: ['system/*.cruds', 'user/*.cruds', 'patient/*.cruds', 'system/*.*', 'user/*.*', 'patient/*.*'],
      code_challenge_methods_supported: ['S256'],
      capabilities: [
        'permission-patient',
        'permission-user',
        'permission-v1',
        'permission-v2',
        'client-confidential-asymmetric',
      ],
    });
  });
  return router;
}
