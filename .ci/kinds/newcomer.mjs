import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../dist/schematics/database/free-port.js';

const { DATABASE_URL: _url, SESSION_SECRET: _secret, ...outer } = process.env;
const quiet = { npm_config_loglevel: 'error', npm_config_fund: 'false', npm_config_audit: 'false', NO_COLOR: '1' };
const environment = { ...outer, ...quiet, npm_config_prefer_offline: 'true' };

export function check(isRight, message) {
  if (!isRight) throw new Error(message);
}

/** Types commands in a folder, edits its files, and writes all of it into a transcript. */
export class Newcomer {
  cookies = new Map();

  /** @param hidden pairs of what the transcript must not show, such as passwords and folders, and what it shows instead */
  constructor(folder, transcript, hidden) {
    this.folder = folder;
    this.transcript = transcript;
    this.hidden = hidden;
  }

  in(folder) {
    return new Newcomer(join(this.folder, folder), this.transcript, this.hidden);
  }

  say(text) {
    const shown = this.hidden.reduce((all, [secret, name]) => all.replaceAll(secret, name), text);
    // oxlint-disable-next-line no-control-regex -- the colours of terminals
    appendFileSync(this.transcript, `${shown.replaceAll(/\x1b\[[\d;]*m/g, '').trimEnd()}\n`);
  }

  /** Runs a command, which has nothing to read, and returns its output. */
  type(command, { fails = false, env = {} } = {}) {
    this.say(`\n$ ${command}`);
    const { status, stdout, stderr } = spawnSync('bash', ['-ec', command], {
      cwd: this.folder,
      env: { ...environment, ...env },
      encoding: 'utf8',
      input: '',
      maxBuffer: 64 * 1024 * 1024,
    });
    const output = `${stdout}${stderr}`;
    this.say(output);
    check((status !== 0) === fails, `"${command}" ${fails ? 'does not fail' : `fails with ${status}`}:\n${output}`);
    return output;
  }

  read(file) {
    return readFileSync(join(this.folder, file), 'utf8');
  }

  write(file, text) {
    const path = join(this.folder, file);
    this.say(`\n# ${existsSync(path) ? 'changes' : 'writes'} ${file}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  /** Replaces texts, each of which must be there. */
  edit(file, ...changes) {
    let text = this.read(file);
    for (const [from, to] of changes) {
      const isThere = typeof from === 'string' ? text.includes(from) : text.search(from) !== -1;
      check(isThere, `${file} has no ${from}:\n${text}`);
      text = text.replace(from, to);
    }
    this.write(file, text);
  }

  /** Starts a server, lets `use` have its address, and ends it as Ctrl+C in a terminal does. */
  async serve(command, use, env = {}) {
    this.say(`\n$ ${command}`);
    const port = await freePort();
    const child = spawn('bash', ['-ec', command], {
      cwd: this.folder,
      // The applications of a monorepo read the second.
      env: { ...environment, ...env, PORT: String(port), port: String(port) },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'close');
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk));
    this.url = `http://localhost:${port}`;
    try {
      for (let tries = 0; !(await fetch(this.url).catch(() => undefined)); tries++) {
        check(child.exitCode === null && tries < 1500, `"${command}" does not listen on ${port}:\n${output}`);
        await sleep(200);
      }
      await use(this.url, port);
    } finally {
      if (child.exitCode === null) process.kill(-child.pid, 'SIGINT');
      await ended;
      this.say(`\n# What the server wrote:\n${output}`);
    }
  }

  /** Sends a request with the cookies so far, and returns the answer with its text. */
  async send(method, path, body, headers = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const json = body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const response = await fetch(new URL(path, this.url), {
      ...json,
      method,
      redirect: 'manual',
      headers: { cookie, ...json?.headers, ...headers },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      this.cookies.set(name, value);
    }
    const text = await response.text();
    this.say(`${method} ${path} ${body ? JSON.stringify(body) : ''}\n  ${response.status} ${text.slice(0, 300)}`);
    return { status: response.status, text, json: () => JSON.parse(text) };
  }

  async expect(status, ...request) {
    const answer = await this.send(...request);
    check(
      answer.status === status,
      `${request[0]} ${request[1]} answers ${answer.status}, not ${status}: ${answer.text}`,
    );
    return answer;
  }

  /** What a user does with a session in cookies. */
  async logInAndOut(credentials, path = '/login') {
    this.cookies.clear();
    await this.expect(401, 'GET', '/me');
    await this.expect(200, 'POST', path, credentials);
    await this.expect(200, 'GET', '/me');
    await this.expect(200, 'POST', '/session/refresh');
    const devices = (await this.expect(200, 'GET', '/session/devices')).json();
    check(devices.length === 1, `There are ${devices.length} devices`);
    await this.expect(204, 'POST', '/session/logout');
    await this.expect(401, 'GET', '/me');
  }
}
