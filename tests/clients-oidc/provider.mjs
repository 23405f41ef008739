// A certified OpenID provider on loopback, for the tests of identity.
//
// Rules: what it is comes in one JSON file (port, signing keys, clients, people); it prints one line
// when it serves and ends when its standard input does, so it never outlives a test.
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const setup = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const issuer = `http://127.0.0.1:${setup.port}`;
const tools = new Map(setup.tools.map((tool) => [tool.id, tool]));
const people = new Map(setup.people.map((person) => [person.id, person]));

const clients = setup.tools.map((tool) => ({
  client_id: tool.id,
  client_secret: tool.secret,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
}));
if (setup.console) {
  clients.push({
    client_id: setup.console.id,
    client_secret: setup.console.secret,
    grant_types: ['authorization_code'],
    redirect_uris: [setup.console.redirect],
  });
}

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: setup.keys },
  cookies: { keys: [setup.cookie] },
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ['sub', 'roles', 'preferred_username'] },
  ttl: { ClientCredentials: 600, IdToken: 600, AccessToken: 600, Interaction: 600, Session: 600, Grant: 600 },
  async findAccount(ctx, id) {
    const person = people.get(id);
    if (!person) return undefined;
    return { accountId: id, claims: async () => ({ sub: id, roles: person.roles, preferred_username: id }) };
  },
  extraTokenClaims(ctx, token) {
    const tool = tools.get(token.clientId);
    return tool ? { roles: tool.roles, sub: tool.id } : {};
  },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) =>
        ctx.oidc.params.grant_type === 'client_credentials' ? setup.audience : undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: '',
        audience: resource,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});

provider.on('server_error', (ctx, error) => process.stderr.write(`${error.stack}\n`));

const server = provider.listen(setup.port, '127.0.0.1', () => {
  process.stdout.write(`serves ${issuer}\n`);
});
process.stdin.on('end', () => {
  server.closeAllConnections();
  server.close(() => process.exit(0));
});
process.stdin.resume();
