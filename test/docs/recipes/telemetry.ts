import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

/** Serves the metrics at http://localhost:9464/metrics. */
export const meterProvider = new MeterProvider({ readers: [new PrometheusExporter()] });
metrics.setGlobalMeterProvider(meterProvider);
