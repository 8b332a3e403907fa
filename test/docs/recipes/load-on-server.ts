import type { IncomingMessage } from 'node:http';
import type { DeviceResponse } from 'nestjs-jwt-session';

/** Null where the page has to load the list itself, with its session fetch, which can also refresh. */
export async function loadOnServer(api: string, request: IncomingMessage): Promise<DeviceResponse[] | null> {
  const answer = await fetch(`${api}/session/devices`, { headers: { cookie: request.headers.cookie ?? '' } });
  return answer.ok ? ((await answer.json()) as DeviceResponse[]) : null;
}
