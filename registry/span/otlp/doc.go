// Package otlp sends spans to a collector of OpenTelemetry, by its protocol over HTTP.
//
// It is empty without the build tag otel: what it links is larger than what most
// registries need, so the registry as it is given out has none of it. Where spans go,
// how many of them and under which name is said by OpenTelemetry's own variables,
// as OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER and OTEL_SERVICE_NAME.
package otlp
