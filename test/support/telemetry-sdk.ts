import { context, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A value of an instrument: a number, or how many values a histogram has. */
export interface Point {
  readonly attributes: Record<string, unknown>;
  readonly value: number;
}

/** OpenTelemetry's SDK as an application starts it: exporters in memory, and one that Prometheus reads over HTTP. */
export class TelemetrySdk {
  private readonly exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  private readonly prometheus = new PrometheusExporter({ preventServerStart: true });
  private readonly spanExporter = new InMemorySpanExporter();
  private readonly meters = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({ exporter: this.exporter, exportIntervalMillis: 3_600_000 }),
      this.prometheus,
    ],
  });
  private readonly tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.spanExporter)] });
  private readonly server = createServer((request, response) =>
    this.prometheus.getMetricsRequestHandler(request, response),
  );

  private constructor() {
    metrics.setGlobalMeterProvider(this.meters);
    trace.setGlobalTracerProvider(this.tracers);
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  }

  static async start(): Promise<TelemetrySdk> {
    const sdk = new TelemetrySdk();
    await new Promise<void>(resolve => sdk.server.listen(0, '127.0.0.1', resolve));
    return sdk;
  }

  /** The spans that have ended since the last call. */
  takeSpans(): ReadableSpan[] {
    const spans = this.spanExporter.getFinishedSpans();
    this.spanExporter.reset();
    return spans;
  }

  /** The present values of the instruments by their names. */
  async read(): Promise<Map<string, Point[]>> {
    await this.meters.forceFlush();
    const scopes = this.exporter.getMetrics().at(-1)?.scopeMetrics ?? [];
    this.exporter.reset();
    return new Map(
      scopes.flatMap(({ metrics: all }) =>
        all.map(({ descriptor, dataPoints }): [string, Point[]] => [
          descriptor.name,
          dataPoints.map(({ attributes, value }) => ({
            attributes,
            value: typeof value === 'number' ? value : value.count,
          })),
        ]),
      ),
    );
  }

  /** What Prometheus reads. */
  async scrape(): Promise<string> {
    const { port } = this.server.address() as AddressInfo;
    return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  }

  async stop(): Promise<void> {
    metrics.disable();
    trace.disable();
    context.disable();
    await Promise.all([this.meters.shutdown(), this.tracers.shutdown()]);
    await new Promise(resolve => this.server.close(resolve));
  }
}
