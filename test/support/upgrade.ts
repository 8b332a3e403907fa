import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';

/** Asks for a WebSocket and returns the status of the answer; `fetch` cannot send these headers. */
export async function upgrade(url: string, headers: Record<string, string>): Promise<number | undefined> {
  const handshake = request(url, { headers: { ...headers, connection: 'Upgrade', upgrade: 'websocket' } });
  handshake.end();
  const [answer] = (await once(handshake, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}
