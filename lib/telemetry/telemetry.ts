import { type Abstract, type FactoryProvider, Logger } from '@nestjs/common';
import type { Attributes, Context, Counter, Histogram, Link, Meter, Span, Tracer } from '@opentelemetry/api';
import type { Observable } from 'rxjs';
import { SessionClock } from '../common/clock.js';
import { CodedError } from '../common/coded-error.js';
import { codeOf } from '../common/database-errors.js';
import { SessionOptionsError } from '../common/option-mistakes.js';
import { type InstrumentName, type InstrumentOf, INSTRUMENTS } from './instruments.js';

type OpenTelemetryApi = typeof import('@opentelemetry/api');

/** The instrumentation scope of all metrics and spans. */
const SCOPE = 'nestjs-jwt-session';

/** The bounds that the semantic conventions recommend for statements, in seconds. */
const DURATION_BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** In place of a value that could be anything. */
export const OTHER = '_OTHER';

const SQLSTATE = /^[0-9A-Z]{5}$/;
const NETWORK_CODE = /^E[A-Z_]+$/;

/** An event as a counter counts it. */
export interface Count {
  readonly name: InstrumentOf<'counter'>;
  readonly attributes?: Attributes;
  /** Default: 1. */
  readonly by?: number;
}

/** A value that an exporter reads; undefined where there is none. */
export type Reading = number | undefined | readonly (readonly [value: number, attributes: Attributes])[];

export type Readings = Partial<Record<InstrumentOf<'gauge' | 'observable counter'>, () => Reading>>;

/** Several requests that share a statement. */
interface Sharing {
  readonly size: number;
  readonly links: Link[];
}

interface Measurement {
  readonly histogram: Histogram;
  readonly attributes: Attributes;
  readonly span: Span | undefined;
}

/**
 * Metrics and spans by OpenTelemetry's API (option `telemetry`). No attribute has the id of a user or session, a token, or
 * a parameter of a statement; the messages of errors are left out, because the database's can have them.
 */
export class Telemetry {
  private readonly tracer: Tracer;
  private readonly meter: Meter;
  private readonly operations: Histogram;
  private readonly statements: Histogram;
  private readonly counters = new Map<string, Counter>();
  private readonly sharing: symbol;
  private readonly removals: (() => void)[] = [];

  constructor(
    private readonly api: OpenTelemetryApi,
    private readonly clock: SessionClock,
  ) {
    this.tracer = api.trace.getTracer(SCOPE);
    this.meter = api.metrics.getMeter(SCOPE);
    this.operations = this.histogram('jwt_session.operation.duration');
    this.statements = this.histogram('db.client.operation.duration');
    this.sharing = api.createContextKey(`${SCOPE}: requests that share a statement`);
  }

  /** Provides it where option `telemetry` is true. */
  static providerFor(
    module: string,
    options: Abstract<{ readonly telemetry: boolean }>,
  ): FactoryProvider<Telemetry | undefined> {
    return {
      provide: Telemetry,
      inject: [options, SessionClock],
      useFactory: ({ telemetry }: { readonly telemetry: boolean }, clock: SessionClock) =>
        telemetry ? Telemetry.load(module, clock) : undefined,
    };
  }

  /** @throws SessionOptionsError where the package is missing */
  private static async load(module: string, clock: SessionClock): Promise<Telemetry> {
    const api = await import('@opentelemetry/api').catch(() => undefined);
    if (!api) {
      throw new SessionOptionsError(
        ['option "telemetry" needs the package @opentelemetry/api: run "npm install @opentelemetry/api"'],
        module,
      );
    }
    // The API hands its meters out as they are when they are asked for.
    if (api.metrics.getMeter(SCOPE) === api.createNoopMeter()) {
      new Logger(module).warn(
        'option "telemetry": no MeterProvider of OpenTelemetry is registered, and nothing is counted: start its SDK before the application',
      );
    }
    return new Telemetry(api, clock);
  }

  /** Counts events. The subscription ends with the stream. */
  count<Event>(events: Observable<Event>, countOf: (event: Event) => Count | undefined): void {
    events.subscribe(event => {
      const count = countOf(event);
      if (count) this.add(count);
    });
  }

  /** An exporter knows a counter from its first value, so that `by: 0` lets it see the first event as an increase. */
  add({ name, attributes, by = 1 }: Count): void {
    let counter = this.counters.get(name);
    if (!counter) this.counters.set(name, (counter = this.meter.createCounter(name, INSTRUMENTS[name])));
    counter.add(by, attributes);
  }

  /** Has the exporter read values, until `stop`. */
  observe(readings: Readings): void {
    for (const [key, read] of Object.entries(readings)) {
      const name = key as keyof typeof readings;
      const instrument =
        INSTRUMENTS[name].kind === 'gauge'
          ? this.meter.createObservableGauge(name, INSTRUMENTS[name])
          : this.meter.createObservableCounter(name, INSTRUMENTS[name]);
      const callback: Parameters<typeof instrument.addCallback>[0] = result => {
        const reading = read();
        if (typeof reading === 'number') result.observe(reading);
        else for (const [value, attributes] of reading ?? []) result.observe(value, attributes);
      };
      instrument.addCallback(callback);
      this.removals.push(() => instrument.removeCallback(callback));
    }
  }

  /** The exporter outlives the application: it must not hold what the readings refer to. */
  stop(): void {
    for (const remove of this.removals.splice(0)) remove();
  }

  /** Measures each call of the methods, which return promises. */
  measureCalls<Target extends object>(target: Target, names: readonly (keyof Target & string)[], prefix = ''): void {
    for (const name of names) {
      const method = target[name] as (...parameters: unknown[]) => Promise<unknown>;
      const measured = (...parameters: unknown[]) =>
        this.operation(prefix + name, () => method.apply(target, parameters));
      Object.defineProperty(target, name, { value: measured, configurable: true, writable: true });
    }
  }

  private operation<T>(name: string, run: () => Promise<T>): Promise<T> {
    const attributes = { 'jwt_session.operation': name };
    const span = this.tracer.startSpan(`jwt_session ${name}`, { attributes });
    return this.measure({ histogram: this.operations, attributes, span }, run);
  }

  /**
   * Measures a statement. It has a span within one that is being recorded: polls and clean-ups make none, nor does what a
   * request leaves for later.
   */
  statement<T>(name: string, run: () => Promise<T>): Promise<T> {
    const context = this.api.context.active();
    const attributes = { 'db.system.name': 'postgresql', 'db.query.summary': name };
    const isPart = this.api.trace.getSpan(context)?.isRecording() === true;
    const span = isPart ? this.statementSpan(name, attributes, context) : undefined;
    return this.measure({ histogram: this.statements, attributes, span }, run);
  }

  private statementSpan(name: string, attributes: Attributes, context: Context): Span {
    const { size, links } = (context.getValue(this.sharing) ?? {}) as Partial<Sharing>;
    return this.tracer.startSpan(name, {
      kind: this.api.SpanKind.CLIENT,
      attributes: size === undefined ? attributes : { ...attributes, 'db.operation.batch.size': size },
      links,
    });
  }

  /** What the caller belongs to: kept while it waits for a statement that it shares with others. */
  get context(): Context {
    return this.api.context.active();
  }

  within<T>(context: Context, run: () => T): T {
    return this.api.context.with(context, run);
  }

  /** Sends the statement of several requests: its span belongs to the first one and has links to the others. */
  shared<T>([first, ...others]: readonly Context[], run: () => T): T {
    const spans = others
      .map(context => this.api.trace.getSpanContext(context))
      .filter(context => context !== undefined);
    const sharing: Sharing = { size: others.length + 1, links: spans.map(context => ({ context })) };
    return this.within(first!.setValue(this.sharing, sharing), run);
  }

  private async measure<T>({ histogram, attributes, span }: Measurement, run: () => Promise<T>): Promise<T> {
    const { api, clock } = this;
    const began = clock.monotonic();
    let failure: Attributes = {};
    try {
      // A context of its own costs more than all else, and a span that is not recorded has no parts.
      return await (span?.isRecording() ? this.within(api.trace.setSpan(this.context, span), run) : run());
    } catch (error) {
      const type = typeOf(error);
      failure = { 'error.type': type };
      if (histogram === this.statements && SQLSTATE.test(type)) failure['db.response.status_code'] = type;
      span?.setAttributes(failure);
      if (isFault(error)) span?.setStatus({ code: api.SpanStatusCode.ERROR });
      throw error;
    } finally {
      histogram.record((clock.monotonic() - began) / 1000, { ...attributes, ...failure });
      span?.end();
    }
  }

  private histogram(name: InstrumentName): Histogram {
    const advice = { explicitBucketBoundaries: DURATION_BOUNDS };
    return this.meter.createHistogram(name, { ...INSTRUMENTS[name], advice });
  }
}

/** A code of this library, of the server or of the network. */
function typeOf(error: unknown): string {
  if (error instanceof CodedError) return error.errorCode as string;
  const code = codeOf(error);
  return SQLSTATE.test(code) || NETWORK_CODE.test(code) ? code : OTHER;
}

/** A refusal of a request is no fault of the server. */
function isFault(error: unknown): boolean {
  return !(error instanceof CodedError) || error.getStatus() >= 500;
}
