import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type OnGatewayConnection, type OnGatewayInit, WebSocketGateway } from '@nestjs/websockets';
import type { Server, Socket as ServerSocket } from 'socket.io';
import { io, type Socket } from 'socket.io-client';
import { SessionService } from 'nestjs-jwt-session';
import { PLATFORMS, type TestApp } from '../support/test-app.js';
import { TestApps } from '../support/test-apps.js';

/** Keeps each socket in a room of its session, and closes the room when the session ends, wherever that happens. */
@WebSocketGateway()
class ClosingGateway implements OnGatewayInit<Server>, OnGatewayConnection<ServerSocket> {
  constructor(private readonly sessions: SessionService) {}

  afterInit(server: Server): void {
    this.sessions.events.subscribe(event => {
      if (event.type === 'session.revoked') server.in([...event.sessionIds]).disconnectSockets(true);
    });
  }

  async handleConnection(socket: ServerSocket): Promise<void> {
    try {
      const token = socket.handshake.headers.authorization!.replace('Bearer ', '');
      const { id } = await this.sessions.verify(token);
      await socket.join(id);
      socket.emit('ready');
    } catch {
      socket.disconnect(true);
    }
  }
}

const closed = (socket: Socket) => new Promise<void>(resolve => void socket.once('disconnect', () => resolve()));

describe.each(PLATFORMS)('a gateway that closes the sockets of ended sessions, on %s', platform => {
  let apps: TestApps;
  let here: TestApp;
  let there: TestApp;
  const sockets: Socket[] = [];
  beforeAll(async () => {
    apps = await TestApps.on(platform);
    here = await apps.start({ providers: [ClosingGateway] });
    there = await apps.start({ providers: [ClosingGateway] });
  });
  afterEach(() => sockets.splice(0).forEach(socket => socket.disconnect()));
  afterAll(() => apps?.close());

  async function connect({ url }: TestApp, accessToken: string): Promise<Socket> {
    const extraHeaders = { authorization: `Bearer ${accessToken}` };
    const socket = io(url, { extraHeaders, forceNew: true, reconnection: false });
    sockets.push(socket);
    await new Promise((resolve, reject) => {
      socket.once('ready', resolve);
      socket.once('disconnect', () => reject(new Error('the socket was refused')));
    });
    return socket;
  }

  it('S14: log-out in one process closes the open sockets of the session in both, and no other', async () => {
    const ended = await here.sessions.logIn('ada');
    const other = await here.sessions.logIn('ada');
    const near = await connect(here, ended.accessToken!);
    const far = await connect(there, ended.accessToken!);
    const bystander = await connect(there, other.accessToken!);

    const bothClosed = Promise.all([closed(near), closed(far)]);
    await here.sessions.logOut(ended.session.id);
    await bothClosed;

    expect(bystander.connected).toBe(true);
    const revoked = { type: 'session.revoked', sessionIds: [ended.session.id], reason: 'logout' };
    expect(here.events).toContainEqual({ ...revoked, source: 'local' });
    expect(there.events).toContainEqual({ ...revoked, source: 'remote' });
    // Each process emits the event once, after its own statement, the notification or the poll.
    for (const { events } of [here, there]) {
      expect(events.filter(event => event.type === 'session.revoked')).toHaveLength(1);
    }
  });

  it("ending all of a user's sessions closes all of their sockets", async () => {
    const sessions = await Promise.all([1, 2, 3].map(() => here.sessions.logIn('grace')));
    const open = await Promise.all(sessions.map(({ accessToken }) => connect(there, accessToken!)));
    const allClosed = Promise.all(open.map(closed));
    await here.sessions.logOutAll('grace');
    await allClosed;
  });

  it('a session that has ended opens no socket any more', async () => {
    const { session, accessToken } = await here.sessions.logIn('ada');
    await here.sessions.logOut(session.id);
    await expect(connect(here, accessToken!)).rejects.toThrow('the socket was refused');
  });
});
