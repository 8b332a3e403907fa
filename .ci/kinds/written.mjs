// Kinds of application whose code is that of the documentation.
import { codeUnder } from './documentation.mjs';
import { check } from './newcomer.mjs';

const ada = { username: 'ada', password: 'lovelace' };
const INTEGRATING = 'docs/integrating.md';

/** README's "Install it" and "Use it". */
function useIt(newcomer, { tarball, databaseUrl }, packages = '') {
  newcomer.type(`npm install ${tarball} @nestjs/jwt @nestjs/schedule @nestjs/typeorm typeorm pg${packages}`);
  newcomer.write('src/app.module.ts', codeUnder('README.md', 'Use it'));
  newcomer.write('.env', `DATABASE_URL=${databaseUrl}\nSESSION_SECRET=${'a secret of a newcomer '.repeat(3)}\n`);
}

const START = 'npx nest start --env-file .env';

async function bearerToken(newcomer) {
  const headers = { 'session-transport': 'bearer' };
  return (await newcomer.expect(200, 'POST', '/login', ada, headers)).json().accessToken;
}

const graphql = (packages, driver) => ({
  async follow(newcomer, given) {
    useIt(newcomer, given, ` @nestjs/graphql graphql ${packages}`);
    newcomer.write('src/me.resolver.ts', codeUnder(INTEGRATING, 'How do I guard GraphQL?'));
    newcomer.edit(
      'src/app.module.ts',
      [
        /^/,
        `import { GraphQLModule } from '@nestjs/graphql';\nimport { ${driver}Driver, type ${driver}DriverConfig } from '@nestjs/${driver.toLowerCase()}';\nimport { MeResolver } from './me.resolver.js';\n`,
      ],
      [
        'imports: [\n',
        `imports: [\n    GraphQLModule.forRoot<${driver}DriverConfig>({ driver: ${driver}Driver, autoSchemaFile: true }),\n`,
      ],
      ['providers: [', 'providers: [MeResolver, '],
    );
    if (driver === 'Mercurius') {
      newcomer.edit(
        'src/main.ts',
        [/^/, "import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';\n"],
        ['.create(AppModule)', '.create<NestFastifyApplication>(AppModule, new FastifyAdapter())'],
      );
    }
    await newcomer.serve(START, async () => {
      const query = { query: '{ me }' };
      const refusal = await newcomer.send('POST', '/graphql', query);
      check(refusal.text.includes('session_missing'), `The refusal has no code: ${refusal.text}`);
      await newcomer.expect(200, 'POST', '/login', ada);
      const answer = await newcomer.expect(200, 'POST', '/graphql', query);
      check(answer.json().data.me === 'ada', `The answer is ${answer.text}`);
    });
  },
});

const TRY_SOCKET_IO = `import { io } from 'socket.io-client';

const [url, token] = process.argv.slice(2);
const client = io(url, { extraHeaders: token ? { authorization: \`Bearer \${token}\` } : {} });
client.on('me', data => { console.log('me', data); client.close(); });
client.on('exception', error => { console.log('exception', JSON.stringify(error)); client.close(); });
client.on('connect', () => client.emit('me'));
`;
const TRY_WS = `import { WebSocket } from 'ws';

const [url, token] = process.argv.slice(2);
const headers = token ? { authorization: \`Bearer \${token}\` } : {};
const client = new WebSocket(url.replace('http', 'ws'), { headers });
client.on('open', () => client.send(JSON.stringify({ event: 'me' })));
client.on('message', data => { console.log(String(data)); client.close(); });
`;
/** With socket.io the guard finds the handshake by itself. */
const socketIoGateway = code =>
  code
    .replace(/  protected override getExchange[^]*?\n  }\n\n/, '')
    .replace(/ implements OnGatewayConnection/, '')
    .replace(/  handleConnection[^]*?\n  }\n\n/, '')
    .replace(/interface Client[^]*?\n}\n/, '')
    .replace("import type { IncomingMessage } from 'node:http';\n", '')
    .replace('type ExecutionContext, ', '')
    .replace('type OnGatewayConnection, ', '')
    .replace(' SessionExchange,', '');

const sockets = (packages, gateway, script, changes) => ({
  async follow(newcomer, given) {
    useIt(newcomer, given, ` @nestjs/websockets ${packages}`);
    newcomer.write('src/chat.gateway.ts', gateway());
    newcomer.edit(
      'src/app.module.ts',
      [/^/, "import { ChatGateway } from './chat.gateway.js';\n"],
      ['providers: [', 'providers: [ChatGateway, '],
    );
    if (changes) newcomer.edit('src/main.ts', ...changes);
    newcomer.write('try.mjs', script);
    await newcomer.serve(START, async url => {
      const token = await bearerToken(newcomer);
      check(
        newcomer.type(`node try.mjs ${url}`).includes('session_missing'),
        'A socket without a token is not refused',
      );
      const answer = newcomer.type(`node try.mjs ${url} ${token}`);
      check(answer.includes('ada') && answer.includes('me'), `The answer is ${answer}`);
    });
  },
});

const REPORTS_MAIN = `import { NestFactory } from '@nestjs/core';
import { ReportsModule } from './app.module.js';

const app = await NestFactory.create(ReportsModule);
await app.listen(process.env.PORT ?? 3001);
`;

const PAGE = `import { notes, logOut } from './session.ts';

document.querySelector('#notes')?.addEventListener('click', () => void notes());
document.querySelector('#logout')?.addEventListener('click', () => void logOut());
`;

export const WRITTEN = {
  'graphql-apollo': graphql('@nestjs/apollo @apollo/server @as-integrations/express5', 'Apollo'),
  'graphql-mercurius': graphql('@nestjs/mercurius mercurius @nestjs/platform-fastify', 'Mercurius'),

  'socket-io': sockets(
    '@nestjs/platform-socket.io socket.io-client',
    () => socketIoGateway(codeUnder(INTEGRATING, 'How do I guard WebSockets?')),
    TRY_SOCKET_IO,
  ),
  ws: sockets(
    '@nestjs/platform-ws ws && npm install --save-dev @types/ws',
    () => codeUnder(INTEGRATING, 'How do I guard WebSockets?'),
    TRY_WS,
    [
      [/^/, "import { WsAdapter } from '@nestjs/platform-ws';\n"],
      [/(?=\n.*app\.listen)/, '\n  app.useWebSocketAdapter(new WsAdapter(app));'],
    ],
  ),

  'hybrid-microservice': {
    async follow(newcomer, given) {
      useIt(newcomer, given, ' @nestjs/microservices');
      newcomer.write('src/message.guard.ts', codeUnder(INTEGRATING, 'How do I guard messages between services?'));
      newcomer.write(
        'src/messages.controller.ts',
        `import { Controller, UseGuards } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { UserSession } from 'nestjs-jwt-session';
import { MessageGuard } from './message.guard.js';

@Controller()
export class MessagesController {
  @MessagePattern('who')
  @UseGuards(MessageGuard)
  who(@Payload() message: { session: UserSession }) {
    return { userId: message.session.userId };
  }
}
`,
      );
      newcomer.edit(
        'src/app.module.ts',
        [/^/, "import { MessagesController } from './messages.controller.js';\n"],
        ['controllers: [', 'controllers: [MessagesController, '],
      );
      newcomer.edit(
        'src/main.ts',
        [/^/, "import { Transport } from '@nestjs/microservices';\n"],
        [
          /(?=\n.*app\.listen)/,
          '\n  app.connectMicroservice({ transport: Transport.TCP, options: { port: Number(process.env.TCP_PORT) } });\n  await app.startAllMicroservices();',
        ],
      );
      newcomer.write(
        'try.mjs',
        `import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';

const [port, accessToken] = process.argv.slice(2);
const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { port: Number(port) } });
await firstValueFrom(client.send('who', { accessToken })).then(console.log, error => console.log('refused', error));
client.close();
`,
      );
      const port = 40_000 + (process.pid % 10_000);
      const use = async () => {
        const token = await bearerToken(newcomer);
        const refusal = newcomer.type(`node try.mjs ${port}`);
        check(refusal.includes('refused'), `The answer is ${refusal}`);
        const answer = newcomer.type(`node try.mjs ${port} ${token}`);
        check(answer.includes("userId: 'ada'"), `The answer is ${answer}`);
      };
      await newcomer.serve(START, use, { TCP_PORT: String(port) });
    },
  },

  'verifier-service': {
    async follow(newcomer, given) {
      const service = newcomer.in('../verifier-service-reports');
      newcomer.type('cp -a . ../verifier-service-reports');
      useIt(newcomer, given);
      newcomer.edit('src/app.module.ts', [
        'secret: process.env.SESSION_SECRET,',
        "secret: process.env.SESSION_SECRET,\n      accessToken: { issuer: 'https://auth.example.com', audience: 'reports' },",
      ]);
      await newcomer.serve(START, async url => {
        const authorization = `Bearer ${await bearerToken(newcomer)}`;
        service.type(`npm install ${given.tarball} @nestjs/jwt`);
        check(service.type('ls node_modules').includes('nestjs-jwt-session'), 'The package is not there');
        const code = codeUnder(INTEGRATING, 'How does another Nest service verify tokens?');
        service.write('src/app.module.ts', code.replace("'https://auth.example.com/.well", `'${url}/.well`));
        service.write('src/main.ts', REPORTS_MAIN);
        await service.serve('npx nest start', async () => {
          await service.expect(401, 'GET', '/reports');
          await service.expect(200, 'GET', '/reports', undefined, { authorization });
        });
      });
    },
  },

  'vite-front-end': {
    async follow(newcomer, given) {
      useIt(newcomer, given);
      const page = newcomer.in('../vite-front-end-page');
      newcomer.type('npm create --yes vite@latest ../vite-front-end-page -- --template vanilla-ts --no-interactive');
      page.type(`npm install && npm install ${given.tarball}`);
      page.write('src/session.ts', codeUnder(INTEGRATING, 'How do I use it from a page?'));
      page.write('src/main.ts', PAGE);
      page.type('npm run build');
      const written = page.type('cat dist/assets/*.js');
      check(written.includes('nestjs-jwt-session') && written.length < 12_000, `The page has ${written.length} bytes`);
      page.write(
        'vite.config.ts',
        "import { defineConfig } from 'vite';\n\nconst api = process.env.API;\n\nexport default defineConfig({ server: { port: Number(process.env.PORT), proxy: { '/login': api!, '/me': api!, '/session': api! } } });\n",
      );
      await newcomer.serve(START, async api => {
        await page.serve('npx vite', () => page.logInAndOut(ada), { API: api });
      });
    },
  },
};
