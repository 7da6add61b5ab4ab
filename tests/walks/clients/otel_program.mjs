// A program with the stock OpenTelemetry SDK for Node, told nothing but OTEL_* variables: it records on every surface.
//
// Standard input: {"words": [...], "modules": "…/node_modules"}, one planted word per surface, used up in turn.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const given = JSON.parse(readFileSync(0, "utf-8"));
const require = createRequire(`${given.modules}/`);
const { NodeSDK } = require("@opentelemetry/sdk-node");
const { ROOT_CONTEXT, SpanStatusCode, TraceFlags, createTraceState, metrics, trace } = require("@opentelemetry/api");
const { SeverityNumber, logs } = require("@opentelemetry/api-logs");

let used = 0;
const word = () => given.words[used++ % given.words.length];

const sdk = new NodeSDK({});
sdk.start();

const remote = {
  traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: TraceFlags.SAMPLED, isRemote: true,
  traceState: createTraceState(`vendor=x${word().slice(0, 8)}`),
};
const tracer = trace.getTracer("shop", "1.0");
const span = tracer.startSpan(
  `pay with ${word()}`,
  { attributes: { "app.note": word(), [`key ${word()}`]: 1, "app.list": ["fine", word()] }, links: [{ context: remote, attributes: { "link.note": word() } }] },
  trace.setSpanContext(ROOT_CONTEXT, remote),
);
span.setAttribute("gen_ai.input.messages", JSON.stringify([{ role: "user", parts: [{ type: "text", content: `my key is ${word()}` }] }]));
span.setAttribute("gen_ai.usage.input_tokens", 12);
span.setAttribute("app.share", 0.25);
span.addEvent(`event ${word()}`, { "event.note": word() });
span.recordException(new Error(`refused: ${word()}`));
span.setStatus({ code: SpanStatusCode.ERROR, message: `status ${word()}` });
span.end();
for (let number = 0; number < 20; number++) tracer.startSpan(`step ${number}`).end();

const logger = logs.getLogger("shop");
logger.emit({ severityNumber: SeverityNumber.WARN, severityText: "WARN", body: `seen ${word()}`, attributes: { "customer.note": word() } });
logger.emit({ severityNumber: SeverityNumber.INFO, eventName: `event ${word()}`, body: { structured: word(), list: [word(), 5] } });

const meter = metrics.getMeter("shop");
meter.createCounter("requests", { description: `about ${word()}` }).add(3, { route: `/pay/${word()}` });
meter.createHistogram("seconds").record(0.5, { customer: word() });

await sdk.shutdown();
