type Answer = readonly [status: number, body: unknown];

interface PageElement {
  hidden: boolean;
  textContent: string;
  checked: boolean;
  onsubmit?: (event: object) => void;
}

/** Runs the script of a generated page with the few parts of a browser that it uses. */
export class GeneratedPage {
  readonly requests: [route: string, body: unknown][] = [];
  /** By method and path; all others succeed with nothing in them. */
  answers: Record<string, Answer> = {};
  private readonly elements = new Map<string, PageElement>();
  private submitted: object = {};

  constructor(script: string, hash: string) {
    const { requests, submitted } = { requests: this.requests, submitted: () => this.submitted };
    const createSessionFetch = () => async (path: string, init: { method: string; body?: string }) => {
      const route = `${init.method} ${path}`;
      requests.push([route, init.body === undefined ? undefined : JSON.parse(init.body)]);
      const [status, body] = this.answers[route] ?? [200, {}];
      return { ok: status < 400, text: () => Promise.resolve(JSON.stringify(body)) };
    };
    const globals = {
      createSessionFetch,
      document: { getElementById: (id: string) => this.element(id) },
      location: { origin: 'http://localhost:3000', hash },
      history: { replaceState: () => undefined },
      FormData: class {
        [Symbol.iterator]() {
          return Object.entries(submitted()).values();
        }
      },
    };
    const body = script.replace(/^import .*$/m, '');
    new Function(...Object.keys(globals), body)(...Object.values(globals));
  }

  element(id: string): PageElement {
    const known = this.elements.get(id);
    if (known) return known;
    const made = {
      hidden: true,
      textContent: '',
      checked: false,
      reset: () => undefined,
      replaceChildren: () => undefined,
    };
    this.elements.set(id, made);
    return made;
  }

  /** Presses the button of that value, and waits until the page has had all its answers. */
  async submit(value: string, fields: object): Promise<void> {
    this.submitted = fields;
    this.element('signed-out').onsubmit!({ preventDefault: () => undefined, submitter: { value } });
    await new Promise(resolve => setTimeout(resolve));
  }
}
